//! Sweeps: one config with several values of its keys and several seeds, trained as ordinary runs in one folder, and tabulated.

mod axis;
mod check;
mod error;
pub mod jobs;
mod manifest;
pub mod parent;
mod picture;
mod plan;
mod point;
mod results;
mod scale;

pub use crate::standing::Standing;
pub use check::{Needed, check};
pub use error::SweepError;
pub use manifest::{Manifest, SweepFolder};
pub use plan::{Plan, Request, SweepRun};
pub use point::{Draws, Point};
pub use results::{ACCURACY, Results};
