//! How an image lies in scratch memory: every plane with its zero border, and, for strides of two and three, its rows and columns sorted by
//! their remainder. There every tap of the kernel is the image itself, shifted by a constant: the element that tap k takes at output
//! (y, x) lies at `offsets[k] + y · row + x · column`. No matrix of patches is needed.

use crate::plan::ConvGeometry;
use std::ops::Range;

/// Floats after an image that a last vector may read.
const SLACK: usize = 64;
/// Larger strides are left to the distance of outputs: sorting by remainder would scatter a row.
const SPLIT: usize = 3;

/// One axis.
#[derive(Clone, Debug)]
struct Axis {
    input: usize,
    output: usize,
    kernel: usize,
    stride: usize,
    dilation: usize,
    pad: usize,
    /// The number of remainders that are kept apart: the stride or 1.
    split: usize,
    /// The place of each remainder among those that a tap needs.
    slots: Vec<Option<usize>>,
    /// Cells of one remainder, the border included.
    extent: usize,
}

impl Axis {
    fn new(g: &ConvGeometry, axis: usize) -> Axis {
        let (input, output, kernel) = (g.input[axis], g.output[axis], g.kernel[axis]);
        let (stride, dilation, pad) = (g.stride[axis], g.dilation[axis], g.padding[axis][0]);
        let split = if stride <= SPLIT { stride } else { 1 };
        let mut slots = vec![None; split];
        (0..kernel).for_each(|k| slots[k * dilation % split] = Some(0));
        slots.iter_mut().flatten().enumerate().for_each(|(i, slot)| *slot = i);
        let reach = (kernel - 1) * dilation;
        let extent = if split > 1 {
            output + reach / stride
        } else {
            // The zeros after a line are those before the next.
            let after = ((output - 1) * stride + reach + 1).saturating_sub(pad + input);
            (input + pad.max(after)).max(if stride == 1 { output } else { 0 })
        };
        Axis { input, output, kernel, stride, dilation, pad, split, slots, extent }
    }

    fn count(&self) -> usize {
        self.slots.iter().flatten().count()
    }

    /// (slot, cell) of tap `k` at output 0.
    fn tap(&self, k: usize) -> (usize, usize) {
        let at = k * self.dilation;
        (self.slots[at % self.split].expect("taps have a slot"), at / self.split)
    }

    /// The distance of neighbouring outputs in cells.
    fn step(&self) -> usize {
        self.stride / self.split
    }

    /// For each slot: (slot, its first input, the cell of that, the number of inputs, one every `split`).
    fn runs(&self) -> impl Iterator<Item = (usize, usize, usize, usize)> + '_ {
        self.slots.iter().enumerate().filter_map(|(remainder, slot)| {
            let first = (remainder + self.split - self.pad % self.split) % self.split;
            let cell = (self.pad + first) / self.split;
            let count = self.input.saturating_sub(first).div_ceil(self.split).min(self.extent.saturating_sub(cell));
            slot.map(|slot| (slot, first, cell, count))
        })
    }
}

/// The layout of one image of some channels.
#[derive(Clone, Debug)]
pub struct Frame {
    axes: [Axis; 2],
    pub channels: usize,
    /// Floats from one line to the next.
    pub pitch: usize,
    /// Floats of a channel.
    pub plane: usize,
    /// Floats of an image.
    pub len: usize,
    /// Whether the image lies like this by itself.
    pub direct: bool,
}

impl Frame {
    /// The layout for `channels` channels of the input of a convolution.
    pub fn new(g: &ConvGeometry, channels: usize) -> Frame {
        let axes = [Axis::new(g, 0), Axis::new(g, 1)];
        let pitch = axes[1].extent;
        let plane = axes[0].count() * axes[1].count() * axes[0].extent * pitch;
        let direct = axes.iter().all(|a| a.split == 1 && a.extent == a.input);
        let mut frame = Frame { axes, channels, pitch, plane, len: channels * plane, direct };
        if !direct {
            // the last output's taps may lie beyond the last plane, whose lower border is not its own
            let taps = frame.offsets(channels - 1..channels);
            let (below, right) = frame.steps();
            let last = (g.output[0] - 1) * below + (g.output[1] - 1) * right;
            frame.len = frame.len.max(taps.into_iter().max().unwrap_or(0) + last + 1) + SLACK;
        }
        frame
    }

    /// The same with room for vectors to read beyond the last output.
    pub fn with_slack(self) -> Frame {
        let len = if self.direct { self.len + SLACK } else { self.len };
        Frame { direct: false, len, ..self }
    }

    /// Distances of neighbouring outputs: (below, to the right).
    pub fn steps(&self) -> (usize, usize) {
        (self.axes[0].step() * self.pitch, self.axes[1].step())
    }

    /// Whether outputs are neighbours where their inputs are.
    pub fn is_shifted(&self) -> bool {
        self.axes.iter().all(|a| a.step() == 1)
    }

    /// Whether the taps of a row of the kernel are neighbours.
    pub fn taps_are_adjacent(&self) -> bool {
        self.axes[1].split == 1 && self.axes[1].dilation == 1
    }

    /// The place of tap (c, y, x) at output (0, 0).
    pub fn offset(&self, c: usize, y: usize, x: usize) -> usize {
        let ((row_slot, row), (column_slot, column)) = (self.axes[0].tap(y), self.axes[1].tap(x));
        let phase = row_slot * self.axes[1].count() + column_slot;
        c * self.plane + (phase * self.axes[0].extent + row) * self.pitch + column
    }

