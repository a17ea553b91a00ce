//! Convolutions that no kernel takes whole: how they are made of two smaller ones, over parts of the output, of the kernel's taps, or of the
//! channels.

use super::slabs::{halves, part, placed, slab};
use super::view::INFER;
use crate::plan::{ConvGeometry, ConvPass};
use crate::tensor::Tensor;
use std::ops::Range;

/// What a convolution is cut along.
#[derive(Clone, Copy)]
pub(super) enum ConvCut {
    /// Rows or columns of the output.
    Outputs(usize),
    /// Rows or columns of the kernel.
    Taps(usize),
    /// Channels of the input, where there is one group.
    Channels,
    /// Channels of the output, where there is one group.
    Filters,
    /// Groups.
    Groups,
}

impl ConvCut {
    /// How a convolution must be cut that a device's kernels do not take whole: the pixels along an axis and the parts of an image and of a
    /// weight that they see at once are limited, and no thread sums more terms than `LONGEST`.
    pub(super) fn of(g: &ConvGeometry, pass: ConvPass, x: &Tensor) -> Option<ConvCut> {
        const PIXELS: usize = (1 << 15) - 1;
        const AREA: usize = 1 << 22;
        const LONGEST: usize = 1 << 14;
        let most = x.device().most_elements();
        if x.device().is_cpu() {
            return None;
        }
        const BLOCKS: usize = 65_535;
        let (area, taps) = (g.output[0] * g.output[1], g.kernel[0] * g.kernel[1]);
        let phases = if pass == ConvPass::InputGrad { g.stride[0] * g.stride[1] } else { 1 };
        if g.groups * phases > BLOCKS && g.groups > 1 {
            return Some(ConvCut::Groups);
        }
        let window = |axis: usize| g.dilation[axis] * (g.kernel[axis] - 1);
        let padding = |axis: usize| g.padding[axis][0].max(g.padding[axis][1]);
        let longest = |v: [usize; 2]| usize::from(v[1] > v[0]);
        // A slab's padding and what it reads are little more than its window.
        let wide = |axis: usize| g.input[axis].max(g.output[axis]).max(padding(axis)) > PIXELS;
        if let Some(axis) = (0..2).find(|axis| wide(*axis) && g.output[*axis] > 1) {
            return Some(ConvCut::Outputs(axis));
        }
        let images = (g.c_in * g.input[0] * g.input[1]).max(g.c_out * area);
        if (images > most || area.max(g.input[0] * g.input[1]) > AREA || phases > BLOCKS) && area > 1 {
            return Some(ConvCut::Outputs(longest(g.output)));
        }
        if let Some(axis) = (0..2).find(|axis| (wide(*axis) || window(*axis) > PIXELS) && g.kernel[*axis] > 1) {
            return Some(ConvCut::Taps(axis));
        }
        let channels = if pass == ConvPass::InputGrad { g.c_out } else { g.c_in } / g.groups;
        let weight = g.w_shape().iter().product::<usize>();
        // A tap takes four words of the kernels' tables.
        let large = weight.max(4 * (taps * channels + 2 * g.stride[0] * g.stride[1])) > most;
        let long = pass != ConvPass::WeightGrad && channels * taps > LONGEST;
        match () {
            () if !large && !long => None,
            () if taps > 1 => Some(ConvCut::Taps(longest(g.kernel))),
            () if g.groups > 1 => Some(ConvCut::Groups),
            () if g.c_in > 1 && (pass != ConvPass::InputGrad || channels <= LONGEST) => Some(ConvCut::Channels),
            () if g.c_out > 1 => Some(ConvCut::Filters),
            () => None,
        }
    }
}

/// One of the two convolutions that a convolution is cut into.
struct Half {
    geometry: ConvGeometry,
    /// Of the input, of the output (the filters), and of a filter.
    channels: [Range<usize>; 3],
    inputs: [Range<usize>; 2],
    outputs: [Range<usize>; 2],
    taps: [Range<usize>; 2],
}

