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

impl Tensor {
    #[track_caller]
    fn layer_norm_plan(&self, weight: &Tensor, eps: f64) -> LayerNorm {
        self.float("layer_norm");
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

    /// `(x − mean) / √(var + eps) · weight + bias` over the trailing axes that the weight has. Also gives [rows, 2] = (mean, 1 / deviation).
    ///
    /// # Panics
    /// If x does not end in the weight's shape.
    #[track_caller]
    pub fn layer_norm(&self, weight: &Tensor, bias: &Tensor, eps: f64) -> (Tensor, Tensor) {
        let plan = self.layer_norm_plan(weight, eps);
        assert!(bias.shape() == weight.shape(), "layer_norm: weight {:?}, bias {:?}", weight.shape(), bias.shape());
        self.same_type("layer_norm", bias);
        let mut out = execute(plan, &[&self.contiguous(), &weight.contiguous(), &bias.contiguous()]);
        let stats = out.swap_remove(1);
        (out.swap_remove(0), stats)
    }

    /// The gradients (x, weight, bias) of [`Tensor::layer_norm`].
    ///
    /// # Panics
    /// If the shapes are not the forward pass's.
    #[track_caller]
    pub fn layer_norm_backward(&self, weight: &Tensor, dy: &Tensor, stats: &Tensor, eps: f64) -> [Tensor; 3] {
        let plan = LayerNormBackward(self.layer_norm_plan(weight, eps));
        assert!(dy.shape() == self.shape(), "layer_norm_backward: x {:?}, dy {:?}", self.shape(), dy.shape());
        self.same_type("layer_norm_backward", dy);
        let inputs = [&self.contiguous(), &weight.contiguous(), &dy.contiguous(), stats];
        let [dx, dw, db] = three(execute(plan, &inputs));
        [dx, dw.reshape(weight.shape()), db.reshape(weight.shape())]
    }

    #[track_caller]
    fn batch_norm_plan(&self, weight: &Tensor, eps: f64, momentum: f64) -> BatchNorm {
        self.float("batch_norm");
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
    /// If a parameter has not one element a channel, or x is empty.
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
        let [mean, var] = running.map(Tensor::contiguous);
        let mut out = execute(plan, &[&self.contiguous(), &weight.contiguous(), &bias.contiguous(), &mean, &var]);
        let (running_var, running_mean, stats) = (out.remove(3), out.remove(2), out.remove(1));
        BatchNormOutput { y: out.remove(0), stats, running_mean, running_var }
    }

    /// The gradients (x, weight, bias) of [`Tensor::batch_norm`].
    ///
    /// # Panics
    /// If the shapes are not the forward pass's.
    #[track_caller]
    pub fn batch_norm_backward(&self, weight: &Tensor, dy: &Tensor, stats: &Tensor, eps: f64) -> [Tensor; 3] {
        let plan = BatchNormBackward(self.batch_norm_plan(weight, eps, 0.0));
        assert!(dy.shape() == self.shape(), "batch_norm_backward: x {:?}, dy {:?}", self.shape(), dy.shape());
        self.same_type("batch_norm_backward", dy);
        three(execute(plan, &[&self.contiguous(), &weight.contiguous(), &dy.contiguous(), stats]))
    }
}
