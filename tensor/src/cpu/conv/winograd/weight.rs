//! The weight gradient: at every point, transposed tiles of inputs times tiles of output gradients.

#![allow(unsafe_code)]

use super::filters::FilterGrads;
use super::{DEPTH, Grid, Images, SHARED, TASKS, TERMS, Tile, slot_of, task_width, to_tiles};
use crate::cpu::gemm::{Sweep, panel_width};
use crate::cpu::levels::{Level, dispatch_at};
use crate::cpu::long_sums::{CHAIN, LongSums};
use crate::cpu::scratch::Scratch;
use crate::cpu::tasks::{TASK, add_partials, by_blocks, share};
use crate::cpu::threads::{Parts, parallel};
use crate::plan::ConvGeometry;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

/// Gradients of at most as many pairs of channels are summed in parts, of which there are [`SHARES`].
const PARTIAL: usize = if cfg!(test) { 32 * 32 } else { 96 * 96 };
const SHARES: usize = 8;
/// Bytes of the tiles of x and dy that one such part makes at a time.
const OWN: usize = if cfg!(test) { 128 << 10 } else { 4 << 20 };

/// `dw = dy ∗ x`, or with `add` `dw += dy ∗ x`; false, and with `add` nothing done, if a sum is not finite.
pub fn weight_grad(
    level: Level,
    tile: Tile,
    g: &ConvGeometry,
    x: &[f32],
    dy: &[f32],
    dw: &mut [f32],
    add: bool,
) -> bool {
    if !add {
        return match tile {
            Tile::Two => by_groups::<4>(level, g, x, dy, dw),
            Tile::Four => by_groups::<6>(level, g, x, dy, dw),
        };
    }
    let mut sums = Scratch::new(dw.len());
    let is_finite = weight_grad(level, tile, g, x, dy, &mut sums, false);
    if is_finite {
        let (len, dw) = (dw.len(), Parts::new(dw));
        by_blocks(len, TASK, |part| {
            // SAFETY: each task has its own part.
            let dw = unsafe { dw.range(part.clone()) };
            dw.iter_mut().zip(&sums[part]).for_each(|(dw, sum)| *dw += sum);
        });
    }
    is_finite
}

fn by_groups<const T: usize>(level: Level, g: &ConvGeometry, x: &[f32], dy: &[f32], dw: &mut [f32]) -> bool {
    let grid = Grid::new(level, g, T - 2);
    let (c_in, c_out) = (grid.c_in, grid.c_out);
    let (x_area, y_area) = (g.input[0] * g.input[1], g.output[0] * g.output[1]);
    let group = |(group, dw): (usize, &mut [f32])| {
        let x = Images { data: &x[group * c_in * x_area..], stride: g.c_in * x_area };
        let dy = Images { data: &dy[group * c_out * y_area..], stride: g.c_out * y_area };
        let by = if c_in * c_out > PARTIAL { by_channels::<T> } else { by_tiles::<T> };
        by(&grid, x, dy, dw)
    };
    dw.chunks_exact_mut(c_in * c_out * 9).enumerate().all(group)
}

/// Few channels: a task is a share of the rows of tiles, with tiles and partial sums of its own, so that nothing crosses between cores.
fn by_tiles<const T: usize>(grid: &Grid, x: Images, dy: Images, dw: &mut [f32]) -> bool {
    let (shares, len) = (SHARES.min(grid.tile_rows()), dw.len());
    let mut sums = Scratch::new(shares * len);
    let parts = Parts::new(&mut sums);
    let blocks = grid.blocks(T * T * grid.columns * (grid.wide_in + grid.wide_out), OWN).div_ceil(shares);
    parallel(shares, |i| {
        let own = share(grid.tile_rows(), shares, i);
        // SAFETY: each task has its own sums.
        let mut sums = LongSums::new(unsafe { parts.range(i * len..(i + 1) * len) });
        let blocks = blocks.min(own.len());
        for block in 0..blocks {
            let rows = share(own.len(), blocks, block);
            let tiles = Tiles::make::<T>(grid, own.start + rows.start..own.start + rows.end, x, dy, 1);
            tiles.multiply::<T>(grid, 0..grid.c_in, 0..grid.c_out, block > 0, Parts::new(sums.room_for(1)));
        }
        sums.finish();
    });
    add_partials(&mut sums, len);
    dw.copy_from_slice(&sums[..len]);
    is_finite(dw)
}

