//! The weight gradient for large strides: a product of dy with the patches, a row of taps for each output. Some taps are a task.

#![allow(unsafe_code)]

use super::columns::DEPTH;
use super::frame::Frame;
use super::shifted::fill_all;
use crate::cpu::gemm::{Sweep, panel_width};
use crate::cpu::levels::{Level, dispatch_at};
use crate::cpu::long_sums::LongSums;
use crate::cpu::scratch::Scratch;
use crate::cpu::tasks::share;
use crate::cpu::threads::{Parts, parallel};
use crate::plan::ConvGeometry;

/// Tasks, at most.
const TASKS: usize = 8;

/// `dw = dy ∗ x` (`add`: added to what is there), for any geometry.
pub fn weight_grad(level: Level, g: &ConvGeometry, x: &[f32], dy: &[f32], dw: &mut [f32], add: bool) {
    let (co, taps) = (g.c_out / g.groups, g.c_in / g.groups * g.kernel[0] * g.kernel[1]);
    let frame = Frame::new(g, g.c_in);
    let all = if frame.direct { Scratch::new(0) } else { fill_all(&frame, g, x) };
    let frames = if frame.direct { x } else { &all };
    let (nr, dw) = (panel_width(level), Parts::new(dw));
    let panels = taps.div_ceil(nr);
    let cuts = panels.min(TASKS);
    parallel(g.groups * cuts, |task| {
        let (group, own) = (task / cuts, share(panels, cuts, task % cuts));
        let own = own.start * nr..taps.min(own.end * nr);
        let offsets = &frame.offsets(group * (g.c_in / g.groups)..(group + 1) * (g.c_in / g.groups))[own.clone()];
        let ld = own.len().next_multiple_of(nr);
        let mut sums = Scratch::zeros(co * ld);
        let mut long = LongSums::new(&mut sums);
        for image in 0..g.batch {
            let frame_of = &frames[image * frame.len..(image + 1) * frame.len];
            let dy = &dy[(image * g.c_out + group * co) * g.output[0] * g.output[1]..];
            product(level, g, frame_of, frame.steps(), offsets, dy, ld, &mut long);
        }
        long.finish();
        for (o, sums) in sums.chunks_exact(ld).enumerate() {
            let at = (group * co + o) * taps;
            // SAFETY: each task has its own taps of its own group.
            let dw = unsafe { dw.range(at + own.start..at + own.end) };
            dw.iter_mut().zip(sums).for_each(|(dw, sum)| *dw = if add { *dw + sum } else { *sum });
        }
    });
}

/// Adds one image to the sums, which have rows of `ld`.
fn product(
    level: Level,
    g: &ConvGeometry,
    frame: &[f32],
    (below, right): (usize, usize),
    offsets: &[usize],
    dy: &[f32],
    ld: usize,
    sums: &mut LongSums<'_>,
) {
    let (co, area, nr) = (g.c_out / g.groups, g.output[0] * g.output[1], panel_width(level));
    let depths = area.div_ceil(DEPTH);
    let mut panels = Scratch::new(ld * area.min(DEPTH));
    for depth in 0..depths {
        let pixels = share(area, depths, depth);
        let panel = pixels.len() * nr;
        for (offsets, panel) in offsets.chunks(nr).zip(panels.chunks_exact_mut(panel)) {
            for (pixel, row) in pixels.clone().zip(panel.chunks_exact_mut(nr)) {
                let at = pixel / g.output[1] * below + pixel % g.output[1] * right;
                let patch = &frame[at..];
                row.iter_mut().zip(offsets).for_each(|(out, offset)| *out = patch[*offset]);
                row[offsets.len()..].fill(0.0);
            }
        }
        let product = Sweep::<false> {
            m: co,
            n: offsets.len(),
            k: pixels.len(),
            a: &dy[pixels.start..],
            sa: area,
            b: &panels,
            sb: nr,
            panel,
            c: Parts::new(sums.room_for(1)),
            ldc: ld,
            add: true,
        };
        dispatch_at(level, product);
    }
}
