//! Views made contiguous, and conversions, on the CPU.

#![allow(unsafe_code)]

use super::threads::{Parts, parallel};
use super::{Input, Output, reference};
use crate::dtype::DType;
use crate::plan::Copy;
use half::{bf16, f16};

/// Elements that are worth a task.
const TASK: usize = 16_384;
/// The side of a tile of a transposing copy: 16 lines of 64 bytes.
const TILE: usize = 16;

/// Runs the plan.
pub fn run(p: &Copy, inputs: &[Input<'_>], outputs: &mut [Output<'_>]) {
    if p.from == p.to && p.from.size() == 4 && !outputs[0].add {
        return move_words(&inputs[0], &mut outputs[0]);
    }
    macro_rules! to {
        ($from:ty) => {
            match p.to {
                DType::F32 => reference::copy::<$from, f32>(inputs, outputs),
                DType::F64 => reference::copy::<$from, f64>(inputs, outputs),
                DType::I32 => reference::copy::<$from, i32>(inputs, outputs),
                DType::U32 => reference::copy::<$from, u32>(inputs, outputs),
                DType::F16 => reference::copy::<$from, f16>(inputs, outputs),
                DType::BF16 => reference::copy::<$from, bf16>(inputs, outputs),
            }
        };
    }
    match p.from {
        DType::F32 => to!(f32),
        DType::F64 => to!(f64),
        DType::I32 => to!(i32),
        DType::U32 => to!(u32),
        DType::F16 => to!(f16),
        DType::BF16 => to!(bf16),
    }
}

/// Copies 32-bit elements of any strides, whatever they mean. The two innermost axes are walked in tiles, so that neither side is read or
/// written a line an element.
fn move_words(input: &Input<'_>, output: &mut Output<'_>) {
    let (mut shape, mut strides) = input.layout.merged();
    while shape.len() < 2 {
        shape.insert(0, 1);
        strides.insert(0, 0);
    }
    let outer = shape.len() - 2;
    let ([rows, columns], [row, column]) = ([shape[outer], shape[outer + 1]], [strides[outer], strides[outer + 1]]);
    let x: &[u32] = bytemuck::cast_slice(input.storage_bytes());
    let out: &mut [u32] = bytemuck::cast_slice_mut(output.bytes_mut());
    let matrices: usize = shape[..outer].iter().product();
    let start = |matrix: usize| {
        let (mut at, mut rest) = (input.layout.offset as isize, matrix);
        for axis in (0..outer).rev() {
            at += (rest % shape[axis]) as isize * strides[axis];
            rest /= shape[axis];
        }
        at
    };
    // A task is a band of rows of one matrix, or several small matrices.
    let band = (TASK / columns.max(1)).max(1).next_multiple_of(TILE).min(rows);
    let (bands, group) = (rows.div_ceil(band), (TASK / (rows * columns)).max(1));
    let parts = Parts::new(out);
    parallel((matrices * bands).div_ceil(group), |task| {
        for i in task * group..(matrices * bands).min((task + 1) * group) {
            let (matrix, first) = (i / bands, i % bands * band);
            let last = rows.min(first + band);
            let from = (matrix * rows + first) * columns;
            // SAFETY: one band each.
            let out = unsafe { parts.range(from..from + (last - first) * columns) };
            copy_band(x, start(matrix) + first as isize * row, [row, column], columns, out);
        }
    });
}

/// Rows of one matrix.
fn copy_band(x: &[u32], at: isize, [row, column]: [isize; 2], columns: usize, out: &mut [u32]) {
    if columns == 0 {
        return;
    }
    if column == 1 {
        for (r, out) in out.chunks_exact_mut(columns).enumerate() {
            let from = (at + r as isize * row) as usize;
            out.copy_from_slice(&x[from..from + columns]);
        }
        return;
    }
    let rows = out.len() / columns;
    for r0 in (0..rows).step_by(TILE) {
        for c0 in (0..columns).step_by(TILE) {
            for r in r0..rows.min(r0 + TILE) {
                for c in c0..columns.min(c0 + TILE) {
                    out[r * columns + c] = x[(at + r as isize * row + c as isize * column) as usize];
                }
            }
        }
    }
}
