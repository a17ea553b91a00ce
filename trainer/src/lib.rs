//! Training with perturbed forgetting.
