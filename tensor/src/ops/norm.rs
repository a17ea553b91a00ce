//! Layer and batch normalisation.

use crate::plan::{BatchNorm, BatchNormBackward, LayerNorm, LayerNormBackward};
use crate::run::execute;
use crate::tensor::Tensor;

/// What a forward normalisation in training mode gives.
pub struct BatchNormOutput {
    /// The normalised tensor.
    pub y: Tensor,
    /// [channels, 2]: mean and 1 / √(var + eps) of the batch.
    pub stats: Tensor,
    /// The moved running mean.
    pub running_mean: Tensor,
    /// The moved running variance.
    pub running_var: Tensor,
}

fn three(mut v: Vec<Tensor>) -> [Tensor; 3] {
    let (c, b) = (v.remove(2), v.remove(1));
    [v.remove(0), b, c]
}

/// Whether a batch (or what is summed up of its channels) is larger, or its planes are longer, than one kernel takes.
fn is_long(p: &BatchNorm, x: &Tensor) -> bool {
    p.area > x.device().longest_row() || x.numel().max(4 * p.channels) > x.device().most_elements()
}

impl Tensor {
    #[track_caller]
    fn layer_norm_plan(&self, weight: &Tensor, eps: f64) -> LayerNorm {
        self.check_float("layer_norm");
        let n = weight.numel();
        assert!(
            self.shape().ends_with(weight.shape()) && weight.rank() > 0 && n > 0,
            "layer_norm: x {:?} does not end in the weight's shape {:?}",
            self.shape(),
            weight.shape()
        );
        self.same_type("layer_norm", weight);
        LayerNorm { dtype: self.computed_type(), rows: self.numel() / n, n, eps, shape: self.shape().to_vec() }
    }

    /// The result of [`Tensor::layer_norm_with_stats`] alone.
    ///
    /// # Panics
    /// As [`Tensor::layer_norm_with_stats`].
    #[track_caller]
    pub fn layer_norm(&self, weight: &Tensor, bias: &Tensor, eps: f64) -> Tensor {
        self.layer_norm_with_stats(weight, bias, eps).0
    }

    /// `(x − mean) / √(var + eps) · weight + bias` over the trailing axes that the weight has. Also gives [rows, 2] = (mean, 1 / deviation).
    ///
    /// # Panics
    /// If the weight has no axis or no elements, x's shape does not end in the weight's, the bias does not have the weight's shape, or types or
    /// devices differ.
    #[track_caller]
    pub fn layer_norm_with_stats(&self, weight: &Tensor, bias: &Tensor, eps: f64) -> (Tensor, Tensor) {
        let plan = self.layer_norm_plan(weight, eps);
        assert!(bias.shape() == weight.shape(), "layer_norm: weight {:?}, bias {:?}", weight.shape(), bias.shape());
        self.same_type("layer_norm", bias);
        if plan.n > self.device().longest_row() && plan.rows > 0 {
            let (y, stats, _) = self.reshape(&[plan.rows, plan.n]).normalise(&[1], eps);
            return (y.reshape(self.shape()).mul(weight).add(bias), stats);
        }
        let mut out = execute(plan, &[&self.contiguous(), &weight.contiguous(), &bias.contiguous()]);
        let stats = out.swap_remove(1);
        (out.swap_remove(0), stats)
    }