/// Many channels: blocks of tiles are made by all tasks; then a task is some input channels by a panel of output channels, all of whose points it
/// transforms back while they are in its cache. A block's sums are added to the gradient itself.
fn by_channels<const T: usize>(grid: &Grid, x: Images, dy: Images, dw: &mut [f32]) -> bool {
    let width = task_width(grid.level);
    let blocks = grid.blocks(T * T * grid.columns * (grid.wide_in + grid.wide_out), SHARED);
    let (depths, panels) = (grid.c_in.div_ceil(DEPTH), grid.c_out.div_ceil(width));
    let (mut sums, finite) = (LongSums::new(dw), AtomicBool::new(true));
    for block in 0..blocks {
        let tiles = Tiles::make::<T>(grid, share(grid.tile_rows(), blocks, block), x, dy, TASKS);
        let dw = Parts::new(sums.room_for(1));
        parallel(depths * panels, |task| {
            let (rows, q) = (share(grid.c_in, depths, task / panels), task % panels);
            let columns = q * width..grid.c_out.min((q + 1) * width);
            if !tiles.multiply::<T>(grid, rows, columns, block > 0, dw) {
                finite.store(false, Relaxed);
            }
        });
    }
    sums.finish();
    // What was added in double precision may be too large for single.
    finite.into_inner() && (blocks <= CHAIN || is_finite(dw))
}

fn is_finite(sums: &[f32]) -> bool {
    sums.iter().fold(0.0, |zeros, sum| zeros + 0.0 * sum) == 0.0
}

/// Tiles of inputs and of output gradients, and their slots.
struct Tiles {
    count: usize,
    v: Scratch,
    vs: usize,
    d: Scratch,
    ds: usize,
}

impl Tiles {
    /// Those of some rows of tiles, by up to so many tasks.
    fn make<const T: usize>(grid: &Grid, rows: Range<usize>, x: Images, dy: Images, tasks: usize) -> Tiles {
        let count = rows.len() * grid.columns;
        let (vs, ds) = (slot_of(count * grid.wide_in), slot_of(count * grid.wide_out));
        let (mut v, mut d) = (Scratch::new(T * T * vs), Scratch::new(T * T * ds));
        to_tiles::<T, false>(grid, &rows, x, vs, &mut v, tasks);
        to_tiles::<T, true>(grid, &rows, dy, ds, &mut d, tasks);
        Tiles { count, v, vs, d, ds }
    }

    /// `dw [+]=` what these tiles give for some input and output channels; whether it is finite.
    fn multiply<const T: usize>(
        &self,
        grid: &Grid,
        c_in: Range<usize>,
        c_out: Range<usize>,
        add: bool,
        dw: Parts<f32>,
    ) -> bool {
        let (level, nr, width) = (grid.level, panel_width(grid.level), task_width(grid.level));
        let slot = slot_of(DEPTH.min(c_in.len()) * width);
        let mut sums = Scratch::new(T * T * slot);
        let mut finite = true;
        for first in c_out.step_by(width) {
            for channel in c_in.clone().step_by(DEPTH) {
                let rows = channel..c_in.end.min(channel + DEPTH);
                let (m, n, sa, sb) = (rows.len(), width.min(grid.wide_out - first), grid.wide_in, grid.wide_out);
                for p in 0..T * T {
                    for tile in (0..self.count).step_by(TERMS) {
                        let a = &self.v[p * self.vs + tile * sa + channel..];
                        let b = &self.d[p * self.ds + tile * sb + first..];
                        let (c, k) = (Parts::new(&mut sums[p * slot..]), TERMS.min(self.count - tile));
                        let add = tile > 0;
                        dispatch_at(level, Sweep::<true> { m, n, k, a, sa, b, sb, panel: nr, c, ldc: width, add });
                    }
                }
                let (c_in, c_out) = (grid.c_in, grid.c_out);
                let to_taps = FilterGrads::<T> { sums: &sums, c_in, c_out, width, first, rows, slot, add, dw };
                finite &= dispatch_at(level, to_taps);
            }
        }
        finite
    }
}
