//! What becomes of runs that are killed, and of runs whose files are damaged: the table of docs/reliability.md.

mod audit;
mod faults;
mod kills;
mod subject;

pub use faults::{damaged_files, dates_ahead, full_disk, read_only};
pub use kills::kills;
pub use subject::Subject;

/// A line of the table.
#[derive(Debug)]
pub struct Row {
    /// What was done to a run.
    pub what: String,
    /// How often.
    pub times: usize,
    /// What was found, and required, each time.
    pub found: String,
}

/// What should not have been found, in words.
pub type Fault = Box<dyn std::error::Error>;
