//! Few filters: a task is a block of rows of tiles, which it makes, multiplies and transforms back in its cache, for all channels. Transformed filters are
//! shared, and read once a block.

#![allow(unsafe_code)]

use super::filters::Filters;
use super::tiles::FromTiles;
use super::{Finite, Grid, Images, Kernels, TASKS, slot_of, task_width, to_tiles};
use crate::cpu::gemm::{Sweep, panel_width};
use crate::cpu::levels::dispatch_at;
use crate::cpu::scratch::Scratch;
use crate::cpu::tasks::share;
use crate::cpu::threads::{Parts, parallel};

/// Bytes of a block of tiles.
const BLOCK: usize = if cfg!(test) { 64 << 10 } else { 384 << 10 };
/// Small convolutions are cut into blocks of at least so many tiles, two tiles of the micro-kernel, up to [`TASKS`] blocks.
const TILES: usize = 28;

/// One group of `y = w ∗ x + bias`.
pub fn run<const T: usize>(grid: &Grid, x: Images, kernels: Kernels, bias: &[f32], y: Parts<f32>, finite: &Finite) {
    let (level, g) = (grid.level, grid.g);
    let Kernels { c_in, c_out, .. } = kernels;
    let (wide, area) = (grid.wide_in.max(grid.wide_out), g.output[0] * g.output[1]);
    let (nr, width) = (panel_width(level), task_width(level));
    let us = slot_of(c_in * width);
    let panel = T * T * us;
    let mut filters = Scratch::new(c_out.div_ceil(width) * panel);
    let parts = Parts::new(&mut filters);
    parallel(c_out.div_ceil(width), |q| {
        // SAFETY: one panel each.
        let u = unsafe { parts.range(q * panel..(q + 1) * panel) };
        dispatch_at(level, Filters::<T> { kernels, width, first: q * width, rows: 0..c_in, slot: us, u });
    });
    let mut biases = Scratch::zeros(grid.wide_out);
    biases[..bias.len()].copy_from_slice(bias);
    let (filters, bias) = (&*filters, &*biases);
    let tasks = (grid.tile_rows() * grid.columns / TILES).min(TASKS).min(grid.tile_rows());
    let blocks = grid.blocks((T * T + 1) * grid.columns * wide, BLOCK).max(tasks);
    parallel(blocks, |block| {
        let rows = share(grid.tile_rows(), blocks, block);
        let count = rows.len() * grid.columns;
        let slot = slot_of(count * wide);
        // The results of a point replace the tiles of the point before.
        let mut tiles = Scratch::new((T * T + 1) * slot);
        to_tiles::<T, false>(grid, &rows, x, slot, &mut tiles[slot..], 1);
        for p in 0..T * T {
            let (c, a) = tiles[p * slot..].split_at_mut(slot);
            for (q, first) in (0..grid.wide_out).step_by(width).enumerate() {
                let (m, n, k) = (count, width.min(grid.wide_out - first), c_in);
                let (b, sa, ldc) = (&filters[q * panel + p * us..], grid.wide_in, grid.wide_out);
                let c = Parts::new(&mut c[first..]);
                dispatch_at(level, Sweep::<false> { m, n, k, a, sa, b, sb: width, panel: nr, c, ldc, add: false });
            }
        }
        grid.each_image(rows, |i, rows, first| {
            let at = grid.place(c_out, rows, first, grid.wide_out, slot);
            let y = y.skip(i * g.c_out * area);
            finite.note(i, dispatch_at(level, FromTiles::<T> { at, tiles: &tiles, bias, y, size: g.output }));
        });
    });
}
