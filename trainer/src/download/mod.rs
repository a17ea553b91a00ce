//! Downloads published data sets and installs them where the readers look for them.

mod catalogue;
mod checksum;
mod error;
mod fetch;
mod install;
mod progress;
mod staging;
mod unpack;

#[cfg(fuzzing)]
pub use catalogue::Archive;
pub use catalogue::Published;
pub use error::DownloadError;
pub use fetch::{Fetcher, Patience};
pub use install::{Installed, get};
pub use progress::Transfers;
#[cfg(fuzzing)]
pub use unpack::unpack;
