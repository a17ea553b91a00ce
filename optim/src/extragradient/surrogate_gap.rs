//! GSAM (specification, section 3.3): what of the perturbing gradient the update would not follow is descended less, so that the gap between
//! perturbed and plain loss closes without the perturbed loss rising.

use super::geometry::{Direction, EPS};
use lethe_tensor::Tensor;

/// With c the perturbing gradient and g the task's at the perturbed point, the update gradient
///
/// ```text
/// g − ξ c⊥        c⊥ = c − ⟨c, ĝ⟩ ĝ,    ĝ = g / (‖g‖ + 1e-12)
/// ```
///
/// of every slice; ξ = 0 is SAM.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SurrogateGap {
    /// ξ.
    pub xi: f64,
    /// Which form of the perturbing gradient is c.
    pub backup: Backup,
}

/// Which form of the perturbing gradient is decomposed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "lowercase"))]
pub enum Backup {
    /// As it is measured; where ASAM scales before it normalises, scaled.
    #[default]
    Raw,
    /// Normalised; where ASAM scales after that, scaled.
    Normalised,
}

impl SurrogateGap {
    /// c of a perturbation.
    pub fn backup(&self, direction: &Direction) -> Tensor {
        match self.backup {
            Backup::Raw => direction.raw(),
            Backup::Normalised => direction.normalised(),
        }
    }

    /// The update gradient, in θ's layout.
    pub fn close(&self, c: &Tensor, g: &Tensor) -> Tensor {
        if self.xi == 0.0 {
            return g.clone();
        }
        let perpendicular = SurrogateGap::perpendicular(c, g);
        g.reshape(c.shape()).sub(&perpendicular.mul_scalar(self.xi)).reshape(g.shape())
    }

    /// c⊥, in c's shape.
    pub fn perpendicular(c: &Tensor, g: &Tensor) -> Tensor {
        let g = g.reshape(c.shape());
        let unit = g.div(&g.norm().add_scalar(EPS));
        let along = c.mul(&unit).sum();
        c.sub(&unit.mul(&along))
    }
}
