//! What the paper measures of networks beyond accuracy: information in their outputs, what a perturbation makes them forget, the sharpness
//! of their loss, and how such numbers go together over a pool of models.
//!
//! [`information`], [`companion`], [`threshold`] and [`kendall`] are functions of numbers; they know neither network nor device. [`collect`], [`landscape`] and
//! [`sharpness`] run networks, and [`forgetting`] is what comes of a collection.

pub mod collect;
pub mod companion;
pub mod forgetting;
pub mod information;
pub mod kendall;
pub mod landscape;
pub mod sharpness;
pub mod threshold;
