//! How a radius and a direction become a perturbation: the norm in which its length is measured (specification, sections 3.1 and 3.2).

use crate::blocks::{by_block, table};
use lethe_autograd::Param;
use lethe_nn::Theta;
use lethe_tensor::Tensor;

/// Added to a norm before something is divided by it, so that a zero gradient gives a zero perturbation.
pub(super) const EPS: f64 = 1e-12;

/// How the direction p of ascent becomes the perturbation ε; n is the global L2 norm.
///
/// ```text
/// Euclidean           ε = ρ p / (n(p) + 1e-12)                          SAM
/// Adaptive, before    ε = ρ T p / (n(T p) + 1e-12)                      ASAM; T = diag(|θ| + η)
/// Adaptive, after     ε = ρ T p / (n(p) + 1e-12)
/// Adaptive, both      ε = ρ T² p / (n(T p) + 1e-12)
/// ```
///
/// # Examples
/// ```
/// # use lethe_nn::{Builder, Init};
/// # use lethe_optim::{Adaptive, Geometry, Scale, Scope};
/// # use lethe_tensor::Device;
/// let mut b = Builder::new();
/// let [v, w] = [("v", 3.0), ("w", 4.0)].map(|(name, at)| b.param(name, &[1], Init::Constant(at)));
/// let (theta, _) = b.finish().init(&Device::cpu(), 0);
/// let p = theta.values().sign(); // the same slope along both
/// let asam = Geometry::Adaptive(Adaptive { scale: Scale::Before, eta: 0.0, scope: Scope::All });
/// for (geometry, along_v, along_w) in [(Geometry::Euclidean, 12.5f32.sqrt(), 12.5f32.sqrt()), (asam, 3.0, 4.0)] {
///     let epsilon = geometry.direction(&theta, p.clone()).epsilon(5.0); // of length 5
///     assert!((theta.layout().view(&epsilon, v).item::<f32>()? - along_v).abs() < 1e-4);
///     assert!((theta.layout().view(&epsilon, w).item::<f32>()? - along_w).abs() < 1e-4);
/// }
/// # Ok::<(), lethe_tensor::DeviceError>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum Geometry {
    /// A sphere around θ.
    #[default]
    Euclidean,
    /// An ellipsoid whose axes follow the parameters' magnitudes.
    Adaptive(Adaptive),
}

/// ASAM's scaling T = diag(|θ| + η): where it is applied, and to which parameters.
///
/// # Examples
/// ```
/// # use lethe_nn::{Builder, Init};
/// # use lethe_optim::{Adaptive, Geometry, Scale, Scope};
/// # use lethe_tensor::Device;
/// # let mut b = Builder::new();
/// # let [v, w] = [("v", 3.0), ("w", 4.0)].map(|(name, at)| b.param(name, &[1], Init::Constant(at)));
/// # let (theta, _) = b.finish().init(&Device::cpu(), 0);
/// let asam = Adaptive { scale: Scale::Both, eta: 0.0, scope: Scope::All };
/// let p = theta.values().sign(); // θ is (3, 4), and p (1, 1)
/// let epsilon = Geometry::Adaptive(asam).direction(&theta, p).epsilon(5.0);
/// for (number, expected) in [(v, 9.0f32), (w, 16.0)] {
///     let along = theta.layout().view(&epsilon, number).item::<f32>()?;
///     assert!((along - expected).abs() < 1e-4); // 5 T² p / n(T p) is 5 (9, 16) / 5
/// }
/// # Ok::<(), lethe_tensor::DeviceError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Adaptive {
    /// Where T is applied.
    pub scale: Scale,
    /// η. At 0 a parameter that is 0 is not perturbed.
    pub eta: f64,
    /// Which parameters have a T other than 1.
    pub scope: Scope,
}

