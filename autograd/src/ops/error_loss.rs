//! Losses of each element, or of each row: take their mean, sum or [`Var::masked_mean`]. Targets may be tracked, unless they are labels.

use crate::graph::Var;
use lethe_tensor::Tensor;

impl Var {
    /// (x − target)².
    ///
    /// # Panics
    /// If the shapes do not broadcast, or types or devices differ.
    #[track_caller]
    pub fn mse_loss(&self, target: &Var) -> Var {
        (self - target).square()
    }

    /// |x − target|.
    ///
    /// # Panics
    /// If the shapes do not broadcast, or types or devices differ.
    #[track_caller]
    pub fn l1_loss(&self, target: &Var) -> Var {
        (self - target).abs()
    }

    /// With e = x − target: e²/2 where |e| ≤ delta, else delta (|e| − delta/2).
    ///
    /// # Panics
    /// If the shapes do not broadcast, types or devices differ, or delta is not positive.
    #[track_caller]
    pub fn huber_loss(&self, target: &Var, delta: f64) -> Var {
        assert!(delta > 0.0, "huber_loss: delta is {delta}, not positive");
        let error = self - target;
        // e c − c²/2 for c = e held within ±delta is both branches in one.
        let held = error.clamp(-delta, delta);
        &(&error * &held) - &held.square().mul_scalar(0.5)
    }

    /// −t ln p − (1 − t) ln(1 − p) of probabilities p (this); the logarithm of less than the least normal number is −100 and has no slope.
    /// From logits, [`Var::bce_with_logits`] loses nothing.
    ///
    /// # Panics
    /// If the elements are not floats, the shapes do not broadcast, or types or devices differ.
    #[track_caller]
    pub fn bce_loss(&self, target: &Var) -> Var {
        self.tensor().check_float("bce_loss");
        let (yes, no) = (self.bounded_log(), self.rsub_scalar(1.0).bounded_log());
        (&(target * &yes) + &(&target.rsub_scalar(1.0) * &no)).neg()
    }

    /// ln p, −100 without slope for p from 0 to the least normal number; NaN for what is no probability.
    #[track_caller]
    fn bounded_log(&self) -> Var {
        let p = self.tensor();
        let [low, one] = [-100.0, 1.0].map(|value| Var::constant(&p.scalar_like(value)));
        let tiny = Var::constant(&p.lt_scalar(f64::from(f32::MIN_POSITIVE)).mul(&p.ge_scalar(0.0)));
        tiny.where_(&low, &tiny.where_(&one, self).log())
    }

    /// softplus(z) − t z of logits z (this): the sigmoid cross-entropy of each element, without the cancellation that this form has for large z.
    ///
    /// # Panics
    /// If the shapes do not broadcast, or types or devices differ.
    #[track_caller]
    pub fn bce_with_logits(&self, target: &Var) -> Var {
        // With s = 1 where z > 0: (s − t) z + softplus(z (1 − 2 s)).
        let z = self.tensor();
        let positive = z.gt_scalar(0.0);
        let constant = |a: f64, b: f64| Var::constant(&positive.where_(&z.scalar_like(a), &z.scalar_like(b)));
        let slope = &constant(1.0, 0.0) - target;
        // What is certain costs nothing, also where z is infinite.
        let certain = z.abs().eq_scalar(f64::INFINITY).mul(&slope.tensor().eq_scalar(0.0));
        let held = Var::constant(&certain).where_(&Var::constant(&z.scalar_like(0.0)), self);
        &(&slope * &held) + &(self * &constant(-1.0, 1.0)).softplus()
    }

    /// −x at each row's label, for log-probabilities [rows, classes] (this) and labels `[rows]` (`U32`). A row whose label is `u32::MAX` has
    /// neither loss nor gradient; on a GPU those of any other label beyond the classes are NaN.
    ///
    /// # Panics
    /// If this is not [rows, classes], the labels are not `[rows]` of `U32`, or (on the CPU) a label is neither a class nor `u32::MAX`.
    #[track_caller]
    pub fn nll_loss(&self, labels: &Tensor) -> Var {
        assert!(
            self.rank() == 2 && labels.shape() == &self.shape()[..1],
            "nll_loss: log-probabilities {:?} need [rows, classes], labels {:?} [rows]",
            self.shape(),
            labels.shape()
        );
        let classes = self.shape()[1];
        let weights = labels.label_weights("nll_loss", classes, self.tensor().computed_type());
        let ignored = weights.eq_scalar(0.0);
        if classes == 0 {
            return self.sum_axes(&[1], false).masked_fill(&ignored, 0.0);
        }
        // Rows without a label of their own read their first class; then 0 takes its place, or NaN comes of it.
        let within = labels.lt_scalar(classes as f64).mul(labels);
        let chosen = self.gather(1, &within.unsqueeze(-1)).squeeze(-1);
        (&chosen.masked_fill(&ignored, 0.0) * &Var::constant(&weights)).neg()
    }

    /// t (ln t − x) of log-probabilities x (this) and probabilities t; 0 where t is 0. Its sum over the classes is KL(t ‖ eˣ).
    ///
    /// # Panics
    /// If the shapes do not broadcast, or types or devices differ.
    #[track_caller]
    pub fn kl_div(&self, target: &Var) -> Var {
        let none = Var::constant(&target.tensor().eq_scalar(0.0));
        let one = Var::constant(&target.tensor().scalar_like(1.0));
        // What is left out is made of 1 and 0, so that neither side's gradient meets 0 · ∞.
        let zero = Var::constant(&target.tensor().scalar_like(0.0));
        let (t, x) = (none.where_(&one, target), none.where_(&zero, self));
        none.where_(&zero, &(&t * &(&t.log() - &x)))
    }
}
