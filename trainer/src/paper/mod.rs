//! The paper's tables as data: the hyper-parameters of its runs (table C.1) and its published results. Nothing is trained here.

mod draft;
mod method;
mod results;
mod rows;
mod settings;
#[cfg(test)]
mod tests;

pub use draft::Draft;
pub use method::{Direction, Family, Method, Reach};
pub use results::{Anchor, FINE_TUNING, FIXED_ALPHA, FineTuning, Measured, TABLE_1, TABLE_B1};
pub use rows::{Row, rows};
pub use settings::{Architecture, Task};
