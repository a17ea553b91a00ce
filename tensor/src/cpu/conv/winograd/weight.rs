//! The weight gradient: at every point, transposed tiles of inputs times tiles of output gradients.

#![allow(unsafe_code)]

use super::filters::FilterGrads;
use super::panels::to_tiles;
use super::tiles::ToTiles;
use super::{DEPTH, Grid, Images, SHARED, Tile, panel, part, slot_of};
use crate::cpu::gemm::{Sweep, panel_width};
use crate::cpu::levels::{Level, dispatch_at};
use crate::cpu::scratch::Scratch;
use crate::cpu::tasks::add_partials;
use crate::cpu::threads::{Parts, parallel};
use crate::plan::ConvGeometry;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

/// Gradients of at most as many pairs of channels are summed in parts, of which there are [`SHARES`].
const PARTIAL: usize = 96 * 96;
const SHARES: usize = 8;
/// Bytes of the tiles of x and dy that one such part makes at a time.
const OWN: usize = 4 << 20;

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
    if add {
        let mut sums = Scratch::new(dw.len());
        let finite = weight_grad(level, tile, g, x, dy, &mut sums, false);
        if finite {
            dw.iter_mut().zip(&*sums).for_each(|(dw, sum)| *dw += sum);
        }
        return finite;
    }
    match tile {
        Tile::Two => groups::<4>(level, g, x, dy, dw),
        Tile::Four => groups::<6>(level, g, x, dy, dw),
    }
}

fn groups<const T: usize>(level: Level, g: &ConvGeometry, x: &[f32], dy: &[f32], dw: &mut [f32]) -> bool {
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
    let g = grid.g;
    let shares = SHARES.min(grid.tile_rows());
    let mut sums = Scratch::new(shares * dw.len());
    let (len, parts, finite) = (dw.len(), Parts::new(&mut sums), AtomicBool::new(true));
    let blocks = grid.blocks(T * T * grid.columns * (grid.wide_in + grid.wide_out), OWN).div_ceil(shares);
    parallel(shares, |share| {
        let own = part(grid.tile_rows(), shares, share);
        // SAFETY: each task has its own sums.
        let dw = Parts::new(unsafe { parts.range(share * len..(share + 1) * len) });
        let blocks = blocks.min(own.len());
        for block in 0..blocks {
            let rows = part(own.len(), blocks, block);
            let (rows, count) = (own.start + rows.start..own.start + rows.end, rows.len() * grid.columns);
            let (vs, ds) = (slot_of(count * grid.wide_in), slot_of(count * grid.wide_out));
            let (mut v, mut d) = (Scratch::new(T * T * vs), Scratch::new(T * T * ds));
            let (points, grads) = (Parts::new(&mut v), Parts::new(&mut d));
            grid.each_image(rows, |i, rows, first| {
                let at = grid.place(grid.c_in, rows.clone(), first, grid.wide_in, vs);
                let padding = g.padding.map(|p| p[0]);
                dispatch_at(
                    grid.level,
                    ToTiles::<T, false> { at, x: x.image(i), size: g.input, padding, tiles: points },
                );
                let (at, padding) = (grid.place(grid.c_out, rows, first, grid.wide_out, ds), [0; 2]);
                dispatch_at(
                    grid.level,
                    ToTiles::<T, true> { at, x: dy.image(i), size: g.output, padding, tiles: grads },
                );
            });
            let tiles = Tiles { count, v: &v, vs, d: &d, ds };
            if !tiles.multiply::<T>(grid, 0..grid.c_in, 0..grid.c_out, block > 0, dw) {
                finite.store(false, Relaxed);
            }
        }
    });
    add_partials(&mut sums, len);
    dw.copy_from_slice(&sums[..len]);
    finite.into_inner()
}

/// Many channels: blocks of tiles are made by all tasks; then a task is some input channels by one panel of output channels, all of whose points it
/// transforms back while they are in its cache. A block's sums are added to the gradient itself.
fn by_channels<const T: usize>(grid: &Grid, x: Images, dy: Images, dw: &mut [f32]) -> bool {
    let panel = panel(grid.level);
    let blocks = grid.blocks(T * T * grid.columns * (grid.wide_in + grid.wide_out), SHARED);
    let (dw, finite) = (Parts::new(dw), AtomicBool::new(true));
    let (deep, panels) = (grid.c_in.div_ceil(DEPTH), grid.c_out.div_ceil(panel));
    for block in 0..blocks {
        let rows = part(grid.tile_rows(), blocks, block);
        let count = rows.len() * grid.columns;
        let (vs, ds) = (slot_of(count * grid.wide_in), slot_of(count * grid.wide_out));
        let (mut v, mut d) = (Scratch::new(T * T * vs), Scratch::new(T * T * ds));
        to_tiles::<T, false>(grid, &rows, x, vs, &mut v);
        to_tiles::<T, true>(grid, &rows, dy, ds, &mut d);
        let tiles = Tiles { count, v: &v, vs, d: &d, ds };
        parallel(deep * panels, |task| {
            let (rows, q) = (part(grid.c_in, deep, task / panels), task % panels);
            let columns = q * panel..grid.c_out.min((q + 1) * panel);
            if !tiles.multiply::<T>(grid, rows, columns, block > 0, dw) {
                finite.store(false, Relaxed);
            }
        });
    }
    finite.into_inner()
}

/// Tiles of inputs and of output gradients, and their slots.
struct Tiles<'a> {
    count: usize,
    v: &'a [f32],
    vs: usize,
    d: &'a [f32],
    ds: usize,
}

impl Tiles<'_> {
    /// `dw [+]=` what these tiles give for some input and output channels; whether it is finite.
    fn multiply<const T: usize>(
        &self,
        grid: &Grid,
        c_in: Range<usize>,
        c_out: Range<usize>,
        add: bool,
        dw: Parts<f32>,
    ) -> bool {
        let (nr, panel) = (panel_width(grid.level), panel(grid.level));
        let slot = slot_of(DEPTH.min(c_in.len()) * panel);
        let mut sums = Scratch::new(T * T * slot);
        let mut finite = true;
        for first in c_out.step_by(panel) {
            for k in c_in.clone().step_by(DEPTH) {
                let rows = k..c_in.end.min(k + DEPTH);
                let (m, n) = (rows.len(), panel.min(grid.wide_out - first));
                for p in 0..T * T {
                    let (a, b, c) =
                        (&self.v[p * self.vs + k..], &self.d[p * self.ds + first..], Parts::new(&mut sums[p * slot..]));
                    let (sa, sb) = (grid.wide_in, grid.wide_out);
                    let sweep =
                        Sweep::<true> { m, n, k: self.count, a, sa, b, sb, panel: nr, c, ldc: panel, add: false };
                    dispatch_at(grid.level, sweep);
                }
                let (c_in, c_out) = (grid.c_in, grid.c_out);
                finite &=
                    dispatch_at(grid.level, FilterGrads::<T> { sums: &sums, c_in, c_out, first, rows, slot, add, dw });
            }
        }
        finite
    }
}
