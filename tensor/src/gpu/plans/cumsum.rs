//! Running sums on the GPU: of the elements of chunks of the lines, each on from the running sum of the chunks before it.

use super::{reduce, variant};
use crate::dtype::DType;
use crate::gpu::{GpuDevice, Input, Output, Span, fold_groups};
use crate::plan::Cumsum;

/// From this many elements on, a row is worth a workgroup.
const LONG: usize = 64;
/// Elements that a workgroup sums of a row: all that it can hold.
const ROW_CHUNK: usize = 1024;
/// Elements that a thread sums of a column.
const COLUMN_CHUNK: usize = 128;

/// Runs the plan.
pub fn run(p: &Cumsum, gpu: &GpuDevice, inputs: &[Input<'_>], outputs: &[Output<'_>]) {
    let x = inputs[0].span(gpu);
    outputs[0].fill(gpu, |y| scan(gpu, [p.outer, p.n, p.inner], p.reverse, &x, y));
}

fn scan(gpu: &GpuDevice, [outer, n, inner]: [usize; 3], reverse: bool, x: &Span, y: &Span) {
    let rows = inner == 1 && n >= LONG;
    let chunk = if rows { ROW_CHUNK } else { COLUMN_CHUNK };
    let chunks = n.div_ceil(chunk);
    let sums = (chunks > 1).then(|| {
        let [each, running] = [0; 2].map(|_| Span::new(gpu, DType::F32, outer * chunks * inner));
        reduce::chunk_sums(gpu, x, [outer, n, inner], chunk, &each);
        scan(gpu, [outer, chunks, inner], reverse, &each, &running);
        running
    });
    let (entry, form) = if rows { ("cumsum_rows", "ROWS") } else { ("cumsum_columns", "COLUMNS") };
    let kernel = variant("cumsum", entry, &[form, if sums.is_some() { "CARRY" } else { "" }], &[]);
    let groups = if rows { outer * chunks } else { (outer * chunks * inner).div_ceil(256) };
    let params = [outer, n, inner, usize::from(reverse), chunk, chunks].map(|v| v as u32);
    let mut bindings = vec![x.read(0), y.write(1)];
    bindings.extend(sums.as_ref().map(|s| s.read(2)));
    gpu.dispatch(kernel, &bindings, &params, fold_groups(groups as u64));
}
