//! Views made contiguous on the CPU. Elements are moved as bits, whatever they mean; `copy/cast.rs` converts and adds.

#![allow(unsafe_code)]

mod cast;

use super::tasks::by_blocks;
use super::threads::Parts;
use super::{Input, Output};
use crate::layout::Layout;
use crate::plan::Copy;

/// Elements that are worth a task.
const TASK: usize = 16_384;
/// Neighbours in the output that a tile of a transposing copy has …
const ACROSS: usize = 64;
/// … and neighbours in the input: a cache line of 32-bit elements.
const ALONG: usize = 16;
/// Shorter runs are moved element by element: a call to copy them costs more.
const SHORT: usize = 8;

/// Runs the plan.
pub fn run(p: &Copy, inputs: &[Input<'_>], outputs: &mut [Output<'_>]) {
    let (input, output) = (&inputs[0], &mut outputs[0]);
    if input.layout.numel() == 0 {
        return;
    }
    if p.from != p.to || output.add {
        return cast::run(p, input, output);
    }
    match p.from.size() {
        2 => move_elements::<u16>(input, output),
        4 => move_elements::<u32>(input, output),
        _ => move_elements::<u64>(input, output),
    }
}

fn move_elements<T: bytemuck::Pod + Send + Sync>(input: &Input<'_>, output: &mut Output<'_>) {
    let x: &[T] = bytemuck::cast_slice(input.storage_bytes());
    let out: &mut [T] = bytemuck::cast_slice_mut(output.bytes_mut());
    let view = Matrices::new(input.layout);
    if view.column == 1 || view.row.abs() >= view.column.abs() {
        view.rows(x, out);
    } else {
        view.tiles(x, out);
    }
}

/// A layout as matrices: columns are the innermost axis, rows the axis (of the others) whose elements lie closest, and the rest count
/// matrices.
struct Matrices {
    rows: usize,
    columns: usize,
    /// Strides in the input.
    row: isize,
    column: isize,
    /// From one row to the next in the output.
    pitch: usize,
    /// (extent, stride in the input, stride in the output) of the other axes.
    outer: Vec<(usize, isize, usize)>,
    offset: isize,
}

impl Matrices {
    fn new(layout: &Layout) -> Matrices {
        let (shape, strides) = layout.merged();
        let mut pitch = 1;
        let mut axes: Vec<(usize, isize, usize)> = vec![];
        for (&n, &s) in shape.iter().zip(&strides).rev() {
            axes.push((n, s, pitch));
            pitch *= n;
        }
        let (columns, column, _) = if axes.is_empty() { (1, 1, 1) } else { axes.remove(0) };
        let nearest = (0..axes.len()).min_by_key(|i| axes[*i].1.unsigned_abs());
        let (rows, row, pitch) = nearest.map_or((1, columns as isize, columns), |i| axes.remove(i));
        axes.reverse();
        Matrices { rows, columns, row, column, pitch, outer: axes, offset: layout.offset as isize }
    }

    fn matrices(&self) -> usize {
        self.outer.iter().map(|a| a.0).product()
    }

    /// Where a matrix begins in the input and in the output.
    fn start(&self, matrix: usize) -> (isize, usize) {
        let (mut from, mut to, mut rest) = (self.offset, 0, matrix);
        for (n, s, pitch) in self.outer.iter().rev() {
            from += (rest % n) as isize * s;
            to += rest % n * pitch;
            rest /= n;
        }
        (from, to)
    }

    /// Row by row; of short ones several to a task, of long ones a piece.
    fn rows<T: bytemuck::Pod + Send + Sync>(&self, x: &[T], out: &mut [T]) {
        let (parts, total) = (Parts::new(out), self.matrices() * self.rows);
        let pieces = self.columns.div_ceil(TASK);
        by_blocks(total * pieces, (TASK / self.columns).max(1), |range| {
            let (mut i, piece) = (range.start / pieces, range.start % pieces);
            let columns = piece * TASK..self.columns.min((piece + 1) * TASK);
            while i < range.end.div_ceil(pieces) {
                let (from, to) = self.start(i / self.rows);
                let first = i % self.rows;
                let last = self.rows.min(first + range.end.div_ceil(pieces) - i);
                for r in first..last {
                    let to = to + r * self.pitch;
                    // SAFETY: one piece of a row each.
                    let out = unsafe { parts.range(to + columns.start..to + columns.end) };
                    self.run(x, from + r as isize * self.row + columns.start as isize * self.column, out);
                }
                i += last - first;
            }
        });
    }

    /// Neighbouring elements of a row, the first at `from`.
    fn run<T: std::marker::Copy>(&self, x: &[T], from: isize, out: &mut [T]) {
        if self.column == 1 && out.len() >= SHORT {
            return out.copy_from_slice(&x[from as usize..][..out.len()]);
        }
        for (c, o) in out.iter_mut().enumerate() {
            *o = x[(from + c as isize * self.column) as usize];
        }
    }

    /// Tile by tile, through a buffer: lines of the input are read whole, and several lines in a row of the output are written. A task takes
    /// all rows of some columns, that is, neighbouring lines of the input.
    fn tiles<T: bytemuck::Pod + Send + Sync>(&self, x: &[T], out: &mut [T]) {
        let parts = Parts::new(out);
        let strips = self.columns.div_ceil(ACROSS);
        let size = self.rows * self.columns.min(ACROSS);
        by_blocks(self.matrices() * strips, (TASK / size).max(1), |range| {
            let mut tile = [[T::zeroed(); ACROSS]; ALONG];
            for i in range {
                let (from, to) = self.start(i / strips);
                let first = i % strips * ACROSS;
                let width = ACROSS.min(self.columns - first);
                for r0 in (0..self.rows).step_by(ALONG) {
                    let height = ALONG.min(self.rows - r0);
                    for c in 0..width {
                        let at = from + r0 as isize * self.row + (first + c) as isize * self.column;
                        self.line(x, at, height, &mut tile, c);
                    }
                    for (r, line) in tile[..height].iter().enumerate() {
                        let to = to + (r0 + r) * self.pitch + first;
                        // SAFETY: these columns of every row are this task's alone.
                        unsafe { parts.range(to..to + width) }.copy_from_slice(&line[..width]);
                    }
                }
            }
        });
    }

    /// Elements along the rows' axis into column `c` of a tile.
    fn line<T: std::marker::Copy>(&self, x: &[T], at: isize, height: usize, tile: &mut [[T; ACROSS]; ALONG], c: usize) {
        if self.row == 1
            && let Some(Ok(line)) = x.get(at as usize..at as usize + ALONG).map(<&[T; ALONG]>::try_from)
        {
            // Of a tile cut short, what is beyond its height goes nowhere.
            for (row, v) in tile.iter_mut().zip(line) {
                row[c] = *v;
            }
            return;
        }
        for (r, row) in tile[..height].iter_mut().enumerate() {
            row[c] = x[(at + r as isize * self.row) as usize];
        }
    }
}

#[cfg(test)]
mod tests;
