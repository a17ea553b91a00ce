//! What the paper measures of networks beyond accuracy: information in their outputs, and how such numbers go together over a pool of models.
//!
//! These are functions of numbers; they know neither network nor device.

pub mod companion;
pub mod information;
pub mod kendall;
pub mod threshold;
