//! The weight gradient of groups with few output channels (depthwise convolution) where outputs are neighbours: every weight is a dot product
//! of a shifted plane with a plane of dy, along the pixels.

#![allow(unsafe_code)]

use super::frame::Frame;
use crate::cpu::levels::{Level, dispatch_at};
use crate::cpu::long_sums::LongSums;
use crate::cpu::scratch::Scratch;
use crate::cpu::simd::{Kernel, Simd};
use crate::cpu::tasks::by_rows;
use crate::cpu::threads::Parts;
use crate::plan::ConvGeometry;

/// Taps that are summed at once.
const TAPS: usize = 8;
/// Pixels whose products are summed up in registers, whole vectors of any instruction set: 64 in each of sixteen lanes.
const PIXELS: usize = 1024;

/// `dw = dy ∗ x` (`add`: added to what is there), where [`Frame::is_shifted`].
pub fn weight_grad(level: Level, g: &ConvGeometry, x: &[f32], dy: &[f32], dw: &mut [f32], add: bool) {
    let (ci, co, taps) = (g.c_in / g.groups, g.c_out / g.groups, g.kernel[0] * g.kernel[1]);
    let (area, out_area) = (g.input[0] * g.input[1], g.output[0] * g.output[1]);
    let frame = Frame::new(g, 1);
    let offsets = frame.offsets(0..1);
    let dw = Parts::new(dw);
    by_rows(g.c_in, g.batch * (area + co * taps * out_area), |channels| {
        let mut held = Scratch::new(frame.len);
        let mut lines = Scratch::new(frame.pixels());
        for channel in channels {
            let (group, c) = (channel / ci, channel % ci);
            let mut sums = Scratch::zeros(co * taps * 16);
            let mut long: Vec<_> = sums.chunks_exact_mut(taps * 16).map(LongSums::new).collect();
            for image in 0..g.batch {
                frame.fill(&x[(image * g.c_in + channel) * area..][..area], &mut held);
                for (o, sums) in long.iter_mut().enumerate() {
                    let dy = &dy[(image * g.c_out + group * co + o) * out_area..][..out_area];
                    spread(dy, g.output[1], frame.pitch, &mut lines);
                    for (i, dy) in lines.chunks(PIXELS).enumerate() {
                        let (x, sums) = (&held[i * PIXELS..], sums.room_for(1));
                        dispatch_at(level, Dots { x, offsets: &offsets, dy, sums });
                    }
                }
            }
            long.into_iter().for_each(LongSums::finish);
            for (o, sums) in sums.chunks_exact(taps * 16).enumerate() {
                let at = ((group * co + o) * ci + c) * taps;
                // SAFETY: each task has its own input channels.
                let dw = unsafe { dw.range(at..at + taps) };
                for (dw, lanes) in dw.iter_mut().zip(sums.chunks_exact(16)) {
                    let sum: f32 = lanes.iter().sum();
                    *dw = if add { *dw + sum } else { sum };
                }
            }
        }
    });
}

/// A plane with lines of `pitch`, zeros between them.
fn spread(dy: &[f32], width: usize, pitch: usize, lines: &mut [f32]) {
    lines.fill(0.0);
    for (line, dy) in lines.chunks_mut(pitch).zip(dy.chunks_exact(width)) {
        line[..width].copy_from_slice(dy);
    }
}

/// Adds the products of every tap to its sixteen partial sums.
struct Dots<'a> {
    x: &'a [f32],
    offsets: &'a [usize],
    dy: &'a [f32],
    sums: &'a mut [f32],
}

impl Kernel for Dots<'_> {
    type Out = ();
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        for (offsets, sums) in self.offsets.chunks(TAPS).zip(self.sums.chunks_mut(TAPS * 16)) {
            let planes: [&[f32]; TAPS] =
                std::array::from_fn(|t| &self.x[offsets[t.min(offsets.len() - 1)]..][..self.dy.len()]);
            let mut totals = [s.splat(0.0); TAPS];
            for pixel in (0..self.dy.len()).step_by(S::N) {
                let dy = s.load_part(&self.dy[pixel..], 0.0);
                for t in 0..TAPS {
                    totals[t] = s.fma(s.load_part(&planes[t][pixel..], 0.0), dy, totals[t]);
                }
            }
            for (sums, total) in sums.chunks_exact_mut(16).zip(totals) {
                let sum = s.add(s.load(sums), total);
                s.store(sums, sum);
            }
        }
    }
}
