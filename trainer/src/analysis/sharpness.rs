//! Sharpness: the dominant eigenvalue of the loss's Hessian (specification, section 8.1), by power iteration over θ as one vector with exact
//! Hessian-vector products.

use crate::data::Loader;
use crate::error::Error;
use crate::network::{Network, upload};
use lethe_autograd::{Parameters, Var, hessian_vector_product};
use lethe_nn::loss::TaskLoss;
use lethe_nn::{Forward, Pass};
use lethe_optim::random_direction;
use lethe_tensor::Tensor;
use serde::{Deserialize, Serialize};

/// Added to denominators.
const EPS: f64 = 1e-6;

/// The stopping rule of a power iteration.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Stopping {
    /// The largest number of iterations.
    pub most_iterations: usize,
    /// The relative change of the estimate below which the iteration has converged.
    pub tolerance: f64,
}

impl Default for Stopping {
    fn default() -> Self {
        Stopping { most_iterations: 100, tolerance: 1e-4 }
    }
}

/// The result of a power iteration.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Dominant {
    /// The eigenvalue of the largest magnitude, with its sign. As in PyHessian (Yao et al., 2020) it is the last but one estimate if the
    /// iteration converged, and the last one if it did not.
    pub eigenvalue: f64,
    /// Whether the iteration converged.
    pub converged: bool,
    /// The estimate ⟨Hv, v⟩ of every iteration.
    pub estimates: Vec<f64>,
}

/// The dominant eigenvalue of the symmetric matrix H that `product` multiplies vectors by: starting from v = `start`, normalised,
///
/// ```text
/// e = ⟨Hv, v⟩        v ← Hv / (‖Hv‖ + 1e-6)        until |e' − e| / (|e'| + 1e-6) < tolerance, e' being the previous estimate
/// ```
///
/// # Errors
/// Those of `product`, of the device, and if an estimate is infinite or NaN.
pub fn power_iteration(
    start: &Tensor,
    stopping: Stopping,
    mut product: impl FnMut(&Tensor) -> Result<Tensor, Error>,
) -> Result<Dominant, Error> {
    let normalised = |v: &Tensor| v.div(&v.norm().add_scalar(EPS)).force().clone();
    let mut v = normalised(start);
    let mut estimates: Vec<f64> = Vec::new();
    while estimates.len() < stopping.most_iterations {
        let hv = product(&v)?;
        let value = f64::from(hv.mul(&v).sum().item::<f32>()?);
        let last = estimates.last().copied();
        estimates.push(value);
        if !value.is_finite() {
            return Err(Error::SharpnessNotFinite { iteration: estimates.len(), value });
        }
        match last {
            Some(last) if (last - value).abs() / (last.abs() + EPS) < stopping.tolerance => {
                return Ok(Dominant { eigenvalue: last, converged: true, estimates });
            }
            _ => v = normalised(&hv),
        }
    }
    let eigenvalue = estimates.last().copied().unwrap_or(0.0);
    Ok(Dominant { eigenvalue, converged: false, estimates })
}

/// The mean loss of a network, in evaluation mode, over all images of a loader: sharpness is its curvature.
pub struct Landscape<'a> {
    /// The network whose θ is the point at which the curvature is computed.
    pub network: Network<'a>,
    /// The loss.
    pub loss: TaskLoss,
    /// The samples, in batches of any size.
    pub loader: &'a Loader,
}

impl Landscape<'_> {
    /// H v, exactly: the mean over batches, weighted by their sizes. Only the sum is kept in memory.
    ///
    /// # Errors
    /// If a batch cannot be made.
    ///
    /// # Panics
    /// If `v` does not have θ's layout.
    pub fn hessian_product(&self, v: &Tensor) -> Result<Tensor, Error> {
        let Network { model, theta, state } = self.network;
        let device = self.network.device();
        let samples = self.loader.images() as f64;
        let mut sum = v.zeros_like();
        for host in self.loader.epoch(0)? {
            let batch = upload(device, &host?);
            sum = device.scope(|| {
                let loss = |params: &Parameters| {
                    let forward = Forward::new(params, state, Pass::evaluate());
                    let logits = model.forward(&forward, &Var::constant(&batch.inputs));
                    self.loss.mean(&logits, &batch.targets)
                };
                let (_, _, product) = hessian_vector_product(theta.values(), theta.layout(), v, loss);
                sum.add(&product.mul_scalar(batch.len() as f64 / samples)).force().clone()
            });
            device.submit();
        }
        Ok(sum)
    }

    /// The dominant eigenvalue of the Hessian, from a random initial vector.
    ///
    /// # Errors
    /// As [`power_iteration`] and [`Landscape::hessian_product`].
    pub fn dominant_eigenvalue(&self, stopping: Stopping, seed: u64) -> Result<Dominant, Error> {
        let start = random_direction(self.network.theta, seed, 0, 0);
        power_iteration(&start, stopping, |v| self.hessian_product(v))
    }
}
