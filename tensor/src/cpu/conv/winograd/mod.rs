//! Convolution by tiles (Winograd): 3×3 kernels of stride 1, in a quarter to two thirds of the products of the definition.
//!
//! A tile of m × m outputs comes of T × T inputs, T = m + 2. Both its inputs and the kernel are transformed to T² points ([`points`]), where the
//! convolution is one product for each pair of channels; the results are transformed back. Point by point that is a matrix product (tiles × input
//! channels) · (input × output channels), for which the micro-kernel of matrix products is used on operands in place. Cuts follow from the shape
//! alone, so that results do not depend on the number of threads.
//!
//! **Rounding.** All outputs of a tile share its rounding: the bound of an error is a small multiple of the sums of magnitudes at the points (the tests
//! derive it), which may be larger than the output's own sum: where all inputs of an output are zero, it is about 1e-7 of its neighbours.
//! **Infinities and NaN** would fill whole tiles; an image with a result that is not finite is therefore computed again directly.

use crate::cpu::gemm::panel_width;
use crate::cpu::levels::{Level, dispatch_at};
use crate::cpu::tasks::share;
use crate::cpu::threads::{Parts, parallel};
use crate::plan::ConvGeometry;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use tiles::{GROUP, Place, ToTiles};

mod filters;
mod fused;
mod panels;
mod points;
#[cfg(test)]
mod tests;
mod tiles;
mod transpose;
mod weight;

pub use weight::weight_grad;

/// Fewer channels on either side leave groups of channels empty, and the products are too thin to pay for the transforms.
const CHANNELS: usize = 16;
/// Filters with more floats than this at the points (beyond the second cache) are transformed where they are used, if their panels are tasks enough.
const LARGE: usize = if cfg!(test) { 1 << 14 } else { 1 << 20 };
const PANELS: usize = if cfg!(test) { 2 } else { 8 };
/// Bytes of the tiles of a block that all tasks share. In tests limits are so small that there are several blocks.
const SHARED: usize = if cfg!(test) { 256 << 10 } else { 8 << 20 };
/// Terms of a sum that are added in single precision, one after the other: tiles of a weight gradient.
const TERMS: usize = if cfg!(test) { 8 } else { 512 };
/// The most tasks that a block of tiles is made by, and that a small convolution is cut into.
const TASKS: usize = 16;
/// Input channels whose filters are transformed at once.
const DEPTH: usize = 64;

/// Outputs of a tile.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tile {
    /// 2 × 2 from 4 × 4: more exact than the definition, as its sums have fewer terms.
    Two,
    /// 4 × 4 from 6 × 6.
    Four,
}

impl Tile {
    /// The tile that saves a third of the products or more. It depends on sizes and channels, not on the batch size: slices of a batch have its results.
    pub fn of(g: &ConvGeometry) -> Option<Tile> {
        let fits = g.kernel == [3, 3] && g.stride == [1, 1] && g.dilation == [1, 1];
        if !fits || g.c_in.min(g.c_out) / g.groups < CHANNELS {
            return None;
        }
        let c_out = g.c_out / g.groups;
        let products = |m: usize| {
            let points = (m + 2).pow(2) * g.output[0].div_ceil(m) * g.output[1].div_ceil(m);
            points * c_out.next_multiple_of(GROUP)
        };
        let (two, four, direct) = (products(2), products(4), 9 * g.output[0] * g.output[1] * c_out);
        let tile = if two <= four { Tile::Two } else { Tile::Four };
        (3 * two.min(four) <= 2 * direct).then_some(tile)
    }
}

/// Images in a row, or one group of their channels.
#[derive(Clone, Copy)]
struct Images<'a> {
    data: &'a [f32],
    /// From image to image.
    stride: usize,
}

impl<'a> Images<'a> {
    fn image(&self, i: usize) -> &'a [f32] {
        &self.data[i * self.stride..]
    }
}

/// The kernels of a group (`c_out`, `c_in`, 3, 3).
#[derive(Clone, Copy)]
struct Kernels<'a> {
    w: &'a [f32],
    c_in: usize,
    c_out: usize,
    /// Those of the input gradient: (`c_in`, `c_out`, 3, 3) in memory, and rotated by half a turn.
    flip: bool,
}

/// A convolution's outputs as tiles.
struct Grid<'a> {
    g: &'a ConvGeometry,
    level: Level,
    /// Rows and columns of tiles of an image.
    rows: usize,
    columns: usize,
    /// Channels of a group, and the same as whole groups of [`GROUP`].
    c_in: usize,
    c_out: usize,
    wide_in: usize,
    wide_out: usize,
}

