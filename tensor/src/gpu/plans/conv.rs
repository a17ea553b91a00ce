//! Convolution on the GPU, as implicit matrix products: the forward pass and the input gradient are one kernel with two tables, the
//! weight gradient is a sum over slices of batch and space. Batches that a grid or a binding cannot hold are recorded in parts.

use super::matmul::add_slices;
use super::parts::{grain, parts};
use super::tiling::{Tile, tiling};
use super::{items, taps, variant};
use crate::dtype::DType;
use crate::gpu::caps::GROUPS_PER_DIMENSION;
use crate::gpu::{Binding, GpuDevice, Input, Output, Span};
use crate::plan::{Conv2d, ConvGeometry, ConvPass, Plan};

/// Pixels and distances in the kernel's 16-bit halves are below this.
const MAX_PIXELS: usize = 1 << 15;
/// The weight gradient's kernel divides numbers below this.
const MAX_TERMS: usize = 1 << 24;
/// The terms that a thread sums, at most.
const LONGEST: usize = 1 << 14;
const MAX_GROUPS: usize = GROUPS_PER_DIMENSION as usize;

/// Runs the plan.
pub fn run(p: &Conv2d, gpu: &GpuDevice, inputs: &[Input<'_>], outputs: &[Output<'_>]) {
    let g = &p.geometry;
    debug_assert_eq!(fits(g, p.pass), Ok(()), "{}", p.name());
    if let Some(step) = fewer_images(g, p.pass) {
        return items::parts(&p.items().expect("images"), step, gpu, inputs, outputs);
    }
    let [x, w] = [&inputs[0], &inputs[1]].map(|i| i.span(gpu));
    let table = taps::table(gpu, g, p.pass);
    if p.pass == ConvPass::WeightGrad {
        return outputs[0].fill_or_add(gpu, |dw, add| weight_gradient(gpu, g, [&x, &w], &table_of(&table), dw, add));
    }
    let bias = p.bias.then(|| inputs[2].span(gpu));
    outputs[0].fill(gpu, |y| product(gpu, p, [&x, &w, y], bias.as_ref(), &table_of(&table)));
}

/// What the kernels cannot address, in words, and the most that they can.
pub fn fits(g: &ConvGeometry, pass: ConvPass) -> Result<(), (String, usize)> {
    let below = |what: &str, n: usize, limit: usize| {
        if n < limit { Ok(()) } else { Err((format!("{what} is {n}"), limit - 1)) }
    };
    for (axis, name) in ["height", "width"].into_iter().enumerate() {
        below(&format!("the input's {name}"), g.input[axis], MAX_PIXELS)?;
        below(&format!("the output's {name}"), g.output[axis], MAX_PIXELS)?;
        below(&format!("the stride along the {name}"), g.stride[axis], MAX_PIXELS)?;
        below(&format!("the padding before the {name}"), g.padding[axis][0], MAX_PIXELS)?;
        below(&format!("the padding after the {name}"), g.padding[axis][1], MAX_PIXELS)?;
        below(&format!("the window's {name}"), g.dilation[axis] * (g.kernel[axis] - 1), MAX_PIXELS)?;
    }
    let (area, largest) = (g.output[0] * g.output[1], MAX_GROUPS * Tile::LARGEST.side);
    match pass {
        ConvPass::WeightGrad => {
            below("the number of groups", g.groups, MAX_GROUPS + 1)?;
            below("the output's area", area, MAX_TERMS)
        }
        ConvPass::Forward => {
            below("the number of groups", g.groups, MAX_GROUPS + 1)?;
            below("the output's area", area, largest + 1)
        }
        ConvPass::InputGrad => {
            below("the product of groups and strides", g.groups * g.stride[0] * g.stride[1], MAX_GROUPS + 1)?;
            below("the area of a phase", taps::largest_phase(g), largest + 1)
        }
    }
}

/// How many images at a time the kernels take, if these are more and those that a binding must step over are too many.
fn fewer_images(g: &ConvGeometry, pass: ConvPass) -> Option<usize> {
    let [from, to] = [g.x_shape(), g.y_shape()].map(|s| s[1..].iter().product());
    let (area, most) = match pass {
        ConvPass::Forward => (g.output[0] * g.output[1], MAX_GROUPS * Tile::LARGEST.side),
        ConvPass::InputGrad => (taps::largest_phase(g), MAX_GROUPS * Tile::LARGEST.side),
        ConvPass::WeightGrad => (g.output[0] * g.output[1], MAX_TERMS - 1),
    };
    (g.batch.min(grain(&[from, to])) * area > most).then(|| (most / area).max(1))
}

/// The whole table, bound to its slot.
fn table_of(table: &crate::gpu::Buffer) -> Binding<'_> {
    Binding { slot: 4, buffer: table, offset: 0, size: table.size(), write: false }
}

/// A height (or y) and a width (or x) in the halves of a word.
fn pair(v: [usize; 2]) -> u32 {
    v[0] as u32 & 0xffff | (v[1] as u32) << 16
}

