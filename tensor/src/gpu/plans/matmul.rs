//! The batched matrix product on the GPU. Strided operands are read in place where the kernel can express them (a leading dimension and
//! two levels of batch strides, from a place where a binding may start), and are copied otherwise.
//!
//! A product that makes a grid or a binding too large, or a thread run long, is recorded in parts: ranges of items, rows, columns and depths
//! that start where a binding may.

use std::ops::Range;

use super::parts::{GRAIN, grain, halves};
use super::tiling::{Tiling, tiling};
use super::{elementwise, variant};
use crate::dtype::DType;
use crate::gpu::caps::GROUPS_PER_DIMENSION;
use crate::gpu::{GpuDevice, Input, Output, Span, fold_groups};
use crate::layout::{Layout, contiguous_strides, numel};
use crate::plan::{Matmul, MatrixStrides};

/// The ranges of a part.
const ITEMS: usize = 0;
const ROWS: usize = 1;
const COLS: usize = 2;
const DEPTH: usize = 3;
/// Matrices that one dispatch can do.
const MAX_ITEMS: usize = GROUPS_PER_DIMENSION as usize;

/// The depths that a thread goes through, and the slices that one adds up, at most.
const LONGEST: usize = 1 << 14;
const MAX_SLICES: usize = 1 << 10;

/// Runs the plan.
pub fn run(p: &Matmul, gpu: &GpuDevice, inputs: &[Input<'_>], outputs: &[Output<'_>]) {
    let items = numel(&p.batch);
    if items * p.m * p.n == 0 {
        return;
    }
    if p.k == 0 {
        return empty_sums(p, gpu, inputs, &outputs[0]);
    }
    let job = Job::new(p, gpu, inputs);
    outputs[0].fill_or_add(gpu, |c, add| job.part(c, add, [0..job.batch[0], 0..p.m, 0..p.n, 0..p.k]));
}

