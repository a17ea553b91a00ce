//! The paper's measurements beyond accuracy: the information in a network's outputs, what a perturbation makes it forget, the sharpness of its
//! loss, and the rank correlation of such numbers over a pool of models.
//!
//! [`information`], [`companion`], [`threshold`] and [`kendall`] are functions of numbers, without networks or devices. [`collect`], [`landscape`]
//! and [`sharpness`] run networks, [`forgetting`] evaluates a collection, and [`observer`] does so during a training.

pub mod collect;
pub mod companion;
pub mod forgetting;
pub mod information;
pub mod kendall;
pub mod landscape;
pub mod observer;
pub mod sharpness;
pub mod threshold;
