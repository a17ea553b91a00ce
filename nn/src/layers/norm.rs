//! Normalisation layers.

use crate::{Builder, Forward, Init, Statistics};
use lethe_autograd::{ParamId, Var};

/// `(x − mean) / √(var + eps) · weight + bias` over the last axis.
#[derive(Clone, Debug)]
pub struct LayerNorm {
    weight: ParamId,
    bias: ParamId,
    eps: f64,
}

impl LayerNorm {
    /// Weight 1, bias 0.
    #[track_caller]
    pub fn new(b: &mut Builder, width: usize, eps: f64) -> LayerNorm {
        LayerNorm {
            weight: b.param("weight", &[width], Init::Constant(1.0)),
            bias: b.param("bias", &[width], Init::Constant(0.0)),
            eps,
        }
    }

    /// x […, width].
    ///
    /// # Panics
    /// If x does not end in `width`.
    #[track_caller]
    pub fn forward(&self, f: &Forward<'_>, x: &Var) -> Var {
        x.layer_norm(&f.param(self.weight), &f.param(self.bias), self.eps)
    }
}

/// Normalisation of every channel of (n, c, h, w), with the statistics that the pass names.
#[derive(Clone, Debug)]
pub struct BatchNorm2d {
    weight: ParamId,
    bias: ParamId,
    running_mean: ParamId,
    running_var: ParamId,
    eps: f64,
    momentum: f64,
}

impl BatchNorm2d {
    /// A weight of `gamma`, bias 0; eps 1e-5, and the batch's share in the running values 0.1.
    #[track_caller]
    pub fn new(b: &mut Builder, channels: usize, gamma: f64) -> BatchNorm2d {
        BatchNorm2d {
            weight: b.param("weight", &[channels], Init::Constant(gamma)),
            bias: b.param("bias", &[channels], Init::Constant(0.0)),
            running_mean: b.state("running_mean", &[channels], 0.0),
            running_var: b.state("running_var", &[channels], 1.0),
            eps: 1e-5,
            momentum: 0.1,
        }
    }

    /// x (n, c, h, w).
    ///
    /// # Panics
    /// If x has not `channels` channels.
    #[track_caller]
    pub fn forward(&self, f: &Forward<'_>, x: &Var) -> Var {
        let (weight, bias) = (f.param(self.weight), f.param(self.bias));
        let running = [f.state(self.running_mean), f.state(self.running_var)];
        let running = [&running[0], &running[1]];
        if f.pass().statistics == Statistics::Running {
            return x.batch_norm_eval(&weight, &bias, running, self.eps);
        }
        let out = x.batch_norm(&weight, &bias, running, self.eps, self.momentum);
        if f.pass().statistics == Statistics::Batch {
            let [mean, var] = out.running;
            f.move_state(self.running_mean, mean);
            f.move_state(self.running_var, var);
        }
        out.y
    }
}
