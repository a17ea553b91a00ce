//! Two-dimensional convolution and its gradients, and the options of convolutions of any number of axes.

use super::conv_parts::{ConvCut, Halves};
use super::view::INFER;
use crate::plan::{Conv2d, ConvGeometry, ConvPass};
use crate::run::execute_one;
use crate::tensor::Tensor;

/// How a window moves over N axes; two are (height, width), three (depth, height, width).
///
/// # Examples
/// ```
/// use lethe_tensor::{ConvOptions, DType, Device, Tensor};
/// let x = Tensor::ones(&Device::cpu(), DType::F32, &[1, 1, 4, 4]);
/// let w = Tensor::ones(&Device::cpu(), DType::F32, &[1, 1, 2, 2]);
/// let y = x.conv2d(&w, None, &ConvOptions::new(2, 0)); // stride 2, no padding
/// assert_eq!(y.to_vec::<f32>()?, [4.0; 4]); // 2 · 2 windows of 4 ones
/// assert_eq!(x.conv2d(&w, None, &ConvOptions::default().same([2, 2])).shape(), [1, 1, 4, 4]);
/// let spread = ConvOptions { dilation: [3, 3], ..ConvOptions::default() }; // the taps are the corners of x
/// assert_eq!(x.conv2d(&w, None, &spread).shape(), [1, 1, 1, 1]);
/// # Ok::<(), lethe_tensor::DeviceError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConvOptions<const N: usize = 2> {
    /// Steps of the window.
    pub stride: [usize; N],
    /// Zeros before and after, for each axis.
    pub padding: [[usize; 2]; N],
    /// Distance between taps.
    pub dilation: [usize; N],
    /// Groups of channels that do not mix.
    pub groups: usize,
}

impl<const N: usize> Default for ConvOptions<N> {
    fn default() -> Self {
        ConvOptions { stride: [1; N], padding: [[0; 2]; N], dilation: [1; N], groups: 1 }
    }
}

impl<const N: usize> ConvOptions<N> {
    /// The same stride and padding on all axes and sides.
    pub fn new(stride: usize, padding: usize) -> ConvOptions<N> {
        ConvOptions { stride: [stride; N], padding: [[padding; 2]; N], ..ConvOptions::default() }
    }

    /// These options with the padding under which, at stride 1, the result has the input's extents; of an odd total, the larger part
    /// comes after.
    pub fn same(self, kernel: [usize; N]) -> ConvOptions<N> {
        let padding = std::array::from_fn(|i| {
            let total = self.dilation[i] * kernel[i].saturating_sub(1);
            [total / 2, total - total / 2]
        });
        ConvOptions { padding, ..self }
    }
}

impl ConvOptions {
    /// The sizes of a convolution of `x` (batch, c_in, h, w) with a weight (c_out, c_in / groups, kh, kw).
    ///
    /// # Panics
    /// If `x` or `w` does not have four axes, channels and groups do not match, a stride or dilation is 0, or the window is larger than the padded
    /// image.
    #[track_caller]
    pub fn geometry(&self, x: &[usize], w: &[usize]) -> ConvGeometry {
        assert!(x.len() == 4 && w.len() == 4, "conv2d: x {x:?} and weight {w:?} need four axes each (NCHW, OIHW)");
        let [batch, c_in, h, wd] = [x[0], x[1], x[2], x[3]];
        assert!(
            self.groups > 0
                && c_in % self.groups == 0
                && w[0].is_multiple_of(self.groups)
                && w[1] == c_in / self.groups,
            "conv2d: {} groups of {c_in} channels do not fit a weight (out, in / groups, kh, kw) of {w:?}",
            self.groups
        );
        assert!(self.stride.iter().chain(&self.dilation).all(|s| *s > 0), "conv2d: a stride or dilation is 0");
        let kernel = [w[2], w[3]];
        let extent = |i: usize, n: usize| {
            ConvGeometry::output_extent(n, kernel[i], self.stride[i], self.padding[i], self.dilation[i])
        };
        let (Some(rows), Some(columns)) = (extent(0, h), extent(1, wd)) else {
            panic!(
                "conv2d: a kernel of {kernel:?}, dilation {:?}, does not fit x {x:?} with padding {:?}",
                self.dilation, self.padding
            )
        };
        ConvGeometry {
            batch,
            c_in,
            c_out: w[0],
            groups: self.groups,
            input: [h, wd],
            kernel,
            output: [rows, columns],
            stride: self.stride,
            padding: self.padding,
            dilation: self.dilation,
        }
    }
}

