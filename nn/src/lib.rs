//! Parameters, layers, losses and models.
