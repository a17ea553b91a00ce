//! Reductions on the GPU. Long lines are cut into chunks, and the chunks' results reduced again: there is work for the whole device, no thread
//! runs long, and sums of many are trees. How lines are cut depends on the sizes alone.

use super::{lanes, variant};
use crate::dtype::DType;
use crate::gpu::caps::GROUPS_PER_DIMENSION;
use crate::gpu::{GpuDevice, Input, Kernel, Output, Span, fold_groups};
use crate::plan::{Reduce, ReduceOp, ScaledSquares};

/// Elements of a line that one group of threads takes.
const CHUNK: usize = 8192;
/// The same where there are many lines, of rows and of columns: chunks are not needed to keep the device busy then.
const CHUNK_OF_MANY: [usize; 2] = [1 << 16, 2048];
/// Rows of a column that one group of threads adds up.
const COLUMN_CHUNK: usize = 256;
/// From this many lines on, one pass keeps the device busy.
const MANY: usize = 4096;

/// Runs the plan.
pub fn run(p: &Reduce, gpu: &GpuDevice, inputs: &[Input<'_>], outputs: &[Output<'_>]) {
    let x = inputs[0].span(gpu);
    let lines = Lines { outer: p.outer, n: p.n, inner: p.inner };
    match p.op {
        ReduceOp::ArgMax | ReduceOp::ArgMin => outputs[0].fill(gpu, |y| lines.arg(gpu, p.op, &x, y)),
        ReduceOp::Sum | ReduceOp::SumSquares => {
            outputs[0].fill_or_add(gpu, |y, add| lines.reduce(gpu, p.op, &x, y, p.scale, add));
        }
        ReduceOp::Prod | ReduceOp::Max | ReduceOp::Min => {
            outputs[0].fill(gpu, |y| lines.reduce(gpu, p.op, &x, y, 1.0, false));
        }
    }
}

/// Runs the plan: partial sums of chunks, in windows of what a binding may be, and their sum.
pub fn scaled_squares(p: &ScaledSquares, gpu: &GpuDevice, inputs: &[Input<'_>], outputs: &[Output<'_>]) {
    let (x, scale) = (inputs[0].span(gpu), inputs[1].span(gpu));
    let chunks = p.n.div_ceil(CHUNK).max(1);
    let partial = Span::new(gpu, DType::F32, chunks);
    let kernel = variant("reduce", "scaled_squares", &["SCALED_SQUARES"], &[]);
    // The partial sums of a window start at a multiple of 256 bytes: 64 of them.
    let most = (gpu.caps().max_binding as usize / 4 / (64 * CHUNK) * (64 * CHUNK)).max(64 * CHUNK);
    for start in (0..p.n).step_by(most) {
        let n = most.min(p.n - start);
        let (at, parts) = (4 * (start / CHUNK) as u64, 4 * n.div_ceil(CHUNK) as u64);
        let (window, sums) = (x.part(4 * start as u64, 4 * n as u64), partial.part(at, parts));
        let params = [1, n, 1, CHUNK, 0, 0].map(|v| v as u32);
        let params = [&params[..], &[1f32.to_bits()]].concat();
        let groups = fold_groups(n.div_ceil(CHUNK) as u64);
        gpu.dispatch(kernel, &[window.read(0), sums.write(1), scale.read(2)], &params, groups);
    }
    let lines = Lines { outer: 1, n: if p.n == 0 { 0 } else { chunks }, inner: 1 };
    outputs[0].fill(gpu, |y| lines.reduce(gpu, ReduceOp::Sum, &partial, y, 1.0, false));
}

/// The sum of each column of `rows` rows of `n` elements.
pub fn column_sums(gpu: &GpuDevice, x: &Span, rows: usize, n: usize, y: &Span) {
    Lines { outer: 1, n: rows, inner: n }.reduce(gpu, ReduceOp::Sum, x, y, 1.0, false);
}

/// The sum of each chunk of `chunk` elements along the middle axis of [outer, n, inner], as [outer, chunks, inner].
pub fn chunk_sums(gpu: &GpuDevice, x: &Span, [outer, n, inner]: [usize; 3], chunk: usize, y: &Span) {
    Lines { outer, n, inner }.pass(gpu, ReduceOp::Sum, x, y, chunk, 1.0, false);
}

/// Adds the column sums of `rows` rows of `n` elements to what `y` holds, or writes them there.
pub fn add_rows(gpu: &GpuDevice, x: &Span, rows: usize, n: usize, y: &Span, add: bool) {
    Lines { outer: 1, n: rows, inner: n }.reduce(gpu, ReduceOp::Sum, x, y, 1.0, add);
}

