//! Many filters: the tiles of a block are made by all tasks; then a task is one panel of output channels, whose filters it transforms a few input channels
//! at a time. Filters at the points, four times the filters and beyond the last cache at 512 channels, are never written to memory.

#![allow(unsafe_code)]

use super::filters::Filters;
use super::tiles::{FromTiles, GROUP};
use super::{DEPTH, Finite, Grid, Images, Kernels, SHARED, TASKS, slot_of, task_width, to_tiles};
use crate::cpu::gemm::{Sweep, panel_width};
use crate::cpu::levels::dispatch_at;
use crate::cpu::scratch::Scratch;
use crate::cpu::tasks::share;
use crate::cpu::threads::{Parts, parallel};

/// Tiles of a block: the results of one panel stay in the second cache.
const TILES: usize = 128;

/// One group of `y = w ∗ x + bias`.
pub fn run<const T: usize>(grid: &Grid, x: Images, kernels: Kernels, bias: &[f32], y: Parts<f32>, finite: &Finite) {
    let (level, g) = (grid.level, grid.g);
    let Kernels { c_in, c_out, .. } = kernels;
    let (nr, width, area) = (panel_width(level), task_width(level), g.output[0] * g.output[1]);
    let bytes = SHARED.min(TILES.max(grid.columns) * T * T * grid.wide_in * 4);
    let blocks = grid.blocks(T * T * grid.columns * grid.wide_in, bytes);
    for block in 0..blocks {
        let block = share(grid.tile_rows(), blocks, block);
        let count = block.len() * grid.columns;
        let slot = slot_of(count * grid.wide_in);
        let mut shared = Scratch::new(T * T * slot);
        to_tiles::<T, false>(grid, &block, x, slot, &mut shared, TASKS);
        let shared = &*shared;
        parallel(c_out.div_ceil(width), |q| {
            let (first, channels) = (q * width, width.min(c_out - q * width));
            let (ts, us) = (slot_of(count * width), slot_of(DEPTH * width));
            let (mut tiles, mut u) = (Scratch::new(T * T * ts), Scratch::new(T * T * us));
            let whole = channels.next_multiple_of(GROUP);
            for k in (0..c_in).step_by(DEPTH) {
                let rows = k..c_in.min(k + DEPTH);
                let depth = rows.len();
                dispatch_at(level, Filters::<T> { kernels, width, first, rows, slot: us, u: &mut u });
                for p in 0..T * T {
                    let (a, b, c) = (&shared[p * slot + k..], &u[p * us..], Parts::new(&mut tiles[p * ts..]));
                    let sweep = Sweep::<false> {
                        m: count,
                        n: whole,
                        k: depth,
                        a,
                        sa: grid.wide_in,
                        b,
                        sb: width,
                        panel: nr,
                        c,
                        ldc: width,
                        add: k > 0,
                    };
                    dispatch_at(level, sweep);
                }
            }
            let mut own = Scratch::zeros(whole);
            if !bias.is_empty() {
                own[..channels].copy_from_slice(&bias[first..first + channels]);
            }
            grid.each_image(block.clone(), |i, rows, tile| {
                let at = grid.place(channels, rows, tile, width, ts);
                let y = y.skip((i * g.c_out + first) * area);
                finite.note(i, dispatch_at(level, FromTiles::<T> { at, tiles: &tiles, bias: &own, y, size: g.output }));
            });
        });
    }
}
