//! Attention on the GPU, without stored scores: a forward kernel; backward, one for what belongs to queries and one for keys, so that no
//! two groups of threads add to one place.
//!
//! The kernels are made for a few head dimensions. Rows of others are padded with zeros, which change no score, and outputs are cut.
//! Where keys may be hidden, another kernel looks for NaN in what each of them left, and does such rows again.

use super::elementwise::identity;
use super::{concat, variant};
use crate::dtype::DType;
use crate::gpu::{Binding, GpuDevice, Input, Output, Span, fold_groups};
use crate::layout::Layout;
use crate::plan::{Attention, AttentionBackward, MaskKind};

/// The head dimensions that there are kernels for. Larger ones are cut into panels of the last.
const DIMS: [(usize, &str); 4] = [(16, "D16"), (32, "D32"), (64, "D64"), (PANEL, "D128")];
/// The columns that a group of threads writes of wide rows.
const PANEL: usize = 128;
/// Rows of a group of threads.
const TILE: usize = 64;
/// Rows of a group of threads of the first backward kernel.
const LINES: usize = 16;

/// Runs the plan.
pub fn run(p: &Attention, gpu: &GpuDevice, inputs: &[Input<'_>], outputs: &[Output<'_>]) {
    let job = Job::new(p, gpu);
    let (mut bound, rest) = job.operands(inputs);
    bound.extend(job.mask(rest.first()));
    job.fill(&outputs[0], job.rows(p.queries), |o| {
        outputs[1].fill(gpu, |stats| {
            let bound: Vec<Binding<'_>> = bound.iter().map(Bound::read).chain([o.write(3), stats.write(4)]).collect();
            job.rows_of("attention_forward", "forward", "FWD", p.queries, &bound);
        });
    });
}

/// Runs the plan.
pub fn backward(p: &AttentionBackward, gpu: &GpuDevice, inputs: &[Input<'_>], outputs: &[Output<'_>]) {
    let p = &p.0;
    let job = Job::new(p, gpu);
    let (mut bound, rest) = job.operands(inputs);
    bound.extend(job.mask(rest.get(3)));
    let [o, go] = [0, 2].map(|i| job.operand(&rest[i], job.rows(p.queries)));
    let (sums, stats) = (rest[1].span(gpu), Span::new(gpu, DType::F32, 4 * job.rows(p.queries).max(1)));
    let delta = [o.read(0), go.read(1), sums.read(2), stats.write(3)];
    job.dispatch("attention_backward", "delta", &["DELTA", job.packed()], p.queries.div_ceil(LINES), &delta);

    bound.extend([Bound(go, 3), Bound(stats, 4)]);
    let run = |entry, flag, rows, own: &[Binding<'_>]| {
        let bound: Vec<Binding<'_>> = bound.iter().map(Bound::read).chain(own.iter().copied()).collect();
        job.rows_of("attention_backward", entry, flag, rows, &bound);
    };
    if p.packed {
        return job.fill(&outputs[0], 3 * job.rows(p.queries), |dqkv| {
            run("backward_q", "DQ", p.queries, &[dqkv.write(6)]);
            run("backward_kv", "DKV", p.keys, &[dqkv.write(6)]);
        });
    }
    job.fill(&outputs[0], job.rows(p.queries), |dq| run("backward_q", "DQ", p.queries, &[dq.write(6)]));
    job.fill(&outputs[1], job.rows(p.keys), |dk| {
        job.fill(&outputs[2], job.rows(p.keys), |dv| run("backward_kv", "DKV", p.keys, &[dk.write(6), dv.write(7)]));
    });
}

/// The most rows, of heads of this dimension, that a thread's loops may go over.
pub fn most_rows(dim: usize) -> usize {
    (1 << 15) * PANEL / kernel_dim(dim).max(PANEL)
}

/// The bytes of the largest operand of the plan and of its backward pass, with rows as wide as the kernels take them.
pub fn largest_operand(p: &Attention) -> u64 {
    let (dim, heads) = (kernel_dim(p.dim), p.batch * p.heads);
    let rows = [p.queries * if p.packed { 3 } else { 1 }, p.keys].map(|rows| heads * rows * dim);
    let mask = p.mask.as_ref().map_or(0, |_| mask_reach(p));
    4 * rows.into_iter().chain([mask]).max().unwrap_or(0) as u64
}

/// The rows' width for heads of this dimension.
fn kernel_dim(dim: usize) -> usize {
    DIMS.into_iter().map(|(d, _)| d).find(|d| dim <= *d).unwrap_or(dim.next_multiple_of(PANEL))
}

/// The elements of the mask from the first to the last.
fn mask_reach(p: &Attention) -> usize {
    let strides = p.mask.as_ref().map_or([0; 3], |m| m.strides);
    let reach = |(n, stride): (usize, usize)| n.saturating_sub(1) * stride;
    [p.batch, p.heads, p.queries].into_iter().zip(strides).map(reach).sum::<usize>() + p.keys
}