/// Whether T scales a direction before or after it is normalised.
///
/// # Examples
/// ```
/// use lethe_nn::loss::TaskLoss;
/// use lethe_optim::{Adaptive, Extragradient, Geometry, Perturbation, Scale, Scope};
/// let asam = Extragradient {
///     geometry: Geometry::Adaptive(Adaptive { scale: Scale::Both, eta: 0.01, scope: Scope::All }),
///     ..Extragradient::sam(Perturbation::Steepest, TaskLoss::cross_entropy())
/// };
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scale {
    /// T scales the direction before it is normalised, so that the perturbation has length ρ.
    Before,
    /// T scales the direction after it is normalised.
    After,
    /// T scales before and after, as in the original ASAM.
    Both,
}

/// Which parameters T scales; it is 1 for the others.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "lowercase"))]
pub enum Scope {
    /// All parameters.
    #[default]
    All,
    /// The parameters with more than one axis.
    Matrices,
    /// The parameters with "weight" in their name, those of norms included, as in the original code of ASAM.
    Weights,
}

impl Scope {
    /// Whether T scales a parameter.
    fn covers(self, p: &Param) -> bool {
        match self {
            Scope::All => true,
            Scope::Matrices => p.shape.len() > 1,
            Scope::Weights => p.name.contains("weight"),
        }
    }
}

impl Adaptive {
    /// T over θ, unevaluated: `a |θ| + b` with (a, b) = (1, η) inside the scope and (0, 1) outside.
    fn scaling(&self, theta: &Theta) -> Tensor {
        if self.scope == Scope::All {
            return theta.values().abs().add_scalar(self.eta);
        }
        let coefficients = table(theta, |p| {
            let row = if self.scope.covers(p) { [1.0, self.eta] } else { [0.0, 1.0] };
            move |_| row
        });
        by_block(theta.values()).abs().mul(&coefficients.slice(1, 0, 1)).add(&coefficients.slice(1, 1, 2))
    }
}

impl Geometry {
    /// The direction of a perturbation of θ along `p`, which has θ's layout.
    ///
    /// # Panics
    /// If `p` does not have θ's layout.
    #[track_caller]
    pub fn direction(&self, theta: &Theta, p: Tensor) -> Direction {
        assert!(
            p.shape() == theta.values().shape(),
            "a direction from θ has its layout, this one shape {:?}",
            p.shape()
        );
        let (measured, scaling) = match self {
            Geometry::Euclidean => (p, None),
            Geometry::Adaptive(adaptive) => {
                let t = adaptive.scaling(theta);
                let p = p.reshape(t.shape());
                let measured = if adaptive.scale == Scale::After { p } else { t.mul(&p) };
                (measured, (adaptive.scale != Scale::Before).then_some(t))
            }
        };
        // No number holds an infinite norm: ρ / ∞ would silently be a perturbation of 0, where NaN ends the run.
        let norm = measured.norm();
        let norm = norm.eq_scalar(f64::INFINITY).where_(&norm.scalar_like(f64::NAN), &norm).add_scalar(EPS);
        let scaled = scaling.map_or_else(|| measured.clone(), |t| t.mul(&measured));
        Direction { measured, norm, scaled }
    }
}

/// A direction in a geometry: one vector of memory, and how it is scaled where it is used.
pub struct Direction {
    /// The vector whose norm is taken: p, or T p.
    measured: Tensor,
    /// That norm.
    norm: Tensor,
    /// ε but for its size: `measured`, or T times it, unevaluated.
    scaled: Tensor,
}

impl Direction {
    /// ε at the radius `rho`, in θ's layout.
    pub fn epsilon(&self, rho: f64) -> Tensor {
        self.normalised().mul_scalar(rho).reshape(&[self.scaled.numel()])
    }

    /// θ + ε, in one kernel.
    pub fn step_from(&self, theta: &Theta, rho: f64) -> Theta {
        theta.step_along(&self.normalised(), &self.norm.scalar_like(rho))
    }

    /// The direction as it was before it was normalised: p, or T p.
    pub fn raw(&self) -> Tensor {
        self.measured.clone()
    }

    /// ε / ρ, unevaluated. Divided before ρ is multiplied by: ρ / norm underflows for large norms.
    pub fn normalised(&self) -> Tensor {
        self.scaled.div(&self.norm)
    }
}
