//! Convolution on the CPU as matrix products: the patches of one image and one group form a matrix (im2col), unless the kernel is 1 × 1.
//! Weight gradients are summed over images in order, so that results do not depend on the number of threads.

#![allow(unsafe_code)]

use super::gemm::{Mat, gemm};
use super::threads::{Parts, parallel};
use super::{Input, Output, reference};
use crate::dtype::DType;
use crate::plan::{Conv2d, ConvGeometry, ConvPass};
use std::cell::RefCell;

thread_local! { static PATCHES: RefCell<Vec<f32>> = const { RefCell::new(vec![]) }; }

/// Images whose weight gradients are summed into one partial.
const IMAGES: usize = 8;

/// Runs the plan.
pub fn run(p: &Conv2d, inputs: &[Input<'_>], outputs: &mut [Output<'_>]) {
    if p.dtype == DType::F64 {
        return reference::conv::run::<f64>(p, inputs, outputs);
    }
    let (a, b) = (inputs[0].values::<f32>(), inputs[1].values::<f32>());
    let bias = p.bias.then(|| inputs[2].values::<f32>());
    let c = Sizes::of(&p.geometry);
    match p.pass {
        ConvPass::Forward => forward(&c, a, b, bias, outputs[0].values()),
        ConvPass::InputGrad => input_grad(&c, a, b, bias, outputs[0].values()),
        ConvPass::WeightGrad => {
            let add = outputs[0].add;
            weight_grad(&c, a, b, outputs[0].values(), add);
        }
    }
}

/// The sizes of the products: for one image and group, `y [co, area] = w [co, taps] · patches [taps, area]`.
struct Sizes<'a> {
    g: &'a ConvGeometry,
    co: usize,
    taps: usize,
    area: usize,
    /// Elements of one group of an input image.
    x: usize,
    /// The patches are the image itself.
    direct: bool,
}