/// A view of a buffer as [outer, n, inner], to be reduced along n.
#[derive(Clone, Copy)]
struct Lines {
    outer: usize,
    n: usize,
    inner: usize,
}

impl Lines {
    /// Whether these are the columns of a matrix, to be added up by the kernel for them, whose grid they fit.
    fn by_columns(self, op: ReduceOp) -> bool {
        let most = GROUPS_PER_DIMENSION as usize;
        let fits = self.inner.div_ceil(64) <= most && self.n.div_ceil(COLUMN_CHUNK) <= most;
        self.outer == 1 && self.inner > 1 && op == ReduceOp::Sum && fits
    }

    fn reduce(self, gpu: &GpuDevice, op: ReduceOp, x: &Span, y: &Span, scale: f64, add: bool) {
        let Lines { outer, n, inner } = self;
        let chunk = self.chunk(op);
        let chunks = n.div_ceil(chunk);
        if chunks <= 1 {
            return self.pass(gpu, op, x, y, n.max(1), scale, add);
        }
        let partial = Span::new(gpu, DType::F32, outer * chunks * inner);
        self.pass(gpu, op, x, &partial, chunk, 1.0, false);
        let op = if op == ReduceOp::SumSquares { ReduceOp::Sum } else { op };
        Lines { outer, n: chunks, inner }.reduce(gpu, op, &partial, y, scale, add);
    }

    /// Elements of a line that one pass reduces to one.
    fn chunk(self, op: ReduceOp) -> usize {
        match (self.by_columns(op), self.outer * self.inner >= MANY) {
            (true, _) => COLUMN_CHUNK,
            (false, true) => CHUNK_OF_MANY[usize::from(self.inner > 1)],
            (false, false) => CHUNK,
        }
    }

    /// One dispatch: a result for each chunk of `chunk` elements of a line.
    fn pass(self, gpu: &GpuDevice, op: ReduceOp, x: &Span, y: &Span, chunk: usize, scale: f64, add: bool) {
        let Lines { outer, n, inner } = self;
        let chunks = n.div_ceil(chunk).max(1);
        let params = [outer, n, inner, chunk, chunks, usize::from(add)].map(|v| v as u32);
        let params = [&params[..], &[(scale as f32).to_bits()]].concat();
        if self.by_columns(op) {
            let groups = [inner.div_ceil(64) as u32, chunks as u32, 1];
            let kernel = variant("reduce", "column_sum", &["COLUMN_SUM"], &[]);
            return gpu.dispatch(kernel, &[x.read(0), y.write(1)], &params, groups);
        }
        let code = match op {
            ReduceOp::Sum | ReduceOp::SumSquares => 0.0,
            ReduceOp::Prod => 1.0,
            ReduceOp::Max | ReduceOp::ArgMax => 2.0,
            ReduceOp::Min | ReduceOp::ArgMin => 3.0,
        };
        let square = if op == ReduceOp::SumSquares { "SQUARE" } else { "" };
        let (kernel, threads) = self.kernel("reduce", square, code, chunk.min(n));
        let lines = outer * chunks * inner;
        gpu.dispatch(kernel, &[x.read(0), y.write(1)], &params, fold_groups(lines.div_ceil(256 / threads) as u64));
    }

    fn arg(self, gpu: &GpuDevice, op: ReduceOp, x: &Span, y: &Span) {
        let Lines { outer, n, inner } = self;
        let (kernel, threads) = self.kernel("arg_reduce", "ARG", if op == ReduceOp::ArgMax { 2.0 } else { 3.0 }, n);
        let params = [outer, n, inner].map(|v| v as u32);
        let groups = (outer * inner).div_ceil(256 / threads);
        gpu.dispatch(kernel, &[x.read(0), y.write(1)], &params, fold_groups(groups as u64));
    }

    /// The kernel for lines of `n` elements, and how many threads share a line.
    fn kernel(self, entry: &str, flag: &str, op: f64, n: usize) -> (Kernel<'static>, usize) {
        let (form, lanes) = match self.inner {
            1 => ("ROWS", lanes(n).1),
            inner => ("COLUMNS", if n >= 256 && self.outer * inner < MANY { 64.0 } else { 4.0 }),
        };
        (variant("reduce", entry, &[form, flag], &[("LANES", lanes), ("OP", op)]), lanes as usize)
    }
}
