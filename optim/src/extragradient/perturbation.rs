//! The direction in which a perturbation ascends before the gradient is taken.

use lethe_nn::loss::{Likelihood, Obf};

/// The direction p of a perturbation, before any geometry. `P` is the objective that [`Perturbation::Ascend`] ascends.
///
/// # Examples
/// ```
/// # use lethe_autograd::Var;
/// # use lethe_nn::loss::Mse;
/// # use lethe_nn::{Builder, Forward, Init};
/// # use lethe_optim::{Batch, Extragradient, Perturbation, SliceIndex};
/// # use lethe_tensor::{Device, Tensor};
/// # let mut b = Builder::new();
/// # let w = b.param("w", &[1], Init::Constant(1.0));
/// # let (theta, state) = b.finish().init(&Device::cpu(), 0);
/// # let [inputs, targets] = [[[1.0f32], [2.0]], [[0.0], [0.0]]].map(|rows| Tensor::new(&Device::cpu(), rows));
/// # let batch = Batch { inputs, targets };
/// let model = |f: &Forward<'_>, x: &Var| x * &f.param(w); // one parameter, which is 1
/// let moved = |perturbation: Perturbation| {
///     let step = Extragradient::sam(perturbation, Mse);
///     let theta = step.perturbed(&theta, &state, &batch, 0.1, SliceIndex::default(), &model);
///     theta.layout().view(theta.values(), w).item::<f32>()
/// };
/// assert_eq!(moved(Perturbation::None)?, 1.0);
/// assert!((moved(Perturbation::Steepest)? - 1.1).abs() < 1e-5); // uphill
/// assert!(((moved(Perturbation::Random)? - 1.0).abs() - 0.1).abs() < 1e-5); // as far, either way
/// # Ok::<(), lethe_tensor::DeviceError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Perturbation<P = Obf> {
    /// No perturbation: an ordinary gradient.
    None,
    /// `p = ∇L(θ)`, L the loss itself, as in SAM.
    Steepest,
    /// `p = ∇L^P(θ)`, L^P an [objective](lethe_nn::loss::Objective) of its own. With [`Obf`] it is output bias forgetting.
    Ascend(P),
    /// `p ~ N(0, I)`: a random direction, independent of the data.
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
