//! The first update of a training on a GPU, made once before the run has a folder and forgotten: what the device cannot compute is said while nothing
//! has begun.

use crate::error::Error;
use crate::training::Training;
use crate::words::of_panic;
use lethe_tensor::Device;
use std::panic::{self, AssertUnwindSafe, catch_unwind};

/// Makes the first update of the training that `begin` begins, unless it computes on the CPU, whose memory is checked without.
///
/// # Errors
/// If the training cannot begin, or the device cannot make the update: its memory or one of its limits does not suffice.
pub fn rehearse<'a>(begin: impl FnOnce() -> Result<Training<'a>, Error>, device: &Device) -> Result<(), Error> {
    if device.is_cpu() {
        return Ok(());
    }
    // Operations refuse what a device cannot hold by a panic, which is an error here and not a fault of the program.
    let hook = panic::take_hook();
    panic::set_hook(Box::new(|_| {}));
    let made = catch_unwind(AssertUnwindSafe(|| begin()?.first_update()));
    panic::set_hook(hook);
    made.unwrap_or_else(|panic| Err(Error::BeyondDevice { device: device.to_string(), what: of_panic(&*panic) }))
}