    /// The places of all taps of some channels, in the order of the weights.
    pub fn offsets(&self, channels: Range<usize>) -> Vec<usize> {
        let [kh, kw] = [self.axes[0].kernel, self.axes[1].kernel];
        channels.flat_map(|c| (0..kh * kw).map(move |t| self.offset(c, t / kw, t % kw))).collect()
    }

    /// The number of neighbouring cells that hold all outputs, those between the lines' ends included.
    pub fn pixels(&self) -> usize {
        (self.axes[0].output - 1) * self.pitch + self.axes[1].output
    }

    /// Lays out some channels; whatever else `frame` holds becomes zero.
    pub fn fill(&self, x: &[f32], frame: &mut [f32]) {
        let [rows, columns] = &self.axes;
        let area = rows.input * columns.input;
        frame.fill(0.0);
        for (c, x) in x.chunks_exact(area).enumerate() {
            for (row_slot, y0, row, count) in rows.runs() {
                for t in 0..count {
                    let line = &x[(y0 + t * rows.split) * columns.input..][..columns.input];
                    for (column_slot, x0, column, n) in columns.runs() {
                        let phase = row_slot * columns.count() + column_slot;
                        let at = c * self.plane + (phase * rows.extent + row + t) * self.pitch + column;
                        pick(&line[x0.min(line.len())..], columns.split, &mut frame[at..at + n]);
                    }
                }
            }
        }
    }

    /// The reverse, for gradients: `x = frame + bias` for one channel, whose frame begins at 0; inputs that no output needs become the bias.
    pub fn drain(&self, frame: &[f32], bias: f32, x: &mut [f32]) {
        let [rows, columns] = &self.axes;
        x.fill(bias);
        for (row_slot, y0, row, count) in rows.runs() {
            for t in 0..count {
                let line = &mut x[(y0 + t * rows.split) * columns.input..][..columns.input];
                for (column_slot, x0, column, n) in columns.runs() {
                    let phase = row_slot * columns.count() + column_slot;
                    let at = (phase * rows.extent + row + t) * self.pitch + column;
                    let first = x0.min(line.len());
                    put(&frame[at..at + n], columns.split, &mut line[first..]);
                }
            }
        }
    }
}

/// `out` = every `split`-th element.
fn pick(x: &[f32], split: usize, out: &mut [f32]) {
    match split {
        1 => out.copy_from_slice(&x[..out.len()]),
        2 => pick_every::<2>(x, out),
        _ => pick_every::<3>(x, out),
    }
}

fn pick_every<const N: usize>(x: &[f32], out: &mut [f32]) {
    assert!(out.is_empty() || x.len() > (out.len() - 1) * N);
    for (i, out) in out.iter_mut().enumerate() {
        *out = x[i * N];
    }
}

/// Adds to every `split`-th element.
fn put(from: &[f32], split: usize, x: &mut [f32]) {
    match split {
        1 => x.iter_mut().zip(from).for_each(|(x, f)| *x += f),
        _ => x.iter_mut().step_by(split).zip(from).for_each(|(x, f)| *x += f),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_tap_of_every_output_lies_at_its_offset() {
        for (input, kernel, stride, pad, dilation) in [
            ([5, 7], [3, 3], [1, 1], [[1, 1], [1, 1]], [1, 1]),
            ([6, 9], [3, 2], [2, 2], [[1, 0], [0, 2]], [1, 1]),
            ([11, 8], [2, 3], [3, 1], [[2, 1], [3, 0]], [2, 3]),
            ([9, 9], [4, 4], [4, 5], [[0, 0], [0, 1]], [1, 1]),
            ([4, 4], [1, 1], [2, 2], [[0, 0], [0, 0]], [1, 1]),
            ([3, 3], [3, 3], [1, 1], [[4, 2], [5, 3]], [1, 1]),
        ] {
            let out =
                |i: usize| ConvGeometry::output_extent(input[i], kernel[i], stride[i], pad[i], dilation[i]).unwrap();
            let output = [out(0), out(1)];
            let [batch, c_in, c_out, groups] = [1, 2, 1, 1];
            let padding = pad;
            let g = ConvGeometry { batch, c_in, c_out, groups, input, kernel, output, stride, padding, dilation };
            let frame = Frame::new(&g, 2);
            let area = input[0] * input[1];
            let x: Vec<f32> = (1..=2 * area).map(|i| i as f32).collect();
            let mut held = vec![f32::NAN; frame.len];
            frame.fill(&x, &mut held);
            let (below, right) = frame.steps();
            let mut needed = vec![false; area];
            for (c, k) in (0..2).flat_map(|c| (0..kernel[0] * kernel[1]).map(move |k| (c, k))) {
                let (i, j) = (k / kernel[1], k % kernel[1]);
                for (y, x_) in (0..output[0]).flat_map(|y| (0..output[1]).map(move |x| (y, x))) {
                    let row = (y * stride[0] + i * dilation[0]).wrapping_sub(pad[0][0]);
                    let column = (x_ * stride[1] + j * dilation[1]).wrapping_sub(pad[1][0]);
                    let inside = row < input[0] && column < input[1];
                    let want = if inside { x[c * area + row * input[1] + column] } else { 0.0 };
                    assert_eq!(held[frame.offset(c, i, j) + y * below + x_ * right], want, "{g:?} {c} {k} {y} {x_}");
                    if inside {
                        needed[row * input[1] + column] = true;
                    }
                }
            }
            let mut back = vec![f32::NAN; area];
            frame.drain(&held[frame.plane..], 0.5, &mut back);
            for (i, v) in back.iter().enumerate() {
                assert!(*v == x[area + i] + 0.5 || (!needed[i] && *v == 0.5), "{g:?} {i} {v}");
            }
        }
    }
}