fn half(g: &ConvGeometry, cut: ConvCut, number: usize) -> Half {
    let (each, filters) = (g.c_in / g.groups, g.c_out / g.groups);
    let (mut channels, mut groups) = ([0..g.c_in, 0..g.c_out, 0..each], g.groups);
    let (mut outputs, mut taps) = (g.output.map(|n| 0..n), g.kernel.map(|n| 0..n));
    let of = |n: usize| halves(n)[number].clone();
    match cut {
        ConvCut::Outputs(axis) => outputs[axis] = of(g.output[axis]),
        ConvCut::Taps(axis) => taps[axis] = of(g.kernel[axis]),
        ConvCut::Channels => channels = [of(g.c_in), 0..g.c_out, of(g.c_in)],
        ConvCut::Filters => channels[1] = of(g.c_out),
        ConvCut::Groups => {
            let part = of(g.groups);
            groups = part.len();
            channels = [part.start * each..part.end * each, part.start * filters..part.end * filters, 0..each];
        }
    }
    let slabs = [0, 1].map(|axis| {
        let skipped = taps[axis].start * g.dilation[axis];
        let window = g.dilation[axis] * (taps[axis].len() - 1) + 1;
        slab(&outputs[axis], g.stride[axis], window, g.padding[axis][0] as isize - skipped as isize, g.input[axis])
    });
    let geometry = ConvGeometry {
        c_in: channels[0].len(),
        c_out: channels[1].len(),
        groups,
        input: slabs.each_ref().map(|s| s.inputs.len()),
        kernel: taps.each_ref().map(|r| r.len()),
        output: outputs.each_ref().map(|r| r.len()),
        padding: slabs.each_ref().map(|s| s.padding),
        // A single output takes no step.
        stride: [0, 1].map(|axis| if outputs[axis].len() == 1 { 1 } else { g.stride[axis] }),
        ..g.clone()
    };
    Half { geometry, channels, inputs: slabs.map(|s| s.inputs), outputs, taps }
}

/// These channels (or filters) of a tensor, along an axis.
fn some(t: &Tensor, axis: isize, range: &Range<usize>) -> Tensor {
    t.slice(axis, range.start, range.end)
}

impl Half {
    fn x(&self, x: &Tensor) -> Tensor {
        part(&some(x, 1, &self.channels[0]), &self.inputs)
    }
    fn w(&self, w: &Tensor) -> Tensor {
        part(&some(&some(w, 0, &self.channels[1]), 1, &self.channels[2]), &self.taps)
    }
    fn y(&self, y: &Tensor) -> Tensor {
        part(&some(y, 1, &self.channels[1]), &self.outputs)
    }
}

/// A pass of a convolution as two smaller ones.
pub(super) struct Halves<'a> {
    whole: &'a ConvGeometry,
    pass: ConvPass,
    cut: ConvCut,
    both: [Half; 2],
}

impl<'a> Halves<'a> {
    pub(super) fn of(whole: &'a ConvGeometry, pass: ConvPass, cut: ConvCut) -> Halves<'a> {
        Halves { whole, pass, cut, both: [0, 1].map(|number| half(whole, cut, number)) }
    }

    /// The operands and the geometry of each; `a` is x or dy, `b` the weight or, for its gradient, dy.
    pub(super) fn operands(&self, [a, b]: [&Tensor; 2]) -> [([Tensor; 2], ConvGeometry); 2] {
        self.both.each_ref().map(|h| {
            let operands = match self.pass {
                ConvPass::Forward => [h.x(a), h.w(b)],
                ConvPass::InputGrad => [h.y(a), h.w(b)],
                ConvPass::WeightGrad => [h.x(a), h.y(b)],
            };
            (operands, h.geometry.clone())
        })
    }

    /// The whole result, of the results of both, and the bias.
    #[track_caller]
    pub(super) fn joined(&self, parts: [Tensor; 2], bias: Option<&Tensor>) -> Tensor {
        let join = |axis: usize| Tensor::concat(&[&parts[0], &parts[1]], axis as isize);
        let whole = match (self.pass, self.cut) {
            (ConvPass::Forward, ConvCut::Outputs(axis)) | (ConvPass::WeightGrad, ConvCut::Taps(axis)) => join(2 + axis),
            (ConvPass::WeightGrad, ConvCut::Groups | ConvCut::Filters) => join(0),
            (ConvPass::Forward, ConvCut::Groups | ConvCut::Filters) | (ConvPass::WeightGrad, ConvCut::Channels) => {
                join(1)
            }
            (ConvPass::InputGrad, _) => {
                // What no window reads has a gradient of 0.
                let [first, second] = [0, 1].map(|i| placed(&parts[i], &self.both[i].inputs, self.whole.input));
                match self.cut {
                    ConvCut::Groups | ConvCut::Channels => Tensor::concat(&[&first, &second], 1),
                    _ => first.add(&second),
                }
            }
            (ConvPass::Forward | ConvPass::WeightGrad, _) => parts[0].add(&parts[1]),
        };
        bias.map_or(whole.clone(), |bias| whole.add(&bias.reshape(&[INFER, 1, 1])))
    }
}
