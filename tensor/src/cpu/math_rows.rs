//! Cutting rows into tasks of about 128 KiB, by shape alone.

use super::threads::parallel;
use std::ops::Range;

/// Rows of a task.
fn step(columns: usize) -> usize {
    (32_768 / columns.max(1)).max(1)
}

/// The number of tasks.
pub(super) fn tasks(rows: usize, columns: usize) -> usize {
    rows.div_ceil(step(columns))
}

/// Calls `f(task, rows)` for every task, on all threads.
pub(super) fn by_rows(rows: usize, columns: usize, f: impl Fn(usize, Range<usize>) + Sync) {
    let step = step(columns);
    parallel(tasks(rows, columns), |i| f(i, i * step..rows.min((i + 1) * step)));
}
