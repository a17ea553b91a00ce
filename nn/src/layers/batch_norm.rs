//! Batch normalisation.

use super::Layer;
use crate::{Builder, Forward, Init, Statistics};
use lethe_autograd::{ParamId, Var};

/// Batch normalisation: `(x − mean) / √(var + eps) · weight + bias` for every channel (axis 1) of x (n, c, and N more axes), with the statistics
/// that the pass names: those of the batch in training, the running ones in evaluation. In training the running ones move by
/// `momentum · (batch − running)`, the variance with the divisor elements − 1. `weight`, `bias` and the state `running_mean`, `running_var` have
/// one element per channel.
///
/// ```
/// use lethe_autograd::Var;
/// use lethe_nn::layers::BatchNorm2d;
/// use lethe_nn::{Builder, Forward, Layer, Pass};
/// use lethe_tensor::{DType, Device, Tensor};
///
/// let mut b = Builder::new();
/// let layer = BatchNorm2d::new(&mut b, 3);
/// let (theta, state) = b.finish().init(&Device::cpu(), 0);
/// let params = theta.constants();
/// let f = Forward::new(&params, &state, Pass::train(0, 0, 0));
/// let x = Var::constant(&Tensor::ones(&Device::cpu(), DType::F32, &[2, 3, 4, 4]));
/// assert_eq!(layer.forward(&f, &x).shape(), [2, 3, 4, 4]);
/// assert_eq!(f.new_state().values().to_vec::<f32>()?[0], 0.1); // a tenth of the way from 0 to the mean
/// # Ok::<(), lethe_tensor::DeviceError>(())
/// ```
#[derive(Clone, Debug)]
pub struct BatchNorm<const N: usize> {
    weight: ParamId,
    bias: ParamId,
    running_mean: ParamId,
    running_var: ParamId,
    channels: usize,
    eps: f64,
    momentum: f64,
}

/// Batch normalisation of vectors (n, c) or sequences (n, c, l).
pub type BatchNorm1d = BatchNorm<1>;
/// Batch normalisation of images (n, c, h, w).
pub type BatchNorm2d = BatchNorm<2>;
/// Batch normalisation of volumes (n, c, d, h, w).
pub type BatchNorm3d = BatchNorm<3>;

impl<const N: usize> BatchNorm<N> {
    /// Weight 1, bias 0, running mean 0 and variance 1; eps 10⁻⁵, momentum 0.1.
    #[track_caller]
    pub fn new(b: &mut Builder, channels: usize) -> BatchNorm<N> {
        BatchNorm::scaled(b, channels, 1.0)
    }

    /// The same with a different initial weight: 0 in the last normalisation of a residual branch, say.
    #[track_caller]
    pub fn scaled(b: &mut Builder, channels: usize, weight: f64) -> BatchNorm<N> {
        BatchNorm {
            weight: b.param("weight", &[channels], Init::Constant(weight)),
            bias: b.param("bias", &[channels], Init::Constant(0.0)),
            running_mean: b.state("running_mean", &[channels], 0.0),
            running_var: b.state("running_var", &[channels], 1.0),
            channels,
            eps: 1e-5,
            momentum: 0.1,
        }
    }

    /// The same with a different eps.
    pub fn eps(self, eps: f64) -> BatchNorm<N> {
        BatchNorm { eps, ..self }
    }

    /// The same with a different momentum coefficient: the weight of the batch's statistics in the new running statistics.
    pub fn momentum(self, momentum: f64) -> BatchNorm<N> {
        BatchNorm { momentum, ..self }
    }
}

impl<const N: usize> Layer for BatchNorm<N> {
    #[track_caller]
    fn forward(&self, f: &Forward<'_>, x: &Var) -> Var {
        let fits = x.rank() == N + 2 || (N == 1 && x.rank() == 2);
        let fits = fits && x.shape()[1] == self.channels;
        assert!(fits, "BatchNorm{N}d: x {:?} is not (n, {}) and {N} more axes", x.shape(), self.channels);
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
