//! Two-dimensional convolution.

use crate::{Builder, Forward, Init};
use lethe_autograd::{ParamId, Var};
use lethe_tensor::ConvOptions;

/// Cross-correlation with a weight (c_out, c_in / groups, kh, kw), and a bias if there is one.
#[derive(Clone, Debug)]
pub struct Conv2d {
    weight: ParamId,
    bias: Option<ParamId>,
    options: ConvOptions,
}

impl Conv2d {
    /// A convolution whose weight and bias start as given.
    #[track_caller]
    pub fn new(
        b: &mut Builder,
        [c_in, c_out]: [usize; 2],
        kernel: [usize; 2],
        options: ConvOptions,
        weight: Init,
        bias: Option<Init>,
    ) -> Conv2d {
        let shape = [c_out, c_in / options.groups, kernel[0], kernel[1]];
        Conv2d {
            weight: b.param("weight", &shape, weight),
            bias: bias.map(|init| b.param("bias", &[c_out], init)),
            options,
        }
    }

    /// A square kernel without a bias, started by Kaiming's rule for outputs: what residual networks use.
    #[track_caller]
    pub fn kaiming(b: &mut Builder, channels: [usize; 2], kernel: usize, stride: usize, padding: usize) -> Conv2d {
        let init = Init::KaimingFanOut { fan_out: channels[1] * kernel * kernel };
        Conv2d::new(b, channels, [kernel; 2], ConvOptions::new(stride, padding), init, None)
    }

    /// x (n, c_in, h, w) to (n, c_out, h', w').
    ///
    /// # Panics
    /// If the sizes do not fit.
    #[track_caller]
    pub fn forward(&self, f: &Forward<'_>, x: &Var) -> Var {
        x.conv2d(&f.param(self.weight), self.bias.map(|b| f.param(b)).as_ref(), &self.options)
    }
}
