//! Reading and adding by index on the GPU, without atomics: every result is summed in an order that depends on the sizes alone. A table that
//! a binding cannot hold goes in windows of its rows.

use super::elementwise::identity;
use super::items::slice;
use super::parts::fitting;
use super::{reduce, variant};
use crate::dtype::DType;
use crate::gpu::{GpuDevice, Input, Output, Span, fold_groups};
use crate::plan::{Gather, ScatterAdd};
use std::ops::Range;

/// The fewest entries of an index that are added up by themselves: by a thread for each place, and by a workgroup for a few rows.
const SHORTEST: [usize; 2] = [256, 1024];
/// The most entries that a thread goes through.
const LONGEST: usize = 1 << 14;
/// Partial sums may always take this many elements.
const ROOM: usize = 1 << 20;

/// Strides of the index along (outer, k, inner), as the kernels take them.
fn index_strides(shared: bool, k: usize, inner: usize) -> [usize; 3] {
    if shared { [0, 1, 0] } else { [k * inner, inner, 1] }
}

/// Ranges of `count` rows of `words` elements that a binding can hold; a single empty one of none.
fn windows(gpu: &GpuDevice, count: usize, words: usize) -> impl Iterator<Item = Range<usize>> + use<> {
    let step = fitting(count, &[words], gpu.caps().max_binding);
    (0..count.max(1)).step_by(step).map(move |start| start..count.min(start + step))
}

/// The word that an index beyond the axis reads: a NaN, or all ones.
fn none(dtype: DType) -> u32 {
    if dtype == DType::F32 { f32::NAN.to_bits() } else { u32::MAX }
}

/// Runs the plan.
pub fn run(p: &Gather, gpu: &GpuDevice, inputs: &[Input<'_>], outputs: &[Output<'_>]) {
    let index = inputs[1].span(gpu);
    let wide = p.shared && p.inner.is_multiple_of(4);
    let inner = if wide { p.inner / 4 } else { p.inner };
    let [i_outer, i_k, i_inner] = index_strides(p.shared, p.k, p.inner);
    let kernel = variant("gather", "gather", &["GATHER", if wide { "VEC4" } else { "" }], &[]);
    let groups = fold_groups((p.outer * p.k * inner).div_ceil(256) as u64);
    outputs[0].fill(gpu, |y| {
        // Items of a large x were cut before, down to one.
        for rows in windows(gpu, p.n, p.outer * p.inner) {
            let layout = slice(inputs[0].layout, &rows, p.outer * p.inner);
            let x = Input { layout: &layout, ..inputs[0] }.span(gpu);
            let sizes = [p.outer, rows.len(), p.k, inner, i_outer, i_k, i_inner, rows.start, p.n];
            let params = [&sizes.map(|v| v as u32)[..], &[none(p.dtype)]].concat();
            gpu.dispatch(kernel, &[x.read(0), index.read(1), y.write(2)], &params, groups);
        }
    });
}

/// Runs the plan.
pub fn scatter_add(p: &ScatterAdd, gpu: &GpuDevice, inputs: &[Input<'_>], outputs: &[Output<'_>]) {
    if p.base {
        identity(gpu, &inputs[2], &outputs[0]);
    }
    // Items of large operands were cut before, down to one.
    let (index_size, size) = (if p.shared { 1 } else { p.outer * p.inner }, p.outer * p.inner);
    for entries in windows(gpu, p.k, size) {
        let layouts = [slice(inputs[0].layout, &entries, index_size), slice(inputs[1].layout, &entries, size)];
        let [index, src] = [0, 1].map(|i| Input { layout: &layouts[i], ..inputs[i] }.span(gpu));
        for rows in windows(gpu, p.n, size) {
            let (start, len) = (outputs[0].start + rows.start * size, rows.len() * size);
            let target = Output { start, len, add: p.base || entries.start > 0, ..outputs[0] };
            let k = entries.len();
            target.fill_or_add(gpu, |y, add| Job { p, gpu, index: &index, src: &src, k, rows }.add(y, add));
        }
    }
}

/// Some entries of an index, added to some rows.
struct Job<'a> {
    p: &'a ScatterAdd,
    gpu: &'a GpuDevice,
    index: &'a Span,
    src: &'a Span,
    k: usize,
    rows: Range<usize>,
}

impl Job<'_> {
    /// In chunks of the index, as many at once as there is room for their partial sums: the fewer places, the shorter the chunks.
    fn add(&self, y: &Span, add: bool) {
        let size = self.p.outer * self.rows.len() * self.p.inner;
        let most = self.gpu.caps().max_binding as usize / 4;
        let room = (ROOM.max(self.p.outer * self.k * self.p.inner).min(most) / size.max(1)).max(1);
        let shortest = SHORTEST[usize::from(self.p.shared)];
        let chunk = self.k.div_ceil(room).next_multiple_of(shortest).clamp(shortest, LONGEST);
        let chunks = self.k.div_ceil(chunk).clamp(1, room);
        for begin in (0..self.k.max(1)).step_by(chunk * chunks) {
            let add = add || begin > 0;
            if chunks == 1 {
                self.dispatch(y, add, [begin, chunk, 1]);
                continue;
            }
            let partial = Span::new(self.gpu, DType::F32, chunks * size);
            self.dispatch(&partial, false, [begin, chunk, chunks]);
            reduce::add_rows(self.gpu, &partial, chunks, size, y, add);
        }
    }

    fn dispatch(&self, y: &Span, add: bool, chunks: [usize; 3]) {
        let (p, n) = (self.p, self.rows.len());
        let (entry, flag, groups) = match p.shared {
            true => ("scatter_add_rows", "SCATTER_ROWS", p.outer * n.div_ceil(8) * p.inner.div_ceil(256)),
            false => ("scatter_add", "SCATTER", (chunks[2] * p.outer * n * p.inner).div_ceil(256)),
        };
        let groups = if p.shared { chunks[2] * groups } else { groups };
        let [i_outer, i_k, i_inner] = index_strides(p.shared, self.k, p.inner);
        let sizes = [p.outer, n, self.k, p.inner, i_outer, i_k, i_inner, self.rows.start, p.n].map(|v| v as u32);
        let rest = [usize::from(add), chunks[0], chunks[1], chunks[2]].map(|v| v as u32);
        let params = [&sizes[..], &[none(DType::F32)], &rest].concat();
        let bindings = [self.src.read(0), self.index.read(1), y.write(2)];
        self.gpu.dispatch(variant("gather", entry, &[flag], &[]), &bindings, &params, fold_groups(groups as u64));
    }
}