/// A plan as the kernels run it.
struct Job<'a> {
    p: &'a Attention,
    gpu: &'a GpuDevice,
    /// The kernels' head dimension.
    dim: usize,
}

impl<'a> Job<'a> {
    fn new(p: &'a Attention, gpu: &'a GpuDevice) -> Job<'a> {
        Job { p, gpu, dim: kernel_dim(p.dim) }
    }

    /// Rows of all heads.
    fn rows(&self, of_head: usize) -> usize {
        self.p.batch * self.p.heads * of_head
    }

    /// The flags that say how long a row is, for kernels that are made for it.
    fn length(&self) -> [&'static str; 2] {
        let known = DIMS.into_iter().find(|(dim, _)| self.dim == *dim);
        known.map_or(["D128", "WIDE"], |(_, flag)| [flag, ""])
    }

    fn packed(&self) -> &'static str {
        if self.p.packed { "PACKED" } else { "" }
    }

    /// q, k and v, or qkv, with their slots; and the inputs that follow.
    fn operands<'i>(&self, inputs: &'i [Input<'i>]) -> (Vec<Bound>, &'i [Input<'i>]) {
        let p = self.p;
        let (rows, n): ([usize; 3], usize) =
            if p.packed { ([3 * p.queries, 0, 0], 1) } else { ([p.queries, p.keys, p.keys], 3) };
        let bound = (0..n).map(|i| Bound(self.operand(&inputs[i], self.rows(rows[i])), i as u32));
        (bound.collect(), &inputs[n..])
    }

    /// Rows as wide as the kernels' head dimension.
    fn operand(&self, input: &Input<'_>, rows: usize) -> Span {
        let (dim, gpu) = (self.p.dim, self.gpu);
        if dim == self.dim && rows > 0 {
            return input.span(gpu);
        }
        let to = self.wide(rows);
        gpu.fill(&to.buffer, 0, to.size, 0);
        concat::write_columns(gpu, input, rows, dim, (0, self.dim), &to);
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
        self.p.mask.as_ref()?;
        let input = input?;
        let flat = Layout { shape: vec![mask_reach(self.p)], strides: vec![1], offset: input.layout.offset };
        Some(Bound(Input { layout: &flat, ..*input }.span(self.gpu), 5))
    }

    /// Runs a kernel that multiplies tiles, for `rows` rows of all heads; and, where keys may be hidden, does again what it left as NaN.
    fn rows_of(&self, file: &str, entry: &str, kernel: &'static str, rows: usize, bound: &[Binding<'_>]) {
        let mask = self.p.mask.as_ref().map_or("", |m| match m.kind {
            MaskKind::Bool => "MASK_BOOL",
            MaskKind::Additive => "MASK_ADD",
        });
        let ([dim, wide], packed) = (self.length(), self.packed());
        let flags = [kernel, mask, packed, dim, wide];
        self.dispatch(file, entry, &flags, rows.div_ceil(TILE) * self.dim.div_ceil(PANEL), bound);
        if self.p.hides() {
            self.dispatch("attention_repair", "repair_rows", &flags[..3], rows, bound);
        }
    }

    /// Runs a kernel with `groups` groups of threads for each head.
    fn dispatch(&self, file: &str, entry: &str, flags: &[&str], groups: usize, bound: &[Binding<'_>]) {
        let all = (self.p.batch * self.p.heads * groups) as u64;
        if all > 0 {
            self.gpu.dispatch(variant(file, entry, flags, &[]), bound, &self.params(), fold_groups(all));
        }
    }

    fn params(&self) -> [u32; 14] {
        let p = self.p;
        let (factor, unit) = p.units();
        let unit = unit * std::f64::consts::LOG2_E; // the kernels' exponential is of base 2
        let floats = [p.scale, factor, unit, f64::NEG_INFINITY, f64::NAN].map(|x| (x as f32).to_bits());
        let [m_b, m_h, m_r] = p.mask.as_ref().map_or([0; 3], |m| m.strides).map(|s| s as u32);
        let [sq, sk, heads, count, dim] = [p.queries, p.keys, p.heads, p.batch * p.heads, self.dim].map(|n| n as u32);
        let [scale, factor, unit, hidden, nan] = floats;
        [sq, sk, self.diagonal(), heads, count, dim, scale, factor, unit, hidden, nan, m_b, m_h, m_r]
    }

    /// How many keys after the one of its own row a query sees, as the kernels take it.
    fn diagonal(&self) -> u32 {
        /// Lets every query see every key.
        const ALL: i32 = 0x3fff_ffff;
        let most = ALL as isize;
        let diagonal = if self.p.causal { self.p.shift.clamp(-most, most) as i32 } else { ALL };
        diagonal.cast_unsigned()
    }
}

/// A span and the slot that it is bound to, to be read.
struct Bound(Span, u32);

impl Bound {
    fn read(&self) -> Binding<'_> {
        self.0.read(self.1)
    }
}
