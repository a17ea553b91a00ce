//! Few filters: a task is a block of rows of tiles, which it makes, multiplies and transforms back in its cache, for all channels. Transformed filters are
//! shared, and read once a block.

#![allow(unsafe_code)]

use super::filters::Filters;
use super::tiles::{FromTiles, ToTiles};
use super::{Grid, Images, Kernels, panel, part, slot_of};
use crate::cpu::gemm::{Sweep, panel_width};
use crate::cpu::levels::dispatch_at;
use crate::cpu::scratch::Scratch;
use crate::cpu::threads::{Parts, parallel};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

/// Bytes of a block of tiles.
const BLOCK: usize = 384 << 10;

/// One group of `y = w ∗ x + bias`; false if a result is not finite.
pub fn run<const T: usize>(grid: &Grid, x: Images, kernels: Kernels, bias: &[f32], y: Parts<f32>) -> bool {
    let (level, g) = (grid.level, grid.g);
    let Kernels { c_in, c_out, .. } = kernels;
    let (wide, area) = (grid.wide_in.max(grid.wide_out), g.output[0] * g.output[1]);
    let (nr, panel) = (panel_width(level), panel(level));
    let us = slot_of(c_in * panel);
    let deep = T * T * us;
    let mut filters = Scratch::new(c_out.div_ceil(panel) * deep);
    let parts = Parts::new(&mut filters);
    parallel(c_out.div_ceil(panel), |q| {
        // SAFETY: one panel each.
        let u = unsafe { parts.range(q * deep..(q + 1) * deep) };
        dispatch_at(level, Filters::<T> { kernels, first: q * panel, rows: 0..c_in, slot: us, u });
    });
    let mut biases = Scratch::zeros(grid.wide_out);
    biases[..bias.len()].copy_from_slice(bias);
    let (filters, bias, finite) = (&*filters, &*biases, AtomicBool::new(true));
    let blocks = grid.blocks((T * T + 1) * grid.columns * wide, BLOCK);
    parallel(blocks, |block| {
        let rows = part(grid.tile_rows(), blocks, block);
        let count = rows.len() * grid.columns;
        let slot = slot_of(count * wide);
        // The results of a point replace the tiles of the point before.
        let mut tiles = Scratch::new((T * T + 1) * slot);
        let points = Parts::new(&mut tiles[slot..]);
        grid.each_image(rows.clone(), |i, rows, first| {
            let at = grid.place(c_in, rows, first, grid.wide_in, slot);
            let padding = g.padding.map(|p| p[0]);
            dispatch_at(level, ToTiles::<T, false> { at, x: x.image(i), size: g.input, padding, tiles: points });
        });
        for p in 0..T * T {
            let (c, a) = tiles[p * slot..].split_at_mut(slot);
            for (q, first) in (0..grid.wide_out).step_by(panel).enumerate() {
                let (m, n, k) = (count, panel.min(grid.wide_out - first), c_in);
                let (b, sa, ldc) = (&filters[q * deep + p * us..], grid.wide_in, grid.wide_out);
                let c = Parts::new(&mut c[first..]);
                dispatch_at(level, Sweep::<false> { m, n, k, a, sa, b, sb: panel, panel: nr, c, ldc, add: false });
            }
        }
        grid.each_image(rows, |i, rows, first| {
            let at = grid.place(c_out, rows, first, grid.wide_out, slot);
            let y = y.skip(i * g.c_out * area);
            if !dispatch_at(level, FromTiles::<T> { at, tiles: &tiles, bias, y, size: g.output }) {
                finite.store(false, Relaxed);
            }
        });
    });
    finite.into_inner()
}
