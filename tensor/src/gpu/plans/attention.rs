//! Attention on the GPU, without stored scores: a forward kernel; backward, one for what belongs to queries and one for keys, so that no
//! two groups of threads add to one place.
//!
//! The kernels are made for a few head dimensions. Rows of others are padded with zeros, which change no score, and outputs are cut.
//! Additive masks hide a key at −1e30 and below.

use super::elementwise::identity;
use super::{concat, variant};
use crate::dtype::DType;
use crate::gpu::caps::GROUPS_PER_DIMENSION;
use crate::gpu::{Binding, GpuDevice, GpuError, Input, Output, Span};
use crate::layout::Layout;
use crate::plan::{Attention, AttentionBackward, MaskKind, Plan};

/// The head dimensions that there are kernels for.
const DIMS: [(usize, &str); 4] = [(16, "D16"), (32, "D32"), (64, "D64"), (128, "D128")];
/// Items of a dispatch: enough to keep any device busy, fewer than a grid takes, and a multiple of 64, so that each part of a batch starts
/// where a binding may.
const ITEMS: usize = 1 << 10;
/// Rows of a group of threads.
const TILE: usize = 64;
/// Rows of a group of threads of the first backward kernel.
const DELTA_TILE: usize = 16;

/// Runs the plan.
pub fn run(p: &Attention, gpu: &GpuDevice, inputs: &[Input<'_>], outputs: &[Output<'_>]) {
    let Some(job) = Job::new(p, gpu) else { return };
    let (mut bound, rest) = job.operands(inputs);
    bound.extend(job.mask(rest.first()));
    job.fill(&outputs[0], job.rows(p.queries), |o| {
        outputs[1].fill(gpu, |lse| {
            let own = [job.output(3, o).written(), job.per_query(4, lse, 1).written()];
            job.dispatch("forward", &job.flags("FWD"), p.queries.div_ceil(TILE), bound.iter().chain(&own));
        });
    });
}

/// Runs the plan.
pub fn backward(p: &AttentionBackward, gpu: &GpuDevice, inputs: &[Input<'_>], outputs: &[Output<'_>]) {
    let p = &p.0;
    let Some(job) = Job::new(p, gpu) else { return };
    let (mut bound, rest) = job.operands(inputs);
    bound.extend(job.mask(rest.get(3)));
    let [o, go] = [0, 2].map(|i| job.operand(&rest[i], job.rows(p.queries)));
    let (lse, stats) = (rest[1].span(gpu), Span::new(gpu, DType::F32, 2 * job.rows(p.queries).max(1)));
    let delta =
        [job.output(0, &o), job.output(1, &go), job.per_query(2, &lse, 1), job.per_query(3, &stats, 2).written()];
    job.dispatch("delta", &["DELTA", job.flag], p.queries.div_ceil(DELTA_TILE), delta.iter());

    bound.extend([job.output(3, &go), job.per_query(4, &stats, 2)]);
    let queries = |own: Bound| {
        job.dispatch("backward_q", &job.flags("DQ"), p.queries.div_ceil(TILE), bound.iter().chain([&own]));
    };
    let keys = |own: &[Bound]| {
        job.dispatch("backward_kv", &job.flags("DKV"), p.keys.div_ceil(TILE), bound.iter().chain(own));
    };
    if p.packed {
        return job.fill(&outputs[0], 3 * job.rows(p.queries), |dqkv| {
            queries(job.part(6, dqkv, 0).written());
            keys(&[job.part(6, dqkv, 0).written()]);
        });
    }
    job.fill(&outputs[0], job.rows(p.queries), |dq| queries(job.part(6, dq, 0).written()));
    job.fill(&outputs[1], job.rows(p.keys), |dk| {
        job.fill(&outputs[2], job.rows(p.keys), |dv| {
            keys(&[job.part(6, dk, 1).written(), job.part(7, dv, 2).written()]);
        });
    });
}

/// A span that a kernel binds, and the elements of it that belong to an item of the batch.
struct Bound {
    slot: u32,
    span: Span,
    item: usize,
    write: bool,
}

impl Bound {
    fn written(self) -> Bound {
        Bound { write: true, ..self }
    }

    /// What lies from item `first` on.
    fn binding(&self, first: usize) -> Binding<'_> {
        let skip = (4 * first * self.item) as u64;
        let Span { buffer, offset, size } = &self.span;
        Binding { slot: self.slot, buffer, offset: offset + skip, size: size - skip, write: self.write }
    }
}

/// A plan that the kernels can run.
struct Job<'a> {
    p: &'a Attention,
    gpu: &'a GpuDevice,
    /// The kernels' head dimension.
    dim: usize,
    /// The flag for it.
    flag: &'static str,
}

