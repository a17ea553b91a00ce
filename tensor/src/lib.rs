//! Tensors on CPU and GPU: layouts, plans, and the two back ends that execute them.
//!
//! Every operation takes the same path: a public method on [`Tensor`] (`ops`) checks shapes once and builds a [`plan`]; [`execute`] gives it to
//! the device's back end (`cpu`, `gpu`), which checks nothing again. Elementwise operations build an [`expr`] instead, which the first
//! consumer that needs numbers turns into one plan.

mod back_ends;
pub mod cpu;
mod device;
mod display;
mod dtype;
mod error;
pub mod expr;
mod functions;
#[cfg(feature = "gpu")]
pub mod gpu;
mod host;
mod later;
pub mod layout;
pub mod normal;
#[cfg_attr(not(feature = "gpu"), allow(dead_code))] // formulas are written down for the generator of kernels alone
mod numeric;
mod ops;
pub mod plan;
mod profile;
pub mod random;
mod read;
mod run;
mod storage;
mod tensor;

pub use device::Device;
pub use dtype::{DType, Element, Float};
pub use error::DeviceError;
pub use host::collected;
pub use later::Later;
pub use numeric::Numeric;
pub use ops::array::{Array, Number};
pub use ops::attention;
pub use ops::conv::ConvOptions;
pub use ops::indexing::{Cuts, Ellipsis, Index, Indices, NewAxis};
pub use ops::norm::BatchNormOutput;
pub use ops::pool::{PoolOptions, adaptive_plan};
pub use ops::view::INFER;
pub use profile::{Operation, Profiler};
pub use run::{count_flops, defer, execute, execute_in_place, execute_one, store};
pub use tensor::Tensor;