impl<'a> Sizes<'a> {
    fn of(g: &'a ConvGeometry) -> Sizes<'a> {
        let ci = g.c_in / g.groups;
        let plain = g.kernel == [1, 1] && g.stride == [1, 1] && g.padding == [[0; 2]; 2];
        Sizes {
            g,
            co: g.c_out / g.groups,
            taps: ci * g.kernel[0] * g.kernel[1],
            area: g.output[0] * g.output[1],
            x: ci * g.input[0] * g.input[1],
            direct: plain,
        }
    }

    /// Output columns whose tap `k` of an axis lies inside the input.
    fn inside(&self, axis: usize, k: usize) -> std::ops::Range<usize> {
        let (s, n) = (self.g.stride[axis], self.g.input[axis]);
        let shift = k * self.g.dilation[axis];
        let pad = self.g.padding[axis][0];
        let first = pad.saturating_sub(shift).div_ceil(s);
        let last = (n + pad).saturating_sub(shift).div_ceil(s).min(self.g.output[axis]);
        first.min(last)..last
    }

    /// Calls `f(row of patches at output row, first column, input place of it, columns)` for every run of taps inside the image.
    fn runs(&self, mut f: impl FnMut(usize, usize, usize)) {
        let g = self.g;
        let [h, w] = g.input;
        for tap in 0..self.taps {
            let (c, ky, kx) = (tap / (g.kernel[0] * g.kernel[1]), tap / g.kernel[1] % g.kernel[0], tap % g.kernel[1]);
            let columns = self.inside(1, kx);
            for oy in self.inside(0, ky) {
                let iy = oy * g.stride[0] + ky * g.dilation[0] - g.padding[0][0];
                if columns.is_empty() {
                    continue;
                }
                let ix = columns.start * g.stride[1] + kx * g.dilation[1] - g.padding[1][0];
                f(tap * self.area + oy * g.output[1] + columns.start, (c * h + iy) * w + ix, columns.len());
            }
        }
    }

    /// The patch matrix [taps, area] of one image and group.
    fn patches<'b>(&self, x: &'b [f32], buffer: &'b mut Vec<f32>) -> &'b [f32] {
        if self.direct {
            return x;
        }
        buffer.clear();
        buffer.resize(self.taps * self.area, 0.0);
        let s = self.g.stride[1];
        self.runs(|to, from, n| {
            let out = &mut buffer[to..to + n];
            match s {
                1 => out.copy_from_slice(&x[from..from + n]),
                _ => out.iter_mut().zip(x[from..].iter().step_by(s)).for_each(|(o, x)| *o = *x),
            }
        });
        buffer
    }

    /// Adds a patch matrix back to the image that it would come from.
    fn scatter(&self, patches: &[f32], x: &mut [f32]) {
        let s = self.g.stride[1];
        self.runs(|from, to, n| {
            let patch = &patches[from..from + n];
            x[to..].iter_mut().step_by(s).zip(patch).for_each(|(x, p)| *x += p);
        });
    }
}

/// Each (image, group) is a task; a single one uses all threads inside its product.
fn forward(c: &Sizes<'_>, x: &[f32], w: &[f32], bias: Option<&[f32]>, y: &mut [f32]) {
    let (groups, size) = (c.g.groups, c.co * c.area);
    let ys = Parts::new(y);
    let items = c.g.batch * groups;
    parallel(items, |i| {
        let mut buffer = PATCHES.take();
        let patches = c.patches(&x[i * c.x..(i + 1) * c.x], &mut buffer);
        // SAFETY: one image and group each.
        let y = unsafe { ys.range(i * size..(i + 1) * size) };
        let group = i % groups * c.co;
        if let Some(bias) = bias {
            y.chunks_exact_mut(c.area).zip(&bias[group..]).for_each(|(row, b)| row.fill(*b));
        }
        let w = Mat::rows(&w[group * c.taps..(group + c.co) * c.taps], c.taps);
        gemm(c.co, c.area, c.taps, w, Mat::rows(patches, c.area), y, c.area, bias.is_some(), items > 1);
        PATCHES.set(buffer);
    });
}

/// patches' gradient = wᵀ · dy, added back to the image.
fn input_grad(c: &Sizes<'_>, dy: &[f32], w: &[f32], bias: Option<&[f32]>, dx: &mut [f32]) {
    let (groups, size) = (c.g.groups, c.co * c.area);
    let plane = c.g.input[0] * c.g.input[1];
    let dxs = Parts::new(dx);
    let items = c.g.batch * groups;
    parallel(items, |i| {
        let mut buffer = PATCHES.take();
        // SAFETY: one image and group each.
        let dx = unsafe { dxs.range(i * c.x..(i + 1) * c.x) };
        let group = i % groups;
        match bias {
            Some(bias) => {
                let bias = &bias[group * c.x / plane..];
                dx.chunks_exact_mut(plane).zip(bias).for_each(|(row, b)| row.fill(*b));
            }
            None => dx.fill(0.0),
        }
        let w = Mat::rows(&w[group * c.co * c.taps..(group + 1) * c.co * c.taps], c.taps).t();
        let dy = Mat::rows(&dy[i * size..(i + 1) * size], c.area);
        if c.direct {
            gemm(c.taps, c.area, c.co, w, dy, dx, c.area, true, items > 1);
        } else {
            buffer.resize(buffer.len().max(c.taps * c.area), 0.0);
            let patches = &mut buffer[..c.taps * c.area];
            gemm(c.taps, c.area, c.co, w, dy, patches, c.area, false, items > 1);
            c.scatter(patches, dx);
        }
        PATCHES.set(buffer);
    });
}

/// dw = dy · patchesᵀ, summed over images: fixed runs of images make partial sums, which are added in order.
fn weight_grad(c: &Sizes<'_>, x: &[f32], dy: &[f32], dw: &mut [f32], add: bool) {
    let (groups, size, out) = (c.g.groups, c.co * c.area, c.co * c.taps);
    let runs = c.g.batch.div_ceil(IMAGES);
    let mut partial = vec![0.0; runs * groups * out];
    let parts = Parts::new(&mut partial);
    parallel(runs * groups, |task| {
        let mut buffer = PATCHES.take();
        let (run, group) = (task / groups, task % groups);
        // SAFETY: one partial each.
        let sum = unsafe { parts.range(task * out..(task + 1) * out) };
        for image in run * IMAGES..c.g.batch.min((run + 1) * IMAGES) {
            let i = image * groups + group;
            let patches = c.patches(&x[i * c.x..(i + 1) * c.x], &mut buffer);
            let dy = Mat::rows(&dy[i * size..(i + 1) * size], c.area);
            let serial = runs * groups > 1;
            gemm(c.co, c.taps, c.area, dy, Mat::rows(patches, c.area).t(), sum, c.taps, true, serial);
        }
        PATCHES.set(buffer);
    });
    if !add {
        dw.fill(0.0);
    }
    for partial in partial.chunks_exact(groups * out) {
        dw.iter_mut().zip(partial).for_each(|(w, p)| *w += p);
    }
}
