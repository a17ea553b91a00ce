//! Convolutions that no kernel takes whole: made of two smaller ones, over parts of the output, of the kernel's taps, or of the channels.

use super::conv::ConvCut;
use super::slabs::{halves, part, placed, slab};
use super::view::INFER;
use crate::plan::{ConvGeometry, ConvPass};
use crate::tensor::Tensor;
use std::ops::Range;

/// One of two convolutions that together are another.
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

/// A pass of a convolution in two: `a` is x or dy, `b` the weight or, for its gradient, dy.
#[track_caller]
pub(super) fn convolve(
    [a, b]: [&Tensor; 2],
    bias: Option<&Tensor>,
    pass: ConvPass,
    g: &ConvGeometry,
    cut: ConvCut,
) -> Tensor {
    let both = [0, 1].map(|number| half(g, cut, number));
    let parts = both.each_ref().map(|h| match pass {
        ConvPass::Forward => h.x(a).convolve(&h.w(b), None, pass, h.geometry.clone()),
        ConvPass::InputGrad => h.y(a).convolve(&h.w(b), None, pass, h.geometry.clone()),
        ConvPass::WeightGrad => h.x(a).convolve(&h.y(b), None, pass, h.geometry.clone()),
    });
    let join = |axis: usize| Tensor::concat(&[&parts[0], &parts[1]], axis as isize);
    let whole = match (pass, cut) {
        (ConvPass::Forward, ConvCut::Outputs(axis)) | (ConvPass::WeightGrad, ConvCut::Taps(axis)) => join(2 + axis),
        (ConvPass::WeightGrad, ConvCut::Groups | ConvCut::Filters) => join(0),
        (ConvPass::Forward, ConvCut::Groups | ConvCut::Filters) | (ConvPass::WeightGrad, ConvCut::Channels) => join(1),
        (ConvPass::InputGrad, _) => {
            // What no window reads has a gradient of 0.
            let [first, second] = [0, 1].map(|i| placed(&parts[i], &both[i].inputs, g.input));
            match cut {
                ConvCut::Groups | ConvCut::Channels => Tensor::concat(&[&first, &second], 1),
                _ => first.add(&second),
            }
        }
        (ConvPass::Forward | ConvPass::WeightGrad, _) => parts[0].add(&parts[1]),
    };
    bias.map_or(whole.clone(), |bias| whole.add(&bias.reshape(&[INFER, 1, 1])))
}
