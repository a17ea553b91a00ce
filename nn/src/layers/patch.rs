//! Images cut into patches.

use super::{Conv2d, Layer};
use crate::{Builder, Forward, Init};
use lethe_autograd::Var;
use lethe_tensor::{ConvOptions, INFER};

/// A convolution whose kernel and stride are the patch: (n, c, h, w) to tokens (n, h/p · w/p, width), row-major.
///
/// # Examples
/// ```
/// # use lethe_nn::layers::PatchEmbedding;
/// # use lethe_nn::{Builder, Layer, predict};
/// # use lethe_tensor::{DType, Device, Tensor};
/// # let mut b = Builder::new();
/// let layer = PatchEmbedding::new(&mut b, 3, 4, 16); // of RGB, patches of 4 × 4, tokens of width 16
/// # let (theta, state) = b.finish().init(&Device::cpu(), 0);
/// let images = Tensor::ones(&Device::cpu(), DType::F32, &[1, 3, 8, 12]);
/// let tokens = predict(&theta, &state, &images, &|f, x| layer.forward(f, x));
/// assert_eq!(tokens.shape(), [1, 6, 16]); // 2 rows of 3 patches
/// ```
#[derive(Clone, Debug)]
pub struct PatchEmbedding {
    proj: Conv2d,
}

impl PatchEmbedding {
    /// Truncated LeCun-normal weights, bias 0.
    #[track_caller]
    pub fn new(b: &mut Builder, channels: usize, patch: usize, width: usize) -> PatchEmbedding {
        let init = Init::TruncatedLecun { fan_in: channels * patch * patch };
        let options = ConvOptions::new(patch, 0);
        let zero = Some(Init::Constant(0.0));
        PatchEmbedding {
            proj: b.within("proj", |b| Conv2d::with(b, [channels, width], [patch; 2], options, init, zero)),
        }
    }
}

impl Layer for PatchEmbedding {
    #[track_caller]
    fn forward(&self, f: &Forward<'_>, x: &Var) -> Var {
        let maps = self.proj.forward(f, x);
        let (n, width) = (maps.shape()[0], maps.shape()[1]);
        maps.reshape(&[n, width, INFER]).transpose(1, 2)
    }
}