    /// The gradients (x, weight, bias) of [`Tensor::layer_norm`].
    ///
    /// # Panics
    /// If x's shape does not end in the weight's, dy does not have x's shape, or types or devices differ.
    #[track_caller]
    pub fn layer_norm_backward(&self, weight: &Tensor, dy: &Tensor, stats: &Tensor, eps: f64) -> [Tensor; 3] {
        let plan = LayerNormBackward(self.layer_norm_plan(weight, eps));
        assert!(dy.shape() == self.shape(), "layer_norm_backward: x {:?}, dy {:?}", self.shape(), dy.shape());
        self.same_type("layer_norm_backward", dy);
        let LayerNorm { rows, n, .. } = plan.0;
        let stats = &self.checked_stats("layer_norm_backward", stats, rows);
        if n > self.device().longest_row() && rows > 0 {
            let [x, dy] = [self, dy].map(|t| t.reshape(&[rows, n]));
            let [dx, dw, db] = x.normalise_backward(&weight.reshape(&[n]), &dy, stats, &[1]);
            return [dx.reshape(self.shape()), dw.reshape(weight.shape()), db.reshape(weight.shape())];
        }
        let inputs = [&self.contiguous(), &weight.contiguous(), &dy.contiguous(), stats];
        let [dx, dw, db] = three(execute(plan, &inputs));
        [dx, dw.reshape(weight.shape()), db.reshape(weight.shape())]
    }

    /// The statistics that the forward pass gave: of each of `n` rows or channels (mean, 1 / deviation), contiguous.
    #[track_caller]
    fn checked_stats(&self, op: &str, stats: &Tensor, n: usize) -> Tensor {
        assert!(
            stats.shape() == [n, 2],
            "{op}: stats {:?} of x {:?} are not {:?}",
            stats.shape(),
            self.shape(),
            [n, 2]
        );
        self.same_type(op, stats);
        stats.contiguous()
    }

    #[track_caller]
    fn batch_norm_plan(&self, weight: &Tensor, eps: f64, momentum: f64) -> BatchNorm {
        self.check_float("batch_norm");
        assert!(self.rank() >= 2, "batch_norm: x {:?} needs a batch and a channel axis", self.shape());
        let channels = self.shape()[1];
        assert!(weight.shape() == [channels], "batch_norm: weight {:?} for x {:?}", weight.shape(), self.shape());
        let area = self.shape()[2..].iter().product();
        self.same_type("batch_norm", weight);
        let shape = self.shape().to_vec();
        assert!(self.numel() > 0, "batch_norm: x {shape:?} has no elements to take statistics of");
        BatchNorm { dtype: self.computed_type(), batch: self.shape()[0], channels, area, eps, momentum, shape }
    }

    /// Normalisation of every channel (axis 1) with the statistics of the batch; the running values move by `momentum`.
    ///
    /// # Panics
    /// If x has fewer than two axes or no elements, a parameter or running value does not have one element per channel, or types or devices differ.
    #[track_caller]
    pub fn batch_norm(
        &self,
        weight: &Tensor,
        bias: &Tensor,
        running: [&Tensor; 2],
        eps: f64,
        momentum: f64,
    ) -> BatchNormOutput {
        let plan = self.batch_norm_plan(weight, eps, momentum);
        for t in [bias, running[0], running[1]] {
            assert!(
                t.shape() == weight.shape(),
                "batch_norm: a parameter is {:?}, not {:?}",
                t.shape(),
                weight.shape()
            );
            self.same_type("batch_norm", t);
        }
        if is_long(&plan, self) {
            return self.batch_norm_in_steps(&plan, [weight, bias], running);
        }
        let [mean, var] = running.map(Tensor::contiguous);
        let mut out = execute(plan, &[&self.contiguous(), &weight.contiguous(), &bias.contiguous(), &mean, &var]);
        let (running_var, running_mean, stats) = (out.remove(3), out.remove(2), out.remove(1));
        BatchNormOutput { y: out.remove(0), stats, running_mean, running_var }
    }

