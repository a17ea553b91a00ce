//! A run as one page of HTML: its curves, its config, and what its model says of the test images.

mod judged;
mod page;
mod picture;
mod shown;

pub use judged::{Judged, judge};
pub use page::page;
pub use picture::{class_sheet, png, sheet};
pub use shown::{Shown, differences};
