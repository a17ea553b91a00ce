//! What can go wrong with a GPU, and the poison: the first error of a device, kept until someone asks.
//! Not for mistakes of calling code that can be seen at once (those panic at the caller's line).

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// An error of the GPU runtime. Cheap to clone, because a poisoned device returns it at every later read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum GpuError {
    /// No adapter fits the choice.
    #[error("no GPU adapter is {wanted}; {}", list(.present))]
    NoAdapter {
        /// What was asked for, in words.
        wanted: String,
        /// The adapters that are there, one line each.
        present: Vec<String>,
    },
    /// One of wgpu's environment variables asks for an adapter that is not there.
    #[error("{variable}={value} names no GPU adapter of this machine: correct or unset it; {}", list(.present))]
    EnvironmentAdapterAbsent {
        /// `WGPU_ADAPTER_NAME` or `WGPU_BACKEND`.
        variable: &'static str,
        /// Its value.
        value: String,
        /// The adapters that are there, one line each.
        present: Vec<String>,
    },
    /// The adapter refused to open a device.
    #[error("GPU adapter {adapter} could not be opened: {reason}")]
    RequestDevice {
        /// The adapter, in words.
        adapter: String,
        /// What wgpu said.
        reason: String,
    },
    /// Memory ran out, by the driver's word or by the budget of [`GpuOptions::memory_limit`](super::GpuOptions).
    #[error("GPU memory exhausted: asked for {asked} bytes with {in_use} bytes in use, {}; \
             use a smaller batch or model, more slices, or a GPU with more memory", budget(.allowed))]
    OutOfMemory {
        /// The bytes of the request that failed.
        asked: u64,
        /// The bytes held by live buffers then.
        in_use: u64,
        /// The budget in bytes, if there is one besides the driver's own.
        allowed: Option<u64>,
    },
    /// One buffer would be larger than the device allows.
    #[error("a GPU buffer of {asked} bytes is larger than the {largest} bytes that this adapter allows for one buffer")]
    BufferTooLarge {
        /// The bytes asked for.
        asked: u64,
        /// The adapter's limit in bytes.
        largest: u64,
    },
    /// A kernel needs more of a buffer at once than a binding may be.
    #[error(
        "{kernel}: an operand of {size} bytes is more than the {most} bytes that this adapter lets a kernel see at once; \
             use a smaller batch or model"
    )]
    BindingTooLarge {
        /// The kernel's name.
        kernel: String,
        /// The operand's bytes.
        size: u64,
        /// The adapter's limit in bytes.
        most: u64,
    },
    /// An operation's sizes go beyond what its kernel can address.
    #[error("{operation}: {found}, and its GPU kernel can do {most} at most; use a smaller shape, or the CPU")]
    TooLargeForKernel {
        /// The operation's name.
        operation: &'static str,
        /// What is too large, and how large it is, in words.
        found: String,
        /// The most that the kernel can do.
        most: u64,
    },
    /// An operation of a program's own has no kernel.
    #[error("{operation}: this operation has no GPU kernel; give its plan one, or use the CPU")]
    NoKernel {
        /// The operation's name.
        operation: &'static str,
    },
    /// A blocking call where nothing may block.
    #[error("a browser cannot wait for a GPU: use {instead}")]
    CannotBlock {
        /// The asynchronous form of the call.
        instead: &'static str,
    },
    /// wgpu refused a command or a kernel: a bug of this program, told with wgpu's own words.
    #[error("the GPU runtime was used wrongly: {0}")]
    Validation(String),
    /// wgpu or the driver failed inside.
    #[error("internal GPU error: {0}")]
    Internal(String),
    /// The device is gone: unplugged, reset by a watchdog, or destroyed.
    #[error("the GPU device was lost: {0}; start again from the last checkpoint")]
    Lost(String),
}

fn list(adapters: &[String]) -> String {
    if adapters.is_empty() {
        "none is present: install a driver, or use the CPU".into()
    } else {
        format!("present: {}", adapters.join("; "))
    }
}

fn budget(limit: &Option<u64>) -> String {
    limit.map_or("the driver allows no more".into(), |bytes| format!("{bytes} bytes allowed"))
}

/// The first error of a device. Set from wgpu's callbacks on any thread, so it takes no other lock.
#[derive(Default)]
pub(super) struct Poison {
    is_set: AtomicBool,
    error: Mutex<Option<GpuError>>,
}

impl Poison {
    /// Keeps `error` if it is the first.
    pub fn set(&self, error: GpuError) {
        lock(&self.error).get_or_insert(error);
        self.is_set.store(true, Ordering::Release);
    }

    pub fn is_set(&self) -> bool {
        self.is_set.load(Ordering::Acquire)
    }

    pub fn status(&self) -> Result<(), GpuError> {
        if !self.is_set() {
            return Ok(());
        }
        lock(&self.error).clone().map_or(Ok(()), Err)
    }

    /// The poison, or, where none was set, a loss with this reason.
    pub fn or_lost(&self, reason: impl fmt::Display) -> GpuError {
        self.status().err().unwrap_or_else(|| GpuError::Lost(reason.to_string()))
    }
}

/// Locks without minding a panic elsewhere: every critical section of the runtime leaves its data whole.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_error_stays() {
        let poison = Poison::default();
        assert_eq!(poison.status(), Ok(()));
        poison.set(GpuError::OutOfMemory { asked: 10, in_use: 20, allowed: Some(25) });
        poison.set(GpuError::Lost("later".into()));
        let error = poison.status().unwrap_err();
        let text = error.to_string();
        assert!(text.contains("asked for 10 bytes with 20 bytes in use, 25 bytes allowed"), "{text}");
        assert_eq!(poison.or_lost("unused"), error);
    }
}
