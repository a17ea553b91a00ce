//! Convolutions and poolings that no kernel takes whole: made of smaller ones, over parts of the output (slabs), of the kernel's taps, or of
//! the channels.

use super::conv::ConvCut;
use crate::plan::{ConvGeometry, ConvPass, Pool2d, PoolKind, PoolPass};
use crate::run::execute;
use crate::tensor::Tensor;
use std::ops::Range;

/// What the outputs of a range read along one axis.
struct Slab {
    /// The elements, those of the padding left out.
    inputs: Range<usize>,
    /// The padding that they still need before and after.
    padding: [usize; 2],
}

/// For outputs that each read `window` elements, the first from `stride · output − before` on, of `size`.
fn slab(outputs: &Range<usize>, stride: usize, window: usize, before: isize, size: usize) -> Slab {
    let first = (outputs.start * stride) as isize - before;
    let end = ((outputs.end - 1) * stride + window) as isize - before;
    let inside = |v: isize| v.clamp(0, size as isize) as usize;
    let inputs = inside(first)..inside(end);
    Slab { padding: [(inputs.start as isize - first) as usize, (end - inputs.end as isize) as usize], inputs }
}

/// The two halves of 0 .. n.
fn halves(n: usize) -> [Range<usize>; 2] {
    [0..n.div_ceil(2), n.div_ceil(2)..n]
}

/// These places of (n, c, h, w).
fn part(t: &Tensor, ranges: &[Range<usize>; 2]) -> Tensor {
    t.slice(2, ranges[0].start, ranges[0].end).slice(3, ranges[1].start, ranges[1].end)
}

/// (n, c, h, w) put at these places of larger images of zeros.
fn placed(t: &Tensor, at: &[Range<usize>; 2], size: [usize; 2]) -> Tensor {
    t.pad(2, at[0].start, size[0] - at[0].end, 0.0).pad(3, at[1].start, size[1] - at[1].end, 0.0)
}

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
        (ConvPass::Forward, ConvCut::Groups | ConvCut::Filters)
        | (ConvPass::InputGrad, ConvCut::Groups | ConvCut::Channels)
        | (ConvPass::WeightGrad, ConvCut::Channels) => join(1),
        (ConvPass::InputGrad, _) => {
            placed(&parts[0], &both[0].inputs, g.input).add(&placed(&parts[1], &both[1].inputs, g.input))
        }
        (ConvPass::Forward | ConvPass::WeightGrad, _) => parts[0].add(&parts[1]),
    };
    bias.map_or(whole.clone(), |bias| whole.add(&bias.reshape(&[usize::MAX, 1, 1])))
}

/// A pooling of images that are more than a kernel sees at once, in two: the inputs of the plan, its outputs.
#[track_caller]
pub(super) fn pool(p: &Pool2d, inputs: &[&Tensor]) -> Vec<Tensor> {
    if p.kind == PoolKind::Adaptive {
        return vec![pool_by_matrices(p, inputs[0])];
    }
    let axis = usize::from(p.output[1] > p.output[0]);
    let ranges = halves(p.output[axis]).map(|range| {
        let mut outputs = p.output.map(|n| 0..n);
        outputs[axis] = range;
        outputs
    });
    let slabs = ranges
        .each_ref()
        .map(|outputs| [0, 1].map(|i| slab(&outputs[i], p.stride[i], p.kernel[i], p.padding[i] as isize, p.input[i])));
    let done = [0, 1].map(|number| {
        let (slabs, outputs) = (&slabs[number], &ranges[number]);
        let [h, w] = slabs.each_ref().map(|s| s.inputs.len());
        let plan = Pool2d {
            input: [h, w],
            output: outputs.each_ref().map(|r| r.len()),
            padding: slabs.each_ref().map(|s| s.padding[0]),
            ..p.clone()
        };
        let at = slabs.each_ref().map(|s| s.inputs.clone());
        let place = |index: &Tensor, from: usize, to: usize, move_by: f64| {
            let row = index.div(&index.scalar_like(from as f64));
            let column = index.sub(&row.mul_scalar(from as f64));
            row.mul_scalar(to as f64).add(&column).add_scalar(move_by)
        };
        let start = (at[0].start * p.input[1] + at[1].start) as f64;
        match p.pass {
            PoolPass::Forward => {
                let mut out = run(plan, &[&part(inputs[0], &at).contiguous()]);
                if let Some(index) = out.get_mut(1) {
                    *index = place(index, w, p.input[1], start);
                }
                out
            }
            PoolPass::Backward => {
                let mut all = vec![part(inputs[0], outputs).contiguous()];
                if let Some(index) = inputs.get(1) {
                    // A place of the image less the slab's first one lies in the same row and column of the slab.
                    let of_slab = part(index, outputs).add_scalar(-start);
                    all.push(place(&of_slab, p.input[1], w, 0.0).contiguous());
                }
                let dx = run(plan, &all.iter().collect::<Vec<_>>()).swap_remove(0);
                vec![placed(&dx, &at, p.input)]
            }
        }
    });
    let joined = |i: usize| match p.pass {
        PoolPass::Forward => Tensor::concat(&[&done[0][i], &done[1][i]], 2 + axis as isize),
        PoolPass::Backward => done[0][i].add(&done[1][i]),
    };
    (0..done[0].len()).map(joined).collect()
}

/// A pooling's plan, in parts where its images are too large for a kernel.
#[track_caller]
pub(super) fn run(p: Pool2d, inputs: &[&Tensor]) -> Vec<Tensor> {
    let most = inputs[0].device().most_elements();
    let [area, cells] = [p.input, p.output].map(|s| s[0] * s[1]);
    if p.kind == PoolKind::Adaptive && !inputs[0].device().is_cpu() {
        let product = (p.input[0] * p.output[0]).max(p.input[1] * p.output[1]);
        assert!(
            u32::try_from(product).is_ok(),
            "adaptive_avg_pool2d: an axis of {:?} elements in {:?} cells; on a GPU their product must be below 2³²",
            p.input,
            p.output
        );
    }
    let cut = p.kind == PoolKind::Adaptive || cells > 1;
    let planes = p.planes[0] * p.planes[1];
    if area.max(cells) > most && cut && planes > 0 { pool(&p, inputs) } else { execute(p, inputs) }
}

/// The mean over an even division is a product with a matrix along each axis, whose rows are the cells.
#[track_caller]
fn pool_by_matrices(p: &Pool2d, x: &Tensor) -> Tensor {
    let [rows, columns] = [0, 1].map(|axis| {
        let (size, cells) = (p.input[axis], p.output[axis]);
        let mut shares = vec![0.0; cells * size];
        for i in 0..cells {
            let (from, to) = (i * size / cells, ((i + 1) * size).div_ceil(cells));
            shares[i * size..][from..to].fill(1.0 / (to - from) as f64);
        }
        x.constant_like(&shares, &[cells, size])
    });
    match p.pass {
        PoolPass::Forward => rows.matmul(&x.matmul(&columns.t())),
        PoolPass::Backward => rows.t().matmul(&x.matmul(&columns)),
    }
}
