//! What a mask or a triangle leaves. Masks are `U32`, broadcast to x, and never tracked.

use crate::graph::Var;
use lethe_tensor::Tensor;
use lethe_tensor::layout::broadcast;

impl Var {
    /// `value` where the mask is not 0, else x; `dx = dy` where x was kept.
    ///
    /// # Panics
    /// If the mask does not broadcast to x's shape, or is not `U32`.
    #[track_caller]
    pub fn masked_fill(&self, mask: &Tensor, value: f64) -> Var {
        let fits = broadcast(mask.shape(), self.shape()).as_deref() == Some(self.shape());
        assert!(fits, "masked_fill: the mask {:?} does not broadcast to {:?}", mask.shape(), self.shape());
        Var::constant(mask).where_(&Var::constant(&self.tensor().scalar_like(value)), self)
    }

    /// The mean of the elements where the mask is not 0; 0 if it is 0 everywhere. Losses over rows of which some do not count (padding, an
    /// ignored label) are averaged so.
    ///
    /// # Panics
    /// If the mask does not broadcast to x's shape, or is not `U32`.
    #[track_caller]
    pub fn masked_mean(&self, mask: &Tensor) -> Var {
        let x = self.tensor();
        let weights = mask.where_(&x.scalar_like(1.0), &x.scalar_like(0.0)).expand(x.shape());
        let count = weights.sum().clamp_min(1.0);
        // Selected and not multiplied: a NaN that does not count must do no harm.
        let kept = Var::constant(mask).where_(self, &Var::constant(&x.scalar_like(0.0)));
        &kept.sum() / &Var::constant(&count)
    }

    /// The lower triangle of the last two axes, zeros elsewhere: columns j ≤ i + diagonal.
    ///
    /// # Panics
    /// If there are fewer than two axes.
    #[track_caller]
    pub fn tril(&self, diagonal: isize) -> Var {
        let above = self.beyond("tril", diagonal);
        self.masked_fill(&above, 0.0)
    }

    /// The upper triangle of the last two axes, zeros elsewhere: columns j ≥ i + diagonal.
    ///
    /// # Panics
    /// If there are fewer than two axes.
    #[track_caller]
    pub fn triu(&self, diagonal: isize) -> Var {
        let kept = self.beyond("triu", diagonal - 1);
        self.masked_fill(&kept.logical_not(), 0.0)
    }

    /// 1 where j > i + diagonal, for the last two axes (i, j).
    #[track_caller]
    fn beyond(&self, op: &str, diagonal: isize) -> Tensor {
        assert!(self.rank() >= 2, "{op}: {:?} has fewer than two axes", self.shape());
        let [rows, columns] = [2, 1].map(|i| self.shape()[self.rank() - i]);
        let device = self.device();
        let first = |i: usize| (i as isize + diagonal + 1).clamp(0, columns as isize) as u32;
        let firsts: Vec<u32> = (0..rows).map(first).collect();
        let firsts = Tensor::from_slice(device, &firsts, &[rows, 1]);
        Tensor::arange(device, columns).ge(&firsts)
    }
}
