//! Two-dimensional convolution (cross-correlation, NCHW) and its two gradients.

use super::{Items, Plan, Run, Spec, bytes_of};
use crate::dtype::DType;

/// The sizes of a convolution, seen from its forward pass. Pairs are (height, width).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ConvGeometry {
    /// Images.
    pub batch: usize,
    /// Channels of the input.
    pub c_in: usize,
    /// Channels of the output.
    pub c_out: usize,
    /// Groups: each connects `c_in / groups` with `c_out / groups` channels.
    pub groups: usize,
    /// The input's size.
    pub input: [usize; 2],
    /// The kernel's size.
    pub kernel: [usize; 2],
    /// The output's size.
    pub output: [usize; 2],
    /// Steps of the window.
    pub stride: [usize; 2],
    /// Zeros before and after, for each axis.
    pub padding: [[usize; 2]; 2],
    /// Distance between taps.
    pub dilation: [usize; 2],
}

impl ConvGeometry {
    /// The output's extent along an axis: `⌊(in + before + after − dilation (kernel − 1) − 1) / stride⌋ + 1`, or `None` if the window
    /// does not fit.
    pub fn output_extent(
        input: usize,
        kernel: usize,
        stride: usize,
        padding: [usize; 2],
        dilation: usize,
    ) -> Option<usize> {
        let window = dilation.checked_mul(kernel.checked_sub(1)?)?.checked_add(1)?;
        let padded = input.checked_add(padding[0])?.checked_add(padding[1])?;
        Some(padded.checked_sub(window)? / stride + 1)
    }

    /// Shape of the input.
    pub fn x_shape(&self) -> [usize; 4] {
        [self.batch, self.c_in, self.input[0], self.input[1]]
    }

    /// Shape of the weight: (c_out, c_in / groups, kh, kw).
    pub fn w_shape(&self) -> [usize; 4] {
        [self.c_out, self.c_in / self.groups, self.kernel[0], self.kernel[1]]
    }

    /// Shape of the output.
    pub fn y_shape(&self) -> [usize; 4] {
        [self.batch, self.c_out, self.output[0], self.output[1]]
    }
}

/// Which of the three products.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ConvPass {
    /// y from x and w (and a bias of c_out elements).
    Forward,
    /// dx from dy and w (and, for transposed convolution, a bias of c_in elements).
    InputGrad,
    /// dw from x and dy.
    WeightGrad,
}

/// One pass of a convolution. Inputs, contiguous: Forward x, w, `[bias]`; InputGrad dy, w, `[bias]`; WeightGrad x, dy.
#[derive(Clone, Debug)]
pub struct Conv2d {
    /// `F32` or `F64`.
    pub dtype: DType,
    /// Which pass.
    pub pass: ConvPass,
    /// Sizes.
    pub geometry: ConvGeometry,
    /// Whether a bias is added.
    pub bias: bool,
}

impl Plan for Conv2d {
    fn name(&self) -> &'static str {
        match self.pass {
            ConvPass::Forward => "conv2d",
            ConvPass::InputGrad => "conv2d_input_grad",
            ConvPass::WeightGrad => "conv2d_weight_grad",
        }
    }
    fn outputs(&self) -> Vec<Spec> {
        let shape = match self.pass {
            ConvPass::Forward => self.geometry.y_shape(),
            ConvPass::InputGrad => self.geometry.x_shape(),
            ConvPass::WeightGrad => self.geometry.w_shape(),
        };
        vec![Spec::new(&shape, self.dtype)]
    }
    fn flops(&self) -> u64 {
        let g = &self.geometry;
        let taps = g.c_in / g.groups * g.kernel[0] * g.kernel[1];
        2 * (g.y_shape().iter().product::<usize>() * taps) as u64
    }
    fn bytes(&self) -> u64 {
        let g = &self.geometry;
        let size = |s: [usize; 4]| s.iter().product::<usize>();
        bytes_of(size(g.x_shape()) + size(g.w_shape()) + size(g.y_shape()), self.dtype)
    }
    fn accumulates(&self) -> bool {
        self.pass == ConvPass::WeightGrad
    }
    fn items(&self) -> Option<Items<'_>> {
        let g = &self.geometry;
        let size = |s: [usize; 4]| s[1..].iter().product::<usize>();
        let (x, y) = (size(g.x_shape()), size(g.y_shape()));
        let of = |batch| -> Box<dyn Run> {
            Box::new(Conv2d { geometry: ConvGeometry { batch, ..self.geometry.clone() }, ..self.clone() })
        };
        let (mut inputs, outputs) = match self.pass {
            ConvPass::Forward => (vec![x, 0], vec![y]),
            ConvPass::InputGrad => (vec![y, 0], vec![x]),
            ConvPass::WeightGrad => (vec![x, y], vec![0]),
        };
        inputs.extend(self.bias.then_some(0));
        Some(Items { count: g.batch, inputs, outputs, of: Box::new(of) })
    }
}
