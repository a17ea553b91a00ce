//! Parameters as one vector, layers, losses and models.
//!
//! A layer holds the ids of its parameters; their values live in [`Theta`], one vector. A [`Builder`] gives out the ids, and a [`Forward`] reads the
//! values: on a tape for training, without one for inference.
//!
//! With the feature `serde` (off by default), the choices of a model that the program's configs name can be read and written.

mod accuracy;
pub mod atomic;
mod build;
mod forward;
mod init;
pub mod layers;
pub mod loss;
pub mod models;
mod predict;
mod theta;
pub mod weights;

pub use accuracy::accuracy;
pub use build::{Blueprint, Builder};
pub use forward::{Forward, Pass, Statistics};
pub use init::Init;
pub use layers::Layer;
pub use models::Model;
pub use predict::predict;
pub use theta::{State, Theta};
pub use weights::WeightsError;
