//! The WGSL kernels of Lethe, and the expander of their variants.
//!
//! A kernel file under `wgsl/` reads as it stands: its header says what it computes, the shapes, the grid, the bindings, the
//! flags and why it is tiled as it is. [`expand`] keeps or drops lines by flag and substitutes nothing. A file with its flags and
//! the values of its `override` constants is a [`Variant`]; [`variants`] is the finite list of all that a runtime may ask for,
//! and [`find`] looks one up. Every one of them is validated and translated to SPIR-V, MSL, HLSL and GLSL in the tests, by the
//! function that the feature `gate` publishes for generated kernels.
//!
//! This package knows nothing of tensors, devices or plans.
//!
//! ```
//! use lethe_shaders::{ParamsForm, find};
//! let product = find("gemm", "gemm", &["TILE_64", "VEC4", "B_T"], &[]);
//! assert_eq!(product.name(), "gemm-gemm-tile_64-b_t-vec4");
//! assert!(product.source(ParamsForm::Uniform).contains("var<uniform> p: Params;"));
//! ```

mod bindings;
mod expand;
#[cfg(feature = "gate")]
pub mod gate;
mod list;
mod lookup;
mod params;
mod sources;
mod variant;

pub use bindings::{Binding, bindings};
pub use expand::{ExpandError, expand};
pub use list::LANES;
pub use lookup::{find, get, variants};
pub use params::ParamsForm;
pub use sources::{files, functions};
pub use variant::Variant;
