//! What is ascended before the gradient is taken.

use lethe_nn::loss::{Likelihood, Obf};

/// L^p of a perturbation: θ moves along +∇L^p.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Perturbation {
    /// Nothing: an ordinary gradient.
    None,
    /// The task loss itself, as in SAM.
    Steepest,
    /// Output bias forgetting.
    Obf(Obf),
}

impl Perturbation {
    /// Output bias forgetting with threshold λ and strength γ.
    ///
    /// # Panics
    /// If λ is not in [0, 1), or γ not in [0, 1].
    #[track_caller]
    pub fn obf(lambda: f64, gamma: f64, likelihood: Likelihood) -> Perturbation {
        Perturbation::Obf(Obf::new(lambda, gamma, likelihood))
    }
}
