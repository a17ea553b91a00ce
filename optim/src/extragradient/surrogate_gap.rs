//! GSAM (specification, section 3.3): ξ times the component of the perturbing gradient that is orthogonal to the update is subtracted from the
//! update, so that the gap between perturbed and plain loss closes without the perturbed loss rising.

use super::geometry::{Direction, EPS};
use lethe_tensor::Tensor;

/// GSAM's correction of the update gradient: with c the perturbing gradient and g the task's at the perturbed point, it is
///
/// ```text
/// g − ξ c⊥        c⊥ = c − ⟨c, ĝ⟩ ĝ,    ĝ = g / (‖g‖ + 1e-12)
/// ```
///
/// of every slice; ξ = 0 is SAM.
///
/// # Examples
/// ```
/// use lethe_optim::{Backup, SurrogateGap};
/// use lethe_tensor::{Device, Tensor};
/// let [c, g] = [[3.0f32, 4.0], [2.0, 0.0]].map(|numbers| Tensor::new(&Device::cpu(), numbers));
/// let update = SurrogateGap { xi: 0.5, backup: Backup::Raw }.close(&c, &g);
/// // c⊥ = (0, 4): half of it is taken away, and along g nothing changes.
/// let expected = Tensor::new(&Device::cpu(), [2.0, -2.0]);
/// assert!(update.sub(&expected).norm().item::<f32>()? < 1e-5);
/// # Ok::<(), lethe_tensor::DeviceError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SurrogateGap {
    /// ξ.
    pub xi: f64,
    /// Which form of the perturbing gradient is c.
    pub backup: Backup,
}

/// Which form of the perturbing gradient is decomposed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "lowercase"))]
pub enum Backup {
    /// Before it is normalised: p, or T p where ASAM scales before normalising.
    #[default]
    Raw,
    /// After it is normalised: ε / ρ, which includes T where ASAM scales after normalising.
    Normalised,
}

impl SurrogateGap {
    /// The perturbing gradient c, in the form that `backup` names.
    pub fn backup(&self, direction: &Direction) -> Tensor {
        match self.backup {
            Backup::Raw => direction.raw(),
            Backup::Normalised => direction.normalised(),
        }
    }

    /// The corrected update gradient g − ξ c⊥, in θ's layout.
    pub fn close(&self, c: &Tensor, g: &Tensor) -> Tensor {
        if self.xi == 0.0 {
            return g.clone();
        }
        let perpendicular = SurrogateGap::perpendicular(c, g);
        g.reshape(c.shape()).sub(&perpendicular.mul_scalar(self.xi)).reshape(g.shape())
    }

    /// The component c⊥ of c that is orthogonal to g, in c's shape.
    pub fn perpendicular(c: &Tensor, g: &Tensor) -> Tensor {
        let g = g.reshape(c.shape());
        let unit = g.div(&g.norm().add_scalar(EPS));
        let along = c.mul(&unit).sum();
        c.sub(&unit.mul(&along))
    }
}