impl Tensor {
    /// Cross-correlation of this image batch (n, c_in, h, w) with a weight (c_out, c_in / groups, kh, kw), plus a bias (c_out).
    ///
    /// # Panics
    /// If the sizes do not fit ([`ConvOptions::geometry`]), the bias is not (c_out), or types or devices differ.
    #[track_caller]
    pub fn conv2d(&self, weight: &Tensor, bias: Option<&Tensor>, options: &ConvOptions) -> Tensor {
        self.check_float("conv2d");
        self.same_type("conv2d", weight);
        let geometry = options.geometry(self.shape(), weight.shape());
        self.check_bias(bias, geometry.c_out);
        self.convolve(weight, bias, ConvPass::Forward, geometry)
    }

    /// The gradient of a convolution's input, given that of its output (this tensor): also the transposed convolution, which may have
    /// a bias (c_in).
    ///
    /// # Panics
    /// If the tensors do not have the geometry's shapes.
    #[track_caller]
    pub fn conv2d_input_grad(&self, weight: &Tensor, bias: Option<&Tensor>, geometry: &ConvGeometry) -> Tensor {
        assert!(
            self.shape() == geometry.y_shape() && weight.shape() == geometry.w_shape(),
            "conv2d_input_grad: {:?} and {:?} are not the shapes of {geometry:?}",
            self.shape(),
            weight.shape()
        );
        self.same_type("conv2d_input_grad", weight);
        self.check_bias(bias, geometry.c_in);
        self.convolve(weight, bias, ConvPass::InputGrad, geometry.clone())
    }

    /// The gradient of a convolution's weight, given its input (this tensor) and the gradient of its output.
    ///
    /// # Panics
    /// If the tensors do not have the geometry's shapes.
    #[track_caller]
    pub fn conv2d_weight_grad(&self, dy: &Tensor, geometry: &ConvGeometry) -> Tensor {
        assert!(
            self.shape() == geometry.x_shape() && dy.shape() == geometry.y_shape(),
            "conv2d_weight_grad: {:?} and {:?} are not the shapes of {geometry:?}",
            self.shape(),
            dy.shape()
        );
        self.same_type("conv2d_weight_grad", dy);
        self.convolve(dy, None, ConvPass::WeightGrad, geometry.clone())
    }

    #[track_caller]
    fn check_bias(&self, bias: Option<&Tensor>, channels: usize) {
        if let Some(b) = bias {
            self.same_type("conv2d", b);
            assert!(b.shape() == [channels], "conv2d: the bias has shape {:?}, not [{channels}]", b.shape());
        }
    }

    #[track_caller]
    fn convolve(&self, other: &Tensor, bias: Option<&Tensor>, pass: ConvPass, geometry: ConvGeometry) -> Tensor {
        let plan = Conv2d { dtype: self.computed_type(), pass, geometry, bias: bias.is_some() };
        let shape = &crate::plan::Plan::outputs(&plan)[0].shape;
        self.device().check_room("conv2d", self.computed_type(), shape);
        if [self.numel(), other.numel(), shape.iter().product()].contains(&0) {
            let zeros = Tensor::zeros(self.device(), self.computed_type(), shape);
            return bias.map_or(zeros.clone(), |b| zeros.add(&b.reshape(&[INFER, 1, 1])));
        }
        if let Some(cut) = ConvCut::of(&plan.geometry, pass, self) {
            let halves = Halves::of(&plan.geometry, pass, cut);
            let parts = halves.operands([self, other]).map(|([a, b], part)| a.convolve(&b, None, pass, part));
            return halves.joined(parts, bias);
        }
        #[cfg(feature = "gpu")]
        if let (false, Err((found, most))) =
            (self.device().is_cpu(), crate::gpu::plans::conv::fits(&plan.geometry, pass))
        {
            let name = crate::plan::Plan::name(&plan);
            panic!("{name}: {found}, and the kernels of GPUs do {most} at most; use a smaller shape, or the CPU");
        }
        let (a, b) = (self.contiguous(), other.contiguous());
        match bias {
            Some(bias) => execute_one(plan, &[&a, &b, &bias.contiguous()]),
            None => execute_one(plan, &[&a, &b]),
        }
    }
}
