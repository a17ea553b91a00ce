//! The tables that `conv.wgsl` reads: for each phase of a convolution, where its pixels lie and which taps they sum. Four words an entry:
//! two entries for each phase, then the taps.

use crate::gpu::{Buffer, GpuDevice};
use crate::plan::{ConvGeometry, ConvPass};

/// The table of a pass, on the device. Weight gradients share the forward pass's.
pub fn table(gpu: &GpuDevice, g: &ConvGeometry, pass: ConvPass) -> Buffer {
    // A table knows one group of one image, and no padding behind it but for the output's size.
    let channels = [g.c_in / g.groups, g.c_out / g.groups];
    let before = [g.padding[0][0], g.padding[1][0]];
    let sizes = [channels, g.input, g.kernel, g.output, g.stride, before, g.dilation].concat();
    match pass {
        ConvPass::InputGrad => gpu.cached_table(("input taps", sizes), || input_gradient(g)),
        ConvPass::Forward | ConvPass::WeightGrad => gpu.cached_table(("forward taps", sizes), || forward(g)),
    }
}

/// One phase: every output pixel sums the same taps, in the order of the weights.
fn forward(g: &ConvGeometry) -> Vec<i32> {
    let ([h, w], [kh, kw]) = (g.input, g.kernel);
    let channels = g.c_in / g.groups;
    let mut table = [2, channels * kh * kw, g.output[0], g.output[1]].map(|v| v as i32).to_vec();
    table.extend([-(g.padding[0][0] as i32), -(g.padding[1][0] as i32), 0, 0]);
    let mut tap = 0;
    for c in 0..channels {
        for y in (0..kh).map(|ky| ky * g.dilation[0]) {
            for x in (0..kw).map(|kx| kx * g.dilation[1]) {
                table.extend([c * h * w + y * w + x, y, x, tap].map(|v| v as i32));
                tap += 1;
            }
        }
    }
    table
}

/// A phase for each remainder of (pixel + padding) by the stride: its pixels sum the taps whose distance leaves the same remainder, so
/// that nothing is multiplied by the zeros between the steps.
fn input_gradient(g: &ConvGeometry) -> Vec<i32> {
    let phases = g.stride[0] * g.stride[1];
    let (mut table, mut taps) = (vec![], vec![]);
    for phase in 0..phases {
        let at = [phase / g.stride[1], phase % g.stride[1]];
        let first = taps.len() / 4;
        phase_taps(g, at, &mut taps);
        let [y, x] = [0, 1].map(|axis| Grid::new(g, axis, at[axis]));
        let count = taps.len() / 4 - first;
        table.extend([2 * phases + first, count, y.pixels, x.pixels].map(|v| v as i32));
        table.extend([y.first as i32, x.first as i32, y.to, x.to]);
    }
    table.extend(taps);
    table
}

fn phase_taps(g: &ConvGeometry, phase: [usize; 2], taps: &mut Vec<i32>) {
    let ([oh, ow], [kh, kw]) = (g.output, g.kernel);
    // The taps of an axis that the phase takes: (index, steps of the output back from the pixel).
    let steps = |axis: usize| {
        let (n, s, d) = (g.kernel[axis], g.stride[axis] as i32, g.dilation[axis]);
        let step = move |k: usize| (k, (k * d) as i32 - phase[axis] as i32);
        (0..n).map(step).filter(move |(_, by)| by.rem_euclid(s) == 0).map(move |(k, by)| (k, by.div_euclid(s)))
    };
    for o in 0..g.c_out / g.groups {
        let (plane, weights) = ((o * oh * ow) as i32, o * (g.c_in / g.groups) * kh * kw);
        for (ky, a) in steps(0) {
            for (kx, b) in steps(1) {
                taps.extend([plane - a * ow as i32 - b, -a, -b, (weights + ky * kw + kx) as i32]);
            }
        }
    }
}

/// The pixels of a phase along an axis: stride · q + phase − padding, for the `pixels` values q from `first` on that lie in the image.
struct Grid {
    first: usize,
    pixels: usize,
    /// The first pixel.
    to: i32,
}

impl Grid {
    fn new(g: &ConvGeometry, axis: usize, phase: usize) -> Grid {
        let (stride, before) = (g.stride[axis], g.padding[axis][0]);
        let first = before.saturating_sub(phase).div_ceil(stride);
        let pixels = (g.input[axis] + before).saturating_sub(phase + stride * first).div_ceil(stride);
        Grid { first, pixels, to: (stride * first + phase) as i32 - before as i32 }
    }
}

/// The pixels of the largest phase of an input gradient.
pub fn largest_phase(g: &ConvGeometry) -> usize {
    let most = |axis: usize| (0..g.stride[axis]).map(|phase| Grid::new(g, axis, phase).pixels).max().unwrap_or(0);
    most(0) * most(1)
}