/// Forward pass or input gradient: a product of the weights with the pixels that each tap finds, for each group and phase.
fn product(gpu: &GpuDevice, p: &Conv2d, [x, w, y]: [&Span; 3], bias: Option<&Span>, table: &Binding<'_>) {
    let g = &p.geometry;
    let (ci, co, taps) = (g.c_in / g.groups, g.c_out / g.groups, g.kernel[0] * g.kernel[1]);
    let (large, small) = (g.c_in * g.input[0] * g.input[1], g.c_out * g.output[0] * g.output[1]);
    let forward = p.pass == ConvPass::Forward;
    let phases = if forward { 1 } else { g.stride[0] * g.stride[1] };
    let area = if forward { g.output[0] * g.output[1] } else { taps::largest_phase(g) };
    let (m, depth) = if forward { (co, ci * taps) } else { (ci, (co * taps).div_ceil(phases)) };
    let [from, to] = if forward { [large, small] } else { [small, large] };
    let chosen = tiling(g.groups * phases, m, g.batch * area, depth, false).tile;
    // A small tile's grid may be too long even for the smallest part.
    let least = g.batch.min(grain(&[from, to])) * area;
    let tile = if least > MAX_GROUPS * chosen.side { &Tile::LARGEST } else { chosen };
    let most = MAX_GROUPS * tile.side;
    let kernel =
        variant("conv", "conv", &["CONV", tile.flag, if bias.is_some() { "BIAS" } else { "" }], &[("ACT", 0.0)]);
    for images in parts(g.batch, &[from, to], most / area.max(1), gpu.caps().max_binding) {
        let n = images.len();
        let params = if forward {
            let sizes = [pair(g.stride), 0, pair(g.input), ci as u32, pair(g.output), pair([1; 2])];
            [&[co as u32, n as u32, 1, 0, 0, 0][..], &sizes, &[(ci * taps) as u32, (co * ci * taps) as u32]].concat()
        } else {
            let sizes = [pair([1; 2]), 0, pair(g.output), co as u32, pair(g.input), pair(g.stride)];
            let head = [ci as u32, n as u32, phases as u32, 0, 0, 0];
            [&head[..], &sizes, &[taps as u32, (co * ci * taps) as u32]].concat()
        };
        let [x, y] = [(x, from), (y, to)].map(|(s, size)| s.words(&(images.start * size..images.end * size)));
        let bindings = [x.read(0), w.read(1), y.write(2), *table].into_iter().chain(bias.map(|b| b.read(3)));
        let groups = [(n * area).div_ceil(tile.side), m.div_ceil(tile.side), g.groups * phases].map(|g| g as u32);
        gpu.dispatch(kernel, &bindings.collect::<Vec<_>>(), &params, groups);
    }
}

/// A product of dy with the pixels that each tap finds, summed over batch and space: partial sums, which a second dispatch adds up.
fn weight_gradient(gpu: &GpuDevice, g: &ConvGeometry, [x, dy]: [&Span; 2], table: &Binding<'_>, dw: &Span, add: bool) {
    let (ci, m, n) = (g.c_in / g.groups, g.c_out / g.groups, g.c_in / g.groups * g.kernel[0] * g.kernel[1]);
    let area = g.output[0] * g.output[1];
    let words = [g.c_in * g.input[0] * g.input[1], g.c_out * area];
    let most = gpu.caps().max_binding;
    // Products that need no slices to keep the device busy are added image by image instead, so that no thread runs long.
    let whole = tiling(g.groups, m, n, g.batch * area, true).slice == g.batch * area;
    let terms = if whole { LONGEST.max(area) } else { MAX_TERMS - 1 };
    for images in parts(g.batch, &words, terms / area, most) {
        let k = images.len() * area;
        let cut = tiling(g.groups, m, n, k, true);
        // As many slices as a binding holds.
        let room = (most as usize / DType::F32.size() / (g.groups * m * n)).max(1);
        let slice = cut.slice.min(LONGEST).max(k.div_ceil(room).next_multiple_of(32)).min(k);
        let slices = k.div_ceil(slice);
        let add = add || images.start > 0;
        let straight = slices == 1 && !add;
        let partial = if straight { dw.clone() } else { Span::new(gpu, DType::F32, g.groups * slices * m * n) };
        let [x, dy] = [(x, words[0]), (dy, words[1])].map(|(s, w)| s.words(&(images.start * w..images.end * w)));
        let minus_padding = pair([0, 1].map(|i| g.padding[i][0].wrapping_neg()));
        let sizes = [m, n, k, slice, g.output[0], g.output[1]].map(|v| v as u32);
        let params = [&sizes[..], &[pair(g.stride), minus_padding, pair(g.input), ci as u32]].concat();
        let side = cut.tile.side;
        let groups = [n.div_ceil(side), m.div_ceil(side), g.groups * slices].map(|g| g as u32);
        let kernel = variant("conv", "weight_gradient", &["WEIGHT", cut.tile.flag], &[]);
        gpu.dispatch(kernel, &[x.read(0), dy.read(1), partial.write(2), *table], &params, groups);
        if !straight {
            add_slices(gpu, &partial, dw, [g.groups, slices, m, n], add);
        }
    }
}
