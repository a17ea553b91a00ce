//! What is ascended before the gradient is taken.

use lethe_nn::loss::{Likelihood, Obf};

/// The direction p of a perturbation, before any geometry. `P` is the objective that [`Perturbation::Ascend`] ascends.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Perturbation<P = Obf> {
    /// Nothing: an ordinary gradient.
    None,
    /// `p = ∇L(θ)`, L the loss itself, as in SAM.
    Steepest,
    /// `p = ∇L^P(θ)`, L^P an [objective](lethe_nn::loss::Objective) of its own. With [`Obf`] it is output bias forgetting.
    Ascend(P),
    /// `p ~ N(0, I)`: where on the sphere around θ does not depend on the data.
    Random,
}

impl Perturbation {
    /// Output bias forgetting with threshold λ and strength γ.
    ///
    /// # Panics
    /// If λ is not in [0, 1), or γ not in [0, 1].
    #[track_caller]
    pub fn obf(lambda: f64, gamma: f64, likelihood: Likelihood) -> Perturbation {
        Perturbation::Ascend(Obf::new(lambda, gamma, likelihood))
    }
}