    /// The gradients (x, weight, bias) of [`Tensor::batch_norm`].
    ///
    /// # Panics
    /// If x has fewer than two axes or no elements, the weight does not have one element per channel, dy does not have x's shape, or types or devices
    /// differ.
    #[track_caller]
    pub fn batch_norm_backward(&self, weight: &Tensor, dy: &Tensor, stats: &Tensor, eps: f64) -> [Tensor; 3] {
        let plan = BatchNormBackward(self.batch_norm_plan(weight, eps, 0.0));
        assert!(dy.shape() == self.shape(), "batch_norm_backward: x {:?}, dy {:?}", self.shape(), dy.shape());
        self.same_type("batch_norm_backward", dy);
        let BatchNorm { batch, channels, area, .. } = plan.0;
        let stats = &self.checked_stats("batch_norm_backward", stats, channels);
        if is_long(&plan.0, self) {
            let [x, dy] = [self, dy].map(|t| t.reshape(&[batch, channels, area]));
            let [dx, dw, db] = x.normalise_backward(&weight.unsqueeze(-1), &dy, stats, &[0, 2]);
            return [dx.reshape(self.shape()), dw, db];
        }
        three(execute(plan, &[&self.contiguous(), &weight.contiguous(), &dy.contiguous(), stats]))
    }

    /// [`Tensor::batch_norm`] for more elements than a kernel sees at once.
    #[track_caller]
    fn batch_norm_in_steps(
        &self,
        p: &BatchNorm,
        [weight, bias]: [&Tensor; 2],
        running: [&Tensor; 2],
    ) -> BatchNormOutput {
        let (hat, stats, var) = self.reshape(&[p.batch, p.channels, p.area]).normalise(&[0, 2], p.eps);
        let y = hat.mul(&weight.unsqueeze(-1)).add(&bias.unsqueeze(-1)).reshape(self.shape());
        let mean = stats.slice(1, 0, 1).squeeze(1);
        let n = (p.batch * p.area) as f64;
        let var = var.reshape(mean.shape()).mul_scalar(n / (n - 1.0).max(1.0));
        let moved = |old: &Tensor, new: &Tensor| old.mul_scalar(1.0 - p.momentum).add(&new.mul_scalar(p.momentum));
        BatchNormOutput { y, running_mean: moved(running[0], &mean), running_var: moved(running[1], &var), stats }
    }

    /// `(x − mean) / √(var + eps)` over some axes in several steps, [others, 2] = (mean, 1 / √(var + eps)), and the variance.
    #[track_caller]
    fn normalise(&self, axes: &[isize], eps: f64) -> (Tensor, Tensor, Tensor) {
        let mean = self.mean_axes(axes, true);
        let centred = self.sub(&mean);
        // What the rounding of the mean left, which is as large as the deviations where the mean is large.
        let rest = centred.mean_axes(axes, true);
        let (mean, centred) = (mean.add(&rest), centred.sub(&rest));
        let var = centred.square().mean_axes(axes, true);
        let rstd = var.add_scalar(eps).rsqrt();
        let columns = [&mean, &rstd].map(|t| t.reshape(&[t.numel(), 1]));
        (centred.mul(&rstd), Tensor::concat(&[&columns[0], &columns[1]], 1), var)
    }

    /// The gradients of x, weight and bias through such a normalisation.
    #[track_caller]
    fn normalise_backward(&self, weight: &Tensor, dy: &Tensor, stats: &Tensor, axes: &[isize]) -> [Tensor; 3] {
        let mut kept = self.shape().to_vec();
        axes.iter().for_each(|a| kept[*a as usize] = 1);
        let [mean, rstd] = [0, 1].map(|i| stats.slice(1, i, i + 1).reshape(&kept));
        let (hat, g) = (self.sub(&mean).mul(&rstd), dy.mul(weight));
        let slope = g.mul(&hat).mean_axes(axes, true);
        let dx = g.sub(&g.mean_axes(axes, true)).sub(&hat.mul(&slope)).mul(&rstd);
        // The parameters vary along the axes that the statistics do not have, or do not vary along (those of a batch).
        let over: Vec<isize> = if axes == [1] { vec![0] } else { axes.to_vec() };
        [dx, dy.mul(&hat).sum_axes(&over, false), dy.sum_axes(&over, false)]
    }
}
