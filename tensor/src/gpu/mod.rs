//! The GPU runtime: what stands between a kernel's text and a device that runs it, through wgpu.
//!
//! It chooses an adapter, hands out pooled buffers, compiles and caches pipelines, records dispatches and copies into a
//! few submissions, and reads results back. Work runs in the order in which it was recorded, as on one queue.
//! A failure (memory exhausted, device lost, a kernel refused) *poisons* the device: nothing panics, later work is
//! void, and the next read returns the error.
//!
//! One idea a file: `adapter` and `caps` say what there is, `pool` owns memory, `pipeline` and `bindings` cache what wgpu
//! makes of kernels and buffers, `params` replaces immediates, `recorder` keeps the open command encoder, `staging` takes
//! bytes in, `tables` keeps small ones there, `readback` takes them out, `counters` counts, `error` keeps the first failure. `device` ties them
//! together; `transfer` and `read` are the rest of its methods. None of these knows of tensors, shapes or plans.
//!
//! Above them, `operand` turns tensors into bindings, `types` says how elements are held, `codegen` turns expressions into kernels (`listing` writes
//! those down), and `plans` dispatches: a file for each file of [`crate::plan`].

mod adapter;
mod bindings;
mod buffer_pool;
mod caps;
pub(crate) mod codegen;
mod counters;
mod device;
mod error;
mod listing;
mod operand;
mod options;
mod params;
mod pipeline;
pub(crate) mod plans;
mod read;
mod readback;
mod recorder;
mod staging;
mod tables;
#[cfg(not(target_arch = "wasm32"))]
mod testing;
mod timestamps;
mod transfer;
pub(crate) mod types;

#[cfg(not(target_arch = "wasm32"))]
pub use adapter::adapters;
pub use adapter::{AdapterChoice, AdapterSummary, adapters_async};
pub use bindings::Binding;
pub use buffer_pool::Buffer;
pub use caps::{Caps, fold_groups};
pub use counters::Counters;
pub use device::GpuDevice;
pub use error::GpuError;
pub(crate) use listing::catch;
pub use listing::expressions;
pub use operand::{Input, Output, Span};
pub use options::GpuOptions;
pub use pipeline::Kernel;
pub use plans::update::source as update_source;
pub use read::PendingRead;
