//! Normalisation within one sample.

use super::Layer;
use crate::{Builder, Forward, Init};
use lethe_autograd::{ParamId, Var};
use lethe_tensor::Tensor;

/// `(x − mean) / √(var + eps) · weight + bias` over each group of consecutive channels of a sample and all their places: x (n, c, …); `weight`
/// and `bias` (c). The same in training and evaluation.
///
/// # Examples
/// ```
/// # use lethe_nn::layers::GroupNorm;
/// # use lethe_nn::{Builder, Layer, predict};
/// # use lethe_tensor::{Device, Tensor};
/// # let mut b = Builder::new();
/// let layer = GroupNorm::new(&mut b, 2, 4); // channels 0 and 1 are a group, 2 and 3 the other
/// # let (theta, state) = b.finish().init(&Device::cpu(), 0);
/// let x = Tensor::new(&Device::cpu(), [[[1.0], [3.0], [10.0], [30.0]]]); // 1 sample, 4 channels of one place
/// let y = predict(&theta, &state, &x, &|f, x| layer.forward(f, x)).to_vec::<f32>()?;
/// for (got, expected) in y.into_iter().zip([-1.0f32, 1.0, -1.0, 1.0]) {
///     assert!((got - expected).abs() < 1e-4); // both groups have mean 0 and deviation 1
/// }
/// # Ok::<(), lethe_tensor::DeviceError>(())
/// ```
#[derive(Clone, Debug)]
pub struct GroupNorm {
    weight: ParamId,
    bias: ParamId,
    groups: usize,
    channels: usize,
    eps: f64,
}

impl GroupNorm {
    /// Weight 1, bias 0, eps 10⁻⁵.
    ///
    /// # Panics
    /// If the groups do not divide the channels.
    #[track_caller]
    pub fn new(b: &mut Builder, groups: usize, channels: usize) -> GroupNorm {
        let divides = groups > 0 && channels.is_multiple_of(groups);
        assert!(divides, "GroupNorm: {groups} groups do not divide {channels} channels");
        let [weight, bias] = affine(b, channels);
        GroupNorm { weight, bias, groups, channels, eps: 1e-5 }
    }

    /// The same with a different eps.
    pub fn eps(self, eps: f64) -> GroupNorm {
        GroupNorm { eps, ..self }
    }
}

impl Layer for GroupNorm {
    #[track_caller]
    fn forward(&self, f: &Forward<'_>, x: &Var) -> Var {
        check("GroupNorm", x, self.channels);
        x.group_norm(self.groups, &f.param(self.weight), &f.param(self.bias), self.eps)
    }
}

/// `(x − mean) / √(var + eps)` over the places of each channel of a sample: x (n, c, …), the same in training and evaluation. With
/// [`InstanceNorm::affine`] times `weight` plus `bias`, (c) each.
///
/// # Examples
/// ```
/// # use lethe_nn::layers::InstanceNorm;
/// # use lethe_nn::{Builder, Layer, predict};
/// # use lethe_tensor::{Device, Tensor};
/// # let (theta, state) = Builder::new().finish().init(&Device::cpu(), 0);
/// let layer = InstanceNorm::new(2);
/// let x = Tensor::new(&Device::cpu(), [[[1.0, 3.0], [30.0, 10.0]]]); // 1 sample, 2 channels of two places
/// let y = predict(&theta, &state, &x, &|f, x| layer.forward(f, x)).to_vec::<f32>()?;
/// for (got, expected) in y.into_iter().zip([-1.0f32, 1.0, 1.0, -1.0]) {
///     assert!((got - expected).abs() < 1e-4); // a channel's scale is gone, its pattern stays
/// }
/// # Ok::<(), lethe_tensor::DeviceError>(())
/// ```
#[derive(Clone, Debug)]
pub struct InstanceNorm {
    affine: Option<[ParamId; 2]>,
    channels: usize,
    eps: f64,
}

impl InstanceNorm {
    /// Without parameters, as PyTorch's is by default; eps 10⁻⁵.
    pub fn new(channels: usize) -> InstanceNorm {
        InstanceNorm { affine: None, channels, eps: 1e-5 }
    }

    /// With a weight of 1 and a bias of 0.
    #[track_caller]
    pub fn affine(b: &mut Builder, channels: usize) -> InstanceNorm {
        InstanceNorm { affine: Some(affine(b, channels)), ..InstanceNorm::new(channels) }
    }

    /// The same with a different eps.
    pub fn eps(self, eps: f64) -> InstanceNorm {
        InstanceNorm { eps, ..self }
    }
}

impl Layer for InstanceNorm {
    #[track_caller]
    fn forward(&self, f: &Forward<'_>, x: &Var) -> Var {
        check("InstanceNorm", x, self.channels);
        let constant = |of: fn(&Tensor) -> Tensor| {
            let like = Tensor::zeros(x.device(), x.tensor().computed_type(), &[self.channels]);
            Var::constant(&of(&like))
        };
        let [weight, bias] = match self.affine {
            Some([weight, bias]) => [f.param(weight), f.param(bias)],
            None => [constant(|zeros| zeros.add_scalar(1.0)), constant(Tensor::clone)],
        };
        x.instance_norm(&weight, &bias, self.eps)
    }
}

#[track_caller]
fn affine(b: &mut Builder, channels: usize) -> [ParamId; 2] {
    [("weight", 1.0), ("bias", 0.0)].map(|(name, value)| b.param(name, &[channels], Init::Constant(value)))
}

#[track_caller]
fn check(layer: &str, x: &Var, channels: usize) {
    assert!(x.rank() >= 2 && x.shape()[1] == channels, "{layer}: x {:?} is not (n, {channels}, …)", x.shape());
}