impl<'a> Job<'a> {
    /// `None`, and the device poisoned, if a size is beyond the kernels.
    fn new(p: &'a Attention, gpu: &'a GpuDevice) -> Option<Job<'a>> {
        let groups = GROUPS_PER_DIMENSION as usize;
        let limits = [
            ("numbers in a head", p.dim, DIMS[DIMS.len() - 1].0),
            ("heads", p.heads, groups),
            ("queries", p.queries, groups * DELTA_TILE),
            ("keys", p.keys, groups * TILE),
        ];
        if let Some((what, size, most)) = limits.into_iter().find(|(_, size, most)| size > most) {
            let found = format!("there are {size} {what}");
            gpu.poison(GpuError::TooLargeForKernel { operation: p.name(), found, most: most as u64 });
            return None;
        }
        let (dim, flag) = DIMS.into_iter().find(|(dim, _)| p.dim <= *dim)?;
        Some(Job { p, gpu, dim, flag })
    }

    /// Rows of all heads.
    fn rows(&self, of_head: usize) -> usize {
        self.p.batch * self.p.heads * of_head
    }

    fn flags(&self, kernel: &'static str) -> [&'static str; 4] {
        let mask = self.p.mask.as_ref().map_or("", |m| match m.kind {
            MaskKind::Bool => "MASK_BOOL",
            MaskKind::Additive => "MASK_ADD",
        });
        [kernel, self.flag, mask, if self.p.packed { "PACKED" } else { "" }]
    }

    /// Strides of item, head and row of part 0 (q), 1 (k) or 2 (v).
    fn strides(&self, part: usize) -> [usize; 3] {
        let (p, dim) = (self.p, self.dim);
        match (p.packed, part) {
            (true, _) => [3 * p.queries * p.heads * dim, dim, 3 * p.heads * dim],
            (false, 0) => [p.heads * p.queries * dim, p.queries * dim, dim],
            (false, _) => [p.heads * p.keys * dim, p.keys * dim, dim],
        }
    }

    /// The same of o.
    fn output_strides(&self) -> [usize; 3] {
        let (p, dim) = (self.p, self.dim);
        if p.packed { [p.queries * p.heads * dim, dim, p.heads * dim] } else { self.strides(0) }
    }

    fn part(&self, slot: u32, span: &Span, part: usize) -> Bound {
        Bound { slot, span: span.clone(), item: self.strides(part)[0], write: false }
    }

    fn output(&self, slot: u32, span: &Span) -> Bound {
        Bound { slot, span: span.clone(), item: self.output_strides()[0], write: false }
    }

    /// `words` numbers a query.
    fn per_query(&self, slot: u32, span: &Span, words: usize) -> Bound {
        Bound { slot, span: span.clone(), item: words * self.p.heads * self.p.queries, write: false }
    }

    /// q, k and v, or qkv, bound; and the inputs that follow.
    fn operands<'i>(&self, inputs: &'i [Input<'i>]) -> (Vec<Bound>, &'i [Input<'i>]) {
        let p = self.p;
        if p.packed {
            let qkv = self.operand(&inputs[0], 3 * self.rows(p.queries));
            return (vec![self.part(0, &qkv, 0)], &inputs[1..]);
        }
        let rows = [p.queries, p.keys, p.keys];
        let bound = |i: usize| self.part(i as u32, &self.operand(&inputs[i], self.rows(rows[i])), i);
        ((0..3).map(bound).collect(), &inputs[3..])
    }

    /// Rows as wide as the kernels' head dimension.
    fn operand(&self, input: &Input<'_>, rows: usize) -> Span {
        let (dim, gpu) = (self.p.dim, self.gpu);
        if dim == self.dim && rows > 0 {
            return input.span(gpu);
        }
        let to = self.wide(rows);
        gpu.fill(&to.buffer, 0, to.size, 0);
        concat::place(gpu, input, rows, dim, (0, self.dim), &to);
        to
    }

    /// New memory for rows of the kernels' head dimension; for a vector at least, which is what they bind.
    fn wide(&self, rows: usize) -> Span {
        Span::new(self.gpu, DType::F32, (rows * self.dim).max(4))
    }

    /// Has `write` fill an output of rows.
    fn fill(&self, output: &Output<'_>, rows: usize, write: impl FnOnce(&Span)) {
        if self.p.dim == self.dim {
            return output.fill(self.gpu, write);
        }
        let wide = self.wide(rows);
        write(&wide);
        let cut = Layout::contiguous(&[rows, self.dim]).slice(1, 0, self.p.dim, 1);
        identity(self.gpu, &Input { buffer: &wide.buffer, dtype: DType::F32, layout: &cut }, output);
    }

    /// The mask, bound from its first element on.
    fn mask(&self, input: Option<&Input<'_>>) -> Option<Bound> {
        let (p, m) = (self.p, self.p.mask.as_ref()?);
        let input = input?;
        let reach = |(n, stride): (usize, usize)| n.saturating_sub(1) * stride;
        let reached: usize = [p.batch, p.heads, p.queries].into_iter().zip(m.strides).map(reach).sum();
        let flat = Layout { shape: vec![reached + p.keys], strides: vec![1], offset: input.layout.offset };
        let span = Input { layout: &flat, ..*input }.span(self.gpu);
        Some(Bound { slot: 5, span, item: m.strides[0], write: false })
    }

    /// Runs a kernel on all heads, with `groups` groups of threads each.
    fn dispatch<'b>(&self, entry: &str, flags: &[&str], groups: usize, bound: impl Iterator<Item = &'b Bound>) {
        let bound: Vec<&Bound> = bound.collect();
        let kernel = variant("attention", entry, flags, &[]);
        for first in (0..self.p.batch).step_by(ITEMS) {
            let bindings: Vec<Binding<'_>> = bound.iter().map(|b| b.binding(first)).collect();
            let items = ITEMS.min(self.p.batch - first);
            let grid = [groups, self.p.heads, items].map(|n| n as u32);
            self.gpu.dispatch(kernel, &bindings, &self.params(), grid);
        }
    }

    fn params(&self) -> [u32; 16] {
        /// Lets every query see every key.
        const ALL: usize = 0x3fff_ffff;
        let p = self.p;
        let mask = p.mask.as_ref().map_or([0; 3], |m| m.strides);
        let strides = [self.strides(0), self.strides(1), self.output_strides(), mask].concat();
        let sizes = [p.queries, p.keys, if p.causal { 0 } else { ALL }];
        let mut params = [0; 16];
        params[..3].copy_from_slice(&sizes.map(|v| v as u32));
        params[3] = (p.scale as f32).to_bits();
        for (word, stride) in params[4..].iter_mut().zip(strides) {
            *word = stride as u32;
        }
        params
    }
}
