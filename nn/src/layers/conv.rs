//! Convolution over one, two or three axes.

use super::Layer;
use crate::{Builder, Forward, Init};
use lethe_autograd::{ParamId, Var};
use lethe_tensor::ConvOptions;

/// Cross-correlation over N axes: `y[o, i] = Σ_c Σ_k weight[o, c, k] x[c, stride · i + dilation · k − padding] + bias[o]`, x
/// (n, c_in, extents…) to (n, c_out, extents′…), `weight` (c_out, c_in / groups, kernel…), `bias` (c_out).
///
/// ```
/// use lethe_autograd::Var;
/// use lethe_nn::layers::Conv2d;
/// use lethe_nn::{Builder, Forward, Layer, Pass};
/// use lethe_tensor::{ConvOptions, DType, Device, Tensor};
///
/// let mut b = Builder::new();
/// let layer = Conv2d::new(&mut b, [3, 8], [3, 3], ConvOptions::new(2, 1));
/// let (theta, state) = b.finish().init(&Device::cpu(), 0);
/// let params = theta.constants();
/// let f = Forward::new(&params, &state, Pass::evaluate());
/// let x = Var::constant(&Tensor::ones(&Device::cpu(), DType::F32, &[1, 3, 32, 32]));
/// assert_eq!(layer.forward(&f, &x).shape(), [1, 8, 16, 16]);
/// ```
#[derive(Clone, Debug)]
pub struct Conv<const N: usize> {
    weight: ParamId,
    bias: Option<ParamId>,
    options: ConvOptions<N>,
}

/// Convolution of sequences (n, c, l).
pub type Conv1d = Conv<1>;
/// Convolution of images (n, c, h, w).
pub type Conv2d = Conv<2>;
/// Convolution of volumes (n, c, d, h, w).
pub type Conv3d = Conv<3>;

impl<const N: usize> Conv<N> {
    /// Initialised as in PyTorch: weights and bias U(±1/√fan_in), where fan_in is c_in / groups times the size of the kernel.
    ///
    /// # Panics
    /// If the groups do not divide the channels.
    #[track_caller]
    pub fn new(b: &mut Builder, channels: [usize; 2], kernel: [usize; N], options: ConvOptions<N>) -> Conv<N> {
        let [fan_in, _] = fans(channels, kernel, options.groups);
        let init = Init::FanIn { fan_in };
        Conv::with(b, channels, kernel, options, init, Some(init))
    }

    /// Without a bias; weights U(±1/√fan_in).
    ///
    /// # Panics
    /// If the groups do not divide the channels.
    #[track_caller]
    pub fn without_bias(b: &mut Builder, channels: [usize; 2], kernel: [usize; N], options: ConvOptions<N>) -> Conv<N> {
        let [fan_in, _] = fans(channels, kernel, options.groups);
        Conv::with(b, channels, kernel, options, Init::FanIn { fan_in }, None)
    }

    /// Xavier-uniform weights and a bias of 0.
    ///
    /// # Panics
    /// If the groups do not divide the channels.
    #[track_caller]
    pub fn xavier(b: &mut Builder, channels: [usize; 2], kernel: [usize; N], options: ConvOptions<N>) -> Conv<N> {
        let [fan_in, fan_out] = fans(channels, kernel, options.groups);
        let zero = Some(Init::Constant(0.0));
        Conv::with(b, channels, kernel, options, Init::XavierUniform { fan_in, fan_out }, zero)
    }

    /// With the given initialisation of the weights, and of the bias if there is one.
    ///
    /// # Panics
    /// If the groups do not divide the channels.
    #[track_caller]
    pub fn with(
        b: &mut Builder,
        channels: [usize; 2],
        kernel: [usize; N],
        options: ConvOptions<N>,
        weight: Init,
        bias: Option<Init>,
    ) -> Conv<N> {
        fans(channels, kernel, options.groups);
        let [c_in, c_out] = channels;
        let shape: Vec<usize> = [c_out, c_in / options.groups].into_iter().chain(kernel).collect();
        Conv {
            weight: b.param("weight", &shape, weight),
            bias: bias.map(|init| b.param("bias", &[c_out], init)),
            options,
        }
    }
}

impl Conv2d {
    /// A square kernel without a bias, initialised by Kaiming's rule for outputs: what residual networks use.
    #[track_caller]
    pub fn kaiming(b: &mut Builder, channels: [usize; 2], kernel: usize, stride: usize, padding: usize) -> Conv2d {
        let init = Init::KaimingFanOut { fan_out: channels[1] * kernel * kernel };
        Conv2d::with(b, channels, [kernel; 2], ConvOptions::new(stride, padding), init, None)
    }
}

/// Inputs of a unit, and outputs that an input reaches, as PyTorch counts them: from the weight's shape.
#[track_caller]
fn fans<const N: usize>([c_in, c_out]: [usize; 2], kernel: [usize; N], groups: usize) -> [usize; 2] {
    let divides = groups > 0 && c_in.is_multiple_of(groups) && c_out.is_multiple_of(groups);
    assert!(divides, "Conv{N}d: {groups} groups do not divide {c_in} and {c_out} channels");
    let taps: usize = kernel.iter().product();
    [c_in / groups * taps, c_out * taps]
}

macro_rules! layers {
    ($($n:literal $op:ident;)*) => { $(
        impl Layer for Conv<$n> {
            #[track_caller]
            fn forward(&self, f: &Forward<'_>, x: &Var) -> Var {
                x.$op(&f.param(self.weight), f.optional_param(self.bias).as_ref(), &self.options)
            }
        }
    )* };
}
layers! { 1 conv1d; 2 conv2d; 3 conv3d; }
