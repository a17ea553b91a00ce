//! Many filters: the tiles of a block are made by all tasks; then a task is one panel of output channels, whose filters it transforms a few input channels
//! at a time. Filters at the points, four times the filters and beyond the last cache at 512 channels, are never written to memory.

#![allow(unsafe_code)]

use super::filters::Filters;
use super::tiles::{FromTiles, GROUP, ToTiles};
use super::{DEPTH, Grid, Images, Kernels, SHARED, panel, part, slot_of};
use crate::cpu::gemm::{Sweep, panel_width};
use crate::cpu::levels::dispatch_at;
use crate::cpu::scratch::Scratch;
use crate::cpu::threads::{Parts, parallel};
use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

/// Tiles of a block: the results of one panel stay in the second cache.
const TILES: usize = 128;
/// The most tasks that make a block's tiles.
const TASKS: usize = 16;

/// One group of `y = w ∗ x + bias`; false if a result is not finite.
pub fn run<const T: usize>(grid: &Grid, x: Images, kernels: Kernels, bias: &[f32], y: Parts<f32>) -> bool {
    let (level, g) = (grid.level, grid.g);
    let Kernels { c_in, c_out, .. } = kernels;
    let (nr, panel, area) = (panel_width(level), panel(level), g.output[0] * g.output[1]);
    let point = grid.wide_in * 4;
    let bytes = SHARED.min(TILES.max(grid.columns) * T * T * point);
    let blocks = grid.blocks(T * T * grid.columns * grid.wide_in, bytes);
    let finite = AtomicBool::new(true);
    for block in 0..blocks {
        let block = part(grid.tile_rows(), blocks, block);
        let count = block.len() * grid.columns;
        let slot = slot_of(count * grid.wide_in);
        let mut shared = Scratch::new(T * T * slot);
        to_tiles::<T, false>(grid, &block, x, slot, &mut shared);
        let shared = &*shared;
        parallel(c_out.div_ceil(panel), |q| {
            let (first, channels) = (q * panel, panel.min(c_out - q * panel));
            let (wide, us) = (slot_of(count * panel), slot_of(DEPTH * panel));
            let (mut tiles, mut u) = (Scratch::new(T * T * wide), Scratch::new(T * T * us));
            let width = channels.next_multiple_of(GROUP);
            for k in (0..c_in).step_by(DEPTH) {
                let rows = k..c_in.min(k + DEPTH);
                let depth = rows.len();
                dispatch_at(level, Filters::<T> { kernels, first, rows, slot: us, u: &mut u });
                for p in 0..T * T {
                    let (a, b, c) = (&shared[p * slot + k..], &u[p * us..], Parts::new(&mut tiles[p * wide..]));
                    let sweep = Sweep::<false> {
                        m: count,
                        n: width,
                        k: depth,
                        a,
                        sa: grid.wide_in,
                        b,
                        sb: panel,
                        panel: nr,
                        c,
                        ldc: panel,
                        add: k > 0,
                    };
                    dispatch_at(level, sweep);
                }
            }
            let mut own = Scratch::zeros(width);
            if !bias.is_empty() {
                own[..channels].copy_from_slice(&bias[first..first + channels]);
            }
            grid.each_image(block.clone(), |i, rows, tile| {
                let at = grid.place(channels, rows, tile, panel, wide);
                let y = y.skip((i * g.c_out + first) * area);
                if !dispatch_at(level, FromTiles::<T> { at, tiles: &tiles, bias: &own, y, size: g.output }) {
                    finite.store(false, Relaxed);
                }
            });
        });
    }
    finite.into_inner()
}

/// The tiles of a block, made by all threads: of inputs, or (`GRAD`) of output gradients.
pub fn to_tiles<const T: usize, const GRAD: bool>(
    grid: &Grid,
    block: &Range<usize>,
    x: Images,
    slot: usize,
    tiles: &mut [f32],
) {
    let g = grid.g;
    let (channels, width, size, padding) = match GRAD {
        true => (grid.c_out, grid.wide_out, g.output, [0; 2]),
        false => (grid.c_in, grid.wide_in, g.input, g.padding.map(|p| p[0])),
    };
    let tasks = block.len().min(TASKS);
    let tiles = Parts::new(tiles);
    parallel(tasks, |task| {
        let rows = part(block.len(), tasks, task);
        let before = rows.start * grid.columns;
        grid.each_image(block.start + rows.start..block.start + rows.end, |i, rows, first| {
            let at = grid.place(channels, rows, before + first, width, slot);
            dispatch_at(grid.level, ToTiles::<T, GRAD> { at, x: x.image(i), size, padding, tiles });
        });
    });
}
