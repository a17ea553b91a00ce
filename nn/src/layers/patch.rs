//! Images cut into patches.

use super::{Conv2d, Layer};
use crate::{Builder, Forward, Init};
use lethe_autograd::Var;
use lethe_tensor::{ConvOptions, INFER};

/// A convolution whose kernel and stride are the patch: (n, c, h, w) to tokens (n, h/p · w/p, width), row-major.
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
