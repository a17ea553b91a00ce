//! Images and labels on the host: where they come from, and how they become batches.
//!
//! Nothing here knows a tensor: a batch is a vector of pixels and a vector of labels, which the training loop uploads.

mod augment;
mod dataset;
mod digits;
mod error;
mod idx;
mod loader;
mod locate;

pub use augment::Augment;
pub use dataset::{DataSplit, Dataset, ImageShape};
pub use digits::digits;
pub use error::DataError;
pub use idx::{read_images, read_labels};
pub use loader::{Batch, Epoch, Loader, LoaderError, Preparation};
pub use locate::{Places, load};
