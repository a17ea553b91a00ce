//! How work is cut into tasks: by shape alone, so that results never depend on the number of threads.

#![allow(unsafe_code)]

use super::threads::{Parts, parallel};
use std::ops::Range;

/// Elements that a task of a memory-bound kernel should have: 128 KiB, a few microseconds, below which a second thread gains nothing.
pub const TASK: usize = 32 * 1024;

/// Calls `f` with ranges of rows of about [`TASK`] elements together (one row, if that has more).
pub fn by_rows(rows: usize, row_size: usize, f: impl Fn(Range<usize>) + Sync) {
    by_blocks(rows, (TASK / row_size.max(1)).max(1), f);
}

/// Calls `f` with ranges of `block` rows.
pub fn by_blocks(rows: usize, block: usize, f: impl Fn(Range<usize>) + Sync) {
    parallel(rows.div_ceil(block), |i| f(i * block..rows.min((i + 1) * block)));
}

/// Part `i` of `count` even parts of `0..n`.
pub fn share(n: usize, count: usize, i: usize) -> Range<usize> {
    n * i / count..n * (i + 1) / count
}

/// Adds partial results of `len` elements each, which lie one after the other, as a tree; the sum replaces the first.
pub fn add_partials(partials: &mut [f32], len: usize) {
    let count = partials.len() / len.max(1);
    if count < 2 {
        return;
    }
    let parts = Parts::new(partials);
    by_blocks(len, (TASK / count).max(64), |columns| {
        // SAFETY: these columns of every partial are this task's alone.
        let row = |i: usize| unsafe { parts.range(i * len + columns.start..i * len + columns.end) };
        let mut left = count;
        while left > 1 {
            let half = left.div_ceil(2);
            for i in half..left {
                row(i - half).iter_mut().zip(row(i)).for_each(|(a, b)| *a += *b);
            }
            left = half;
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn partials_are_added_whatever_their_number() {
        for (count, len) in [(1, 3), (2, 1), (7, 200), (64, 5), (3, 40_000)] {
            let mut v: Vec<f32> = (0..count * len).map(|i| (i / len * 2 + i % len % 5) as f32).collect();
            add_partials(&mut v, len);
            for (c, sum) in v[..len].iter().enumerate() {
                assert_eq!(*sum, (count * (count - 1) + count * (c % 5)) as f32, "{count} partials of {len}");
            }
        }
    }
}
