//! Normalisations.

use crate::graph::Var;
use lethe_tensor::Tensor;

/// What batch normalisation in training mode gives.
pub struct BatchNormVars {
    /// The normalised values.
    pub y: Var,
    /// The moved running mean and variance; not tracked.
    pub running: [Tensor; 2],
}

impl Var {
    /// `(x − mean) / √(var + eps)` over `axes`, kept as size-1 axes, from differentiable operations.
    #[track_caller]
    fn standardised(&self, axes: &[isize], eps: f64) -> (Var, Var) {
        let centred = self.centred(axes);
        let rstd = centred.square().mean_axes(axes, true).add_scalar(eps).rsqrt();
        (&centred * &rstd, rstd)
    }

    /// `dx = rstd (g − mean(g) − x̂ mean(g x̂))`, the input gradient of a standardisation.
    #[track_caller]
    fn standardised_grad(&self, hat: &Var, rstd: &Var, axes: &[isize]) -> Var {
        let slope = (self * hat).mean_axes(axes, true);
        rstd * &(&(self - &self.mean_axes(axes, true)) - &(hat * &slope))
    }

    /// `(x − mean) / √(var + eps) · weight + bias` over the trailing axes that the weight has. With `g = dy · weight`:
    /// `dx = rstd (g − mean(g) − x̂ mean(g x̂))`, `dweight = Σ dy x̂`, `dbias = Σ dy`.
    ///
    /// # Panics
    /// If x's shape does not end in the weight's, or the bias does not have the weight's shape.
    #[track_caller]
    pub fn layer_norm(&self, weight: &Var, bias: &Var, eps: f64) -> Var {
        let (x, w, b) = (self.clone(), weight.clone(), bias.clone());
        let (y, stats) = self.tensor().layer_norm_with_stats(weight.tensor(), bias.tensor(), eps);
        Var::record("layer_norm", &[self, weight, bias], y, move |dy| {
            if !Var::recorded(&[dy, &x, &w]) {
                let [dx, dw, db] = x.tensor().layer_norm_backward(w.tensor(), dy.tensor(), &stats, eps);
                return [dx, dw, db].iter().map(|t| Some(Var::constant(t))).collect();
            }
            let axes: Vec<isize> = (1..=w.rank() as isize).map(|i| -i).collect();
            let (hat, rstd) = x.standardised(&axes, eps);
            let dx = (dy * &w).standardised_grad(&hat, &rstd, &axes);
            vec![Some(dx), Some((dy * &hat).sum_to(w.shape())), Some(dy.sum_to(b.shape()))]
        })
    }

    /// `x / √(mean(x²) + eps) · weight` over the last axis.
    ///
    /// # Panics
    /// If the weight does not have the extent of the last axis.
    #[track_caller]
    pub fn rms_norm(&self, weight: &Var, eps: f64) -> Var {
        let rstd = self.square().mean_axes(&[-1], true).add_scalar(eps).rsqrt();
        &(self * &rstd) * weight
    }

    /// Normalisation over groups of consecutive channels (axis 1) and all that follow; weight and bias have one element per channel.
    ///
    /// # Panics
    /// If the channels are not divisible into the groups.
    #[track_caller]
    pub fn group_norm(&self, groups: usize, weight: &Var, bias: &Var, eps: f64) -> Var {
        let (n, c) = (self.shape()[0], self.shape()[1]);
        assert!(groups > 0 && c % groups == 0, "group_norm: {c} channels do not fall into {groups} groups");
        let rows = self.reshape(&[n, groups, self.numel() / (n * groups).max(1)]);
        let hat = rows.standardised(&[-1], eps).0.reshape(self.shape());
        let per_channel = channel_shape(c, self.rank());
        &(&hat * &weight.reshape(&per_channel)) + &bias.reshape(&per_channel)
    }

    /// Normalisation of every channel (axis 1) of every sample by itself: [`Var::group_norm`] with as many groups as channels.
    ///
    /// # Panics
    /// If x has fewer than two axes, or a parameter does not have one element per channel.
    #[track_caller]
    pub fn instance_norm(&self, weight: &Var, bias: &Var, eps: f64) -> Var {
        assert!(self.rank() >= 2, "instance_norm: x {:?} needs a batch and channels", self.shape());
        self.group_norm(self.shape()[1], weight, bias, eps)
    }

    /// Normalisation of every channel (axis 1) with the statistics of the batch; the running values move by `momentum`. With N elements a
    /// channel: `dx = weight rstd (dy − Σdy / N − x̂ Σ(dy x̂) / N)`, `dweight = Σ dy x̂`, `dbias = Σ dy`.
    ///
    /// # Panics
    /// If x has fewer than two axes or no elements, or a parameter or running value does not have one element per channel.
    #[track_caller]
    pub fn batch_norm(
        &self,
        weight: &Var,
        bias: &Var,
        running: [&Tensor; 2],
        eps: f64,
        momentum: f64,
    ) -> BatchNormVars {
        let (x, w) = (self.clone(), weight.clone());
        let out = self.tensor().batch_norm(weight.tensor(), bias.tensor(), running, eps, momentum);
        let stats = out.stats;
        let y = Var::record("batch_norm", &[self, weight, bias], out.y, move |dy| {
            if !Var::recorded(&[dy, &x, &w]) {
                let [dx, dw, db] = x.tensor().batch_norm_backward(w.tensor(), dy.tensor(), &stats, eps);
                return [dx, dw, db].iter().map(|t| Some(Var::constant(t))).collect();
            }
            let axes: Vec<isize> = (0..x.rank() as isize).filter(|a| *a != 1).collect();
            let (hat, rstd) = x.standardised(&axes, eps);
            let per_channel = channel_shape(w.numel(), x.rank());
            let dx = (dy * &w.reshape(&per_channel)).standardised_grad(&hat, &rstd, &axes);
            vec![Some(dx), Some((dy * &hat).sum_axes(&axes, false)), Some(dy.sum_axes(&axes, false))]
        });
        BatchNormVars { y, running: [out.running_mean, out.running_var] }
    }

    /// Normalisation of every channel (axis 1) with given statistics, from elementwise operations.
    ///
    /// # Panics
    /// If a parameter does not have one element per channel.
    #[track_caller]
    pub fn batch_norm_eval(&self, weight: &Var, bias: &Var, running: [&Tensor; 2], eps: f64) -> Var {
        let per_channel = channel_shape(weight.numel(), self.rank());
        // The mean comes off first: where it is large, what is left of a difference of products is their rounding.
        let mean = Var::constant(&running[0].reshape(&per_channel));
        let rstd = Var::constant(&running[1].add_scalar(eps).rsqrt().reshape(&per_channel));
        let hat = &(self - &mean) * &rstd;
        &(&hat * &weight.reshape(&per_channel)) + &bias.reshape(&per_channel)
    }
}

/// The shape that broadcasts one element per channel over axis 1.
#[track_caller]
fn channel_shape(channels: usize, rank: usize) -> Vec<usize> {
    assert!(rank >= 2, "batch_norm: x of rank {rank} has no axis of channels (axis 1)");
    let mut shape = vec![1; rank - 1];
    shape[0] = channels;
    shape
}
