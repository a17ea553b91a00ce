//! The input gradient as a product with the transposed weights, which gives the gradient of every patch, added up in the frames of the
//! images. For strides, and for small images.

#![allow(unsafe_code)]

use super::columns::{COLUMNS, DEPTH, ROWS, TASKS};
use super::frame::Frame;
use super::panels::{Columns, Pack, Scatter};
use crate::cpu::gemm::{Sweep, panel_width};
use crate::cpu::levels::{Level, dispatch_at};
use crate::cpu::scratch::Scratch;
use crate::cpu::tasks::share;
use crate::cpu::threads::{Parts, parallel};
use crate::plan::ConvGeometry;
use std::ops::Range;

/// `dx = wᵀ ∗ dy + bias`, for any geometry.
pub fn input_grad(level: Level, g: &ConvGeometry, dy: &[f32], w: &[f32], bias: Option<&[f32]>, dx: &mut [f32]) {
    let (ci, taps, area) = (g.c_in / g.groups, g.kernel[0] * g.kernel[1], g.output[0] * g.output[1]);
    let images = (COLUMNS / area).clamp(1, g.batch);
    let sets = g.batch.div_ceil(images);
    let chunk = (ROWS / taps).clamp(1, ci);
    let product = ScatteredProduct { level, g, frame: &Frame::new(g, 1), chunk, dy, w, bias, dx: Parts::new(dx) };
    let chunks = g.groups * ci.div_ceil(chunk);
    let cuts = TASKS.div_ceil(sets).min(chunks);
    parallel(sets * cuts, |task| {
        let set = task / cuts;
        product.images(set * images..g.batch.min((set + 1) * images), share(chunks, cuts, task % cuts));
    });
}

struct ScatteredProduct<'a> {
    level: Level,
    g: &'a ConvGeometry,
    /// The frame of one channel.
    frame: &'a Frame,
    /// Input channels whose patches are held at once.
    chunk: usize,
    dy: &'a [f32],
    w: &'a [f32],
    bias: Option<&'a [f32]>,
    dx: Parts<f32>,
}

impl ScatteredProduct<'_> {
    /// Some chunks of channels, counted over all groups, of some images.
    fn images(&self, images: Range<usize>, chunks: Range<usize>) {
        let ScatteredProduct { level, g, frame, .. } = *self;
        let (ci, co, area) = (g.c_in / g.groups, g.c_out / g.groups, g.output[0] * g.output[1]);
        let (nr, in_group) = (panel_width(level), ci.div_ceil(self.chunk));
        let columns = 0..images.len() * area;
        let source = Columns::new(g.output, (g.output[1], 1), g.c_out * area, columns.clone(), nr);
        let held = (self.chunk - 1) * frame.plane + frame.len;
        let target = Columns::new(g.output, frame.steps(), held, columns, nr);
        let mut panels = Scratch::new(source.padded() * co);
        let mut frames = Scratch::new(images.len() * held);
        let mut packed = None;
        for chunk in chunks {
            let (group, part) = (chunk / in_group, chunk % in_group);
            if packed.replace(group) != Some(group) {
                let offsets: Vec<usize> = (group * co..(group + 1) * co).map(|o| o * area).collect();
                let dy = &self.dy[images.start * g.c_out * area..];
                dispatch_at(level, Pack { frame: dy, offsets: &offsets, columns: &source, out: &mut panels });
            }
            let channels = part * self.chunk..ci.min((part + 1) * self.chunk);
            frames.fill(0.0);
            self.patches(&panels, group, channels.clone(), &target, &mut frames);
            self.leave(&frames, held, images.clone(), group * ci + channels.start..group * ci + channels.end);
        }
    }

    /// Adds the gradients of the patches of some channels to their frames.
    fn patches(&self, panels: &[f32], group: usize, channels: Range<usize>, target: &Columns, frames: &mut [f32]) {
        let ScatteredProduct { level, g, frame, .. } = *self;
        let (ci, co, taps) = (g.c_in / g.groups, g.c_out / g.groups, g.kernel[0] * g.kernel[1]);
        let (nr, rows) = (target.nr, channels.len() * taps);
        let offsets = frame.offsets(0..channels.len());
        let (block, depths) = (COLUMNS / nr, co.div_ceil(DEPTH));
        let mut patches = Scratch::new(rows * COLUMNS);
        for first in (0..target.panels()).step_by(block) {
            let own = first..target.panels().min(first + block);
            let n = (target.len - first * nr).min(own.len() * nr);
            for depth in 0..depths {
                let k = share(co, depths, depth);
                let product = Sweep::<true> {
                    m: rows,
                    n,
                    k: k.len(),
                    a: &self.w[(group * co + k.start) * ci * taps + channels.start * taps..],
                    sa: ci * taps,
                    b: &panels[first * co * nr + k.start * nr..],
                    sb: nr,
                    panel: co * nr,
                    c: Parts::new(&mut patches),
                    ldc: COLUMNS,
                    add: depth > 0,
                };
                dispatch_at(level, product);
            }
            let rows = &patches[..rows * COLUMNS];
            let scatter = Scatter { rows, ld: COLUMNS, offsets: &offsets, columns: target, panels: own, frame: frames };
            dispatch_at(level, scatter);
        }
    }

    /// Copies the images out of their frames.
    fn leave(&self, frames: &[f32], held: usize, images: Range<usize>, channels: Range<usize>) {
        let area = self.g.input[0] * self.g.input[1];
        for (image, frames) in images.zip(frames.chunks_exact(held)) {
            for (i, channel) in channels.clone().enumerate() {
                let at = (image * self.g.c_in + channel) * area;
                // SAFETY: each task has its own images and channels.
                let dx = unsafe { self.dx.range(at..at + area) };
                let bias = self.bias.map_or(0.0, |bias| bias[channel]);
                self.frame.drain(&frames[i * self.frame.plane..], bias, dx);
            }
        }
    }
}
