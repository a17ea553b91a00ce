//! Data sets on the host: finding, reading and preparing images and labels, and making batches.
//!
//! This module does not use tensors: a batch is a vector of pixels and a vector of labels, which the training loop uploads.

mod augment;
mod balance;
mod cifar;
mod crop;
mod dataset;
mod decode;
mod digits;
mod duplicates;
mod error;
mod fingerprint;
mod folder;
mod form;
mod idx;
mod idx_set;
mod inspect;
mod jpeg;
mod labels_file;
mod listing;
mod load;
mod loader;
mod locate;
mod names;
mod pictures;
mod pipeline;
mod published;
mod resize;
mod seen;
mod source;
mod stand_in;
mod statistics;
mod test_set;

pub use crate::hold_out::hold_out;
pub use augment::{Augment, Mixture};
pub use crop::{Region, evaluation, inception};
pub use dataset::{DataSplit, Dataset, ImageFile, Images, Pixels};
pub use decode::decode;
pub use digits::digits;
pub use duplicates::{Duplicates, duplicates};
pub use error::DataError;
pub use form::ImageFlaw;
pub use idx::{read_images, read_labels};
pub use jpeg::Flaw as JpegFlaw;
pub use load::load;
pub use loader::{Batch, Epoch, Loader, LoaderError};
pub use locate::SearchPath;
pub use pictures::pictures;
pub use pipeline::Preparation;
pub(crate) use published::{NAMES as PUBLISHED, find_published, idx_file, published};
pub use resize::Filter;
pub use seen::Stamp;
pub use source::{Remarks, sources};
pub use stand_in::StandIn;
pub use statistics::{Channel, Sizes, Statistics, statistics};
pub use test_set::{Judged, TestSet, read_right_labels};