impl<'a> Grid<'a> {
    fn new(level: Level, g: &'a ConvGeometry, m: usize) -> Grid<'a> {
        let [rows, columns] = g.output.map(|n| n.div_ceil(m));
        let [c_in, c_out] = [g.c_in, g.c_out].map(|c| c / g.groups);
        let [wide_in, wide_out] = [c_in, c_out].map(|c| c.next_multiple_of(GROUP));
        Grid { g, level, rows, columns, c_in, c_out, wide_in, wide_out }
    }

    fn tile_rows(&self) -> usize {
        self.g.batch * self.rows
    }

    /// The number of blocks into which all rows of tiles, of `floats` each, are cut so that none has more than `bytes`, or one row.
    fn blocks(&self, floats: usize, bytes: usize) -> usize {
        self.tile_rows().div_ceil((bytes / 4 / floats).clamp(1, self.tile_rows()))
    }

    /// Calls `f(image, rows, first)` for the images of a range of rows of tiles: its rows, and the number of its first tile among those of the range.
    fn each_image(&self, all: Range<usize>, mut f: impl FnMut(usize, Range<usize>, usize)) {
        let mut row = all.start;
        while row < all.end {
            let (image, at) = (row / self.rows, row % self.rows);
            let end = self.rows.min(at + all.end - row);
            f(image, at..end, (row - all.start) * self.columns);
            row += end - at;
        }
    }

    fn place(&self, channels: usize, rows: Range<usize>, first: usize, width: usize, slot: usize) -> Place {
        Place { channels, rows, columns: self.columns, slot, width, first }
    }
}

/// Floats from point to point: an odd number of cache lines, so that the T² lines of a tile lie in different sets of the first cache.
fn slot_of(floats: usize) -> usize {
    (floats.div_ceil(16) | 1) * 16
}

/// Output channels whose filters lie together: a panel of the micro-kernel, or as many as make a group.
fn task_width(level: Level) -> usize {
    panel_width(level).max(GROUP)
}

/// The tiles of a block: of inputs, or (`GRAD`) of output gradients; by up to so many tasks.
fn to_tiles<const T: usize, const GRAD: bool>(
    grid: &Grid,
    block: &Range<usize>,
    x: Images,
    slot: usize,
    tiles: &mut [f32],
    tasks: usize,
) {
    let g = grid.g;
    let (channels, width, size, padding) = match GRAD {
        true => (grid.c_out, grid.wide_out, g.output, [0; 2]),
        false => (grid.c_in, grid.wide_in, g.input, g.padding.map(|p| p[0])),
    };
    let tasks = block.len().min(tasks);
    let tiles = Parts::new(tiles);
    parallel(tasks, |task| {
        let rows = share(block.len(), tasks, task);
        let before = rows.start * grid.columns;
        grid.each_image(block.start + rows.start..block.start + rows.end, |i, rows, first| {
            let at = grid.place(channels, rows, before + first, width, slot);
            dispatch_at(grid.level, ToTiles::<T, GRAD> { at, x: x.image(i), size, padding, tiles });
        });
    });
}

/// `y = w ∗ x + bias`; of a flipped kernel `dx = wᵀ ∗ dy + bias`, for the geometry of the convolution whose forward pass that is
/// (`shifted::transposed`). Returns the images with results that are not finite.
pub fn convolve(
    level: Level,
    tile: Tile,
    g: &ConvGeometry,
    x: &[f32],
    (w, flip): (&[f32], bool),
    bias: Option<&[f32]>,
    y: &mut [f32],
) -> Vec<usize> {
    match tile {
        Tile::Two => by_groups::<4>(level, g, x, (w, flip), bias, y),
        Tile::Four => by_groups::<6>(level, g, x, (w, flip), bias, y),
    }
}

fn by_groups<const T: usize>(
    level: Level,
    g: &ConvGeometry,
    x: &[f32],
    (w, flip): (&[f32], bool),
    bias: Option<&[f32]>,
    y: &mut [f32],
) -> Vec<usize> {
    let grid = Grid::new(level, g, T - 2);
    let (c_in, c_out) = (grid.c_in, grid.c_out);
    let (x_area, y_area) = (g.input[0] * g.input[1], g.output[0] * g.output[1]);
    let (y, finite) = (Parts::new(y), Finite::new(g.batch));
    let many_panels = c_out >= PANELS * task_width(level);
    for group in 0..g.groups {
        let x = Images { data: &x[group * c_in * x_area..], stride: g.c_in * x_area };
        let kernels = Kernels { w: &w[group * c_in * c_out * 9..(group + 1) * c_in * c_out * 9], c_in, c_out, flip };
        let bias = bias.map_or(&[][..], |bias| &bias[group * c_out..(group + 1) * c_out]);
        let y = y.skip(group * c_out * y_area);
        let run = if many_panels && T * T * c_in * c_out > LARGE { panels::run::<T> } else { fused::run::<T> };
        run(&grid, x, kernels, bias, y, &finite);
    }
    finite.others()
}

/// Which images have finite results alone.
struct Finite(Vec<AtomicBool>);

impl Finite {
    fn new(images: usize) -> Finite {
        Finite((0..images).map(|_| AtomicBool::new(true)).collect())
    }

    /// Results of an image were written.
    fn note(&self, image: usize, is_finite: bool) {
        if !is_finite {
            self.0[image].store(false, Relaxed);
        }
    }

    fn others(self) -> Vec<usize> {
        let all = self.0.into_iter().map(AtomicBool::into_inner).enumerate();
        all.filter(|(_, is_finite)| !is_finite).map(|(image, _)| image).collect()
    }
}