/// Sums of no products: zeros, or the bias.
fn empty_sums(p: &Matmul, gpu: &GpuDevice, inputs: &[Input<'_>], output: &Output<'_>) {
    if p.bias {
        let shape = [output.len / p.n, p.n];
        let layout = Layout { shape: shape.to_vec(), strides: vec![0, 1], offset: inputs[2].layout.offset };
        elementwise::identity(gpu, &Input { layout: &layout, ..inputs[2] }, output);
    } else if !output.add {
        let size = output.dtype.size();
        gpu.fill(output.buffer, (output.start * size) as u64, (output.len * size) as u64, 0);
    }
}

/// Adds `slices` partial sums of `items` matrices of m × n, which lie in `partial` as [item][slice][m][n], and writes them to (or adds
/// them to) `c`, row-major: the second pass of a product whose depth was cut.
pub fn add_slices(gpu: &GpuDevice, partial: &Span, c: &Span, [items, slices, m, n]: [usize; 4], add: bool) {
    let whole = Part { items, inner: 1, m, n, ldc: n, c_outer: m * n, c_inner: 0, add };
    whole.reduce(gpu, partial, c, slices, None);
}

/// What both kernels know of the result.
struct Part {
    /// Outer items.
    items: usize,
    /// Inner items of each.
    inner: usize,
    m: usize,
    n: usize,
    ldc: usize,
    c_outer: usize,
    c_inner: usize,
    add: bool,
}

impl Part {
    fn params(&self, (k, slice): (usize, usize), a: [usize; 3], b: [usize; 3]) -> [u32; 16] {
        let beta = if self.add { 1.0f32 } else { 0.0 };
        let [[lda, a_outer, a_inner], [ldb, b_outer, b_inner]] = [a, b];
        let strides = [a_outer, a_inner, b_outer, b_inner, self.c_outer, self.c_inner];
        let words = [self.m, self.n, k, slice, lda, ldb, self.ldc, self.inner].into_iter().chain(strides);
        let mut params = [0; 16];
        let all = words.map(|w| w as u32).chain([1.0f32.to_bits(), beta.to_bits()]);
        params.iter_mut().zip(all).for_each(|(p, w)| *p = w);
        params
    }

    /// Adds the slices up.
    fn reduce(&self, gpu: &GpuDevice, partial: &Span, c: &Span, slices: usize, bias: Option<&Span>) {
        let wide = self.n.is_multiple_of(4) && self.ldc.is_multiple_of(4);
        let flags = ["REDUCE", if bias.is_some() { "BIAS" } else { "" }, if wide { "VEC4" } else { "" }];
        let bindings: Vec<_> = [partial.read(0), c.write(2)].into_iter().chain(bias.map(|b| b.read(3))).collect();
        let [x, y, _] = fold_groups((self.m * self.n.div_ceil(4)).div_ceil(256) as u64);
        let groups = [x, y, (self.items * self.inner) as u32];
        // All that the kernel asks of k and k_slice is how many slices there are.
        let params = self.params((slices, 1), [0; 3], [0; 3]);
        gpu.dispatch(variant("gemm", "reduce", &flags, &[]), &bindings, &params, groups);
    }
}

/// A matrix operand: where item (outer, inner), row and column lie.
struct Operand {
    span: Span,
    row: usize,
    col: usize,
    outer: usize,
    inner: usize,
}

impl Operand {
    fn transposed(&self) -> bool {
        self.col != 1
    }

    fn leading(&self) -> usize {
        if self.transposed() { self.col } else { self.row }
    }

    /// Whether every line of a matrix of `rows` by `cols` is made of whole vec4s.
    fn wide(&self, rows: usize, cols: usize) -> bool {
        let line = if self.transposed() { rows } else { cols };
        [line, self.leading(), self.outer, self.inner].iter().all(|n| n.is_multiple_of(4))
    }

    /// The elements of a range of items, rows and columns, from the first to the last.
    fn window(&self, items: &Range<usize>, inner: usize, rows: &Range<usize>, cols: &Range<usize>) -> Range<usize> {
        let first = items.start * self.outer + rows.start * self.row + cols.start * self.col;
        let batch = (items.len() - 1) * self.outer + (inner - 1) * self.inner;
        first..first + batch + (rows.len() - 1) * self.row + (cols.len() - 1) * self.col + 1
    }

    /// Strides as the kernel takes them.
    fn strides(&self) -> [usize; 3] {
        [self.leading(), self.outer, self.inner]
    }
}

/// The batch as one axis: its stride, if it is the same throughout.
fn uniform(batch: &[usize], strides: &[usize]) -> Option<usize> {
    let step = *strides.last()?;
    let joined = (1..batch.len()).all(|i| strides[i - 1] == strides[i] * batch[i]);
    joined.then_some(step)
}

/// What an operand must be, beyond its strides.
#[derive(Clone, Copy)]
struct Form {
    /// Its batch is to be one axis.
    flat: bool,
    /// Not transposed.
    as_rows: bool,
}

/// The operand in place, or copied.
fn operand(
    gpu: &GpuDevice,
    input: &Input<'_>,
    (s, batch): (&MatrixStrides, &[usize]),
    [rows, cols]: [usize; 2],
    form: Form,
) -> Operand {
    let transposed = s.col != 1;
    let steps = if form.flat { uniform(batch, &s.batch).map(|s| vec![s]) } else { Some(s.batch.clone()) };
    if let Some(steps) = steps.filter(|_| !(transposed && form.as_rows)) {
        let reach: usize = batch.iter().zip(&s.batch).map(|(n, s)| (n - 1) * s).sum();
        let len = reach + (rows - 1) * s.row + (cols - 1) * s.col + 1;
        // A part is 64 lines or fewer: a binding must be able to step over them.
        let most = gpu.caps().max_binding as usize / DType::F32.size();
        let can_step = len <= most || GRAIN * s.row.max(s.col) <= most;
        if let Some(span) = input.in_place(len).filter(|_| can_step) {
            let [outer, inner] = levels(&steps);
            return Operand { span, row: s.row, col: s.col, outer, inner };
        }
    }
    // Repeated items are copied once, unless one axis must tell all items apart. A copy keeps the order of the axes: it is faster.
    let own = |step: usize| form.flat || step != 0;
    let mut shape: Vec<usize> = batch.iter().zip(&s.batch).map(|(n, s)| if own(*s) { *n } else { 1 }).collect();
    let mut strides: Vec<isize> = s.batch.iter().map(|s| *s as isize).collect();
    let keep = transposed && !form.as_rows;
    shape.extend(if keep { [cols, rows] } else { [rows, cols] });
    strides.extend(if keep { [s.col as isize, s.row as isize] } else { [s.row as isize, s.col as isize] });
    let steps = contiguous_strides(&shape);
    let steps = steps.iter().zip(&s.batch).map(|(step, s)| if own(*s) { *step as usize } else { 0 });
    let [outer, inner] = if form.flat { [rows * cols, 0] } else { levels(&steps.collect::<Vec<_>>()) };
    let layout = Layout { shape, strides, offset: input.layout.offset };
    let span = Input { layout: &layout, ..*input }.span(gpu);
    let [row, col] = if keep { [1, rows] } else { [cols, 1] };
    Operand { span, row, col, outer, inner }
}

/// Up to two batch axes as the kernel's two levels; a single one is the outer.
fn levels(axes: &[usize]) -> [usize; 2] {
    [axes.first().copied().unwrap_or(0), axes.get(1).copied().unwrap_or(0)]
}

struct Job<'a> {
    gpu: &'a GpuDevice,
    a: Operand,
    b: Operand,
    bias: Option<Span>,
    n: usize,
    k: usize,
    /// Outer items, and inner ones of each.
    batch: [usize; 2],
    rows: usize,
    tiling: Tiling,
    wide: bool,
}

impl<'a> Job<'a> {
    fn new(p: &Matmul, gpu: &'a GpuDevice, inputs: &[Input<'_>]) -> Job<'a> {
        let (items, [m, n, k]) = (numel(&p.batch), [p.m, p.n, p.k]);
        let inner = p.batch.get(1).copied().unwrap_or(1);
        // The kernel has two levels, and a part holds whole inner ones.
        let size = inner * (m * n).max(m * k).max(n * k);
        let too_large = size > gpu.caps().max_binding as usize / DType::F32.size();
        let flat = p.batch.len() > 2 || too_large || items > MAX_ITEMS && inner > MAX_ITEMS / GRAIN;
        let batch = if flat { [items, 1] } else { [p.batch.first().copied().unwrap_or(1), inner] };
        let tiling = tiling(items, m, n, k, true);
        let split = tiling.slice < k;
        // The list has no transposed A with a bias, nor both transposed with a cut depth.
        let as_rows = p.bias || split && p.b.col != 1;
        let a = operand(gpu, &inputs[0], (&p.a, &p.batch), [m, k], Form { flat, as_rows });
        let b = operand(gpu, &inputs[1], (&p.b, &p.batch), [k, n], Form { flat, as_rows: false });
        let whole_slices = tiling.slice == k || tiling.slice.is_multiple_of(4);
        let wide = n.is_multiple_of(4) && a.wide(m, k) && b.wide(k, n) && whole_slices;
        let bias = p.bias.then(|| inputs[2].span(gpu));
        Job { gpu, a, b, bias, n, k, batch, rows: m, tiling, wide }
    }

    /// Ranges of outer items, rows, columns and depths: one dispatch, or two where the depth is sliced; or halves of the ranges.
    fn part(&self, c: &Span, add: bool, ranges: [Range<usize>; 4]) {
        let [items, rows, cols, depth] = &ranges;
        let (inner, side) = (self.batch[1], self.tiling.tile.side);
        let slices = if self.is_sliced() { depth.len().div_ceil(self.slice()) } else { 1 };
        let grid = [cols.len().div_ceil(side), rows.len().div_ceil(side), items.len() * inner * slices];
        let size = self.rows * self.n;
        let result = Operand { span: c.clone(), row: self.n, col: 1, outer: inner * size, inner: size };
        let windows = [
            self.a.window(items, inner, rows, depth),
            self.b.window(items, inner, depth, cols),
            result.window(items, inner, rows, cols),
        ];
        let outer = grain(&[&self.a, &self.b, &result].map(|o| o.outer));
        let grains = [outer, grain(&[self.a.row, self.n]), GRAIN, GRAIN];
        let partial = items.len() * inner * slices * rows.len() * cols.len();
        let large = partial > self.gpu.caps().max_binding as usize / DType::F32.size();
        let long = slices > MAX_SLICES || slices > 1 && large || slices == 1 && depth.len() > LONGEST;
        let axes = self.too_long(grid, long, &windows);
        if let Some(&axis) = axes.iter().find(|axis| ranges[**axis].len() > grains[**axis]) {
            for (number, half) in halves(&ranges[axis], grains[axis]).into_iter().enumerate() {
                let mut part = ranges.clone();
                part[axis] = half;
                // What the second half of the depth sums is added to the first half's.
                self.part(c, add || axis == DEPTH && number == 1, part);
            }
            return;
        }
        let part = Part {
            items: items.len(),
            inner,
            m: rows.len(),
            n: cols.len(),
            ldc: self.n,
            c_outer: inner * size,
            c_inner: size,
            add,
        };
        let [a, b, c] = [&self.a.span, &self.b.span, c];
        let [a, b, c] = [(a, &windows[0]), (b, &windows[1]), (c, &windows[2])].map(|(s, w)| s.words(w));
        let bias = self.bias.as_ref().filter(|_| depth.start == 0).map(|s| s.words(cols));
        self.multiply(&part, [&a, &b, &c], bias.as_ref(), (depth.len(), slices), grid.map(|g| g as u32));
    }

    /// Whether the depth is cut into slices that are summed apart.
    fn is_sliced(&self) -> bool {
        self.tiling.slice < self.k
    }

    fn slice(&self) -> usize {
        self.tiling.slice.min(LONGEST)
    }

    /// The axes of which one is to be halved, the best first, where the grid (over columns, rows, items), a thread's way or a binding is too
    /// long; none where all is well, or nothing helps: the device refuses what is too large then.
    fn too_long(&self, grid: [usize; 3], long: bool, windows: &[Range<usize>; 3]) -> Vec<usize> {
        let most = self.gpu.caps().max_binding as usize / DType::F32.size();
        if let Some(axis) = (0..3).find(|axis| grid[2 - axis] > GROUPS_PER_DIMENSION as usize) {
            return vec![axis];
        }
        if long {
            return vec![DEPTH];
        }
        // The lines of an operand that lie side by side make it long: those of rows or, transposed, of depths.
        let [a, b, c] = [0, 1, 2].map(|i| windows[i].len() > most);
        match (a, b, c) {
            (true, ..) if self.a.transposed() => vec![ITEMS, DEPTH, ROWS],
            (true, ..) => vec![ITEMS, ROWS, DEPTH],
            (_, true, _) if self.b.transposed() => vec![ITEMS, COLS, DEPTH],
            (_, true, _) => vec![ITEMS, DEPTH, COLS],
            (.., true) => vec![ITEMS, ROWS, COLS],
            _ => vec![],
        }
    }

    fn multiply(
        &self,
        part: &Part,
        [a, b, c]: [&Span; 3],
        bias: Option<&Span>,
        (depth, slices): (usize, usize),
        grid: [u32; 3],
    ) {
        let flag = |set: bool, flag: &'static str| if set { flag } else { "" };
        let flags = [
            self.tiling.tile.flag,
            flag(self.a.transposed(), "A_T"),
            flag(self.b.transposed(), "B_T"),
            flag(self.wide, "VEC4"),
            flag(slices > 1, "SPLIT"),
            flag(slices == 1 && bias.is_some(), "BIAS"),
        ];
        let kernel = variant("gemm", "gemm", &flags, &[]);
        let params =
            part.params((depth, if slices == 1 { depth } else { self.slice() }), self.a.strides(), self.b.strides());
        if slices == 1 {
            let bindings: Vec<_> =
                [a.read(0), b.read(1), c.write(2)].into_iter().chain(bias.map(|b| b.read(3))).collect();
            return self.gpu.dispatch(kernel, &bindings, &params, grid);
        }
        let partial = Span::new(self.gpu, DType::F32, part.items * part.inner * slices * part.m * part.n);
        self.gpu.dispatch(kernel, &[a.read(0), b.read(1), partial.write(2)], &params, grid);
        part.reduce(self.gpu, &partial, c, slices, bias);
    }
}
