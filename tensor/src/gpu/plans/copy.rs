//! Views made contiguous, and conversions, on the GPU; and the whole operands that the kernels of the other plans see.

use super::elementwise::identity;
use super::parts::GRAIN;
use crate::dtype::DType;
use crate::gpu::{GpuDevice, Input, Output, Span, fold_groups};
use crate::layout::Layout;
use crate::plan::Copy;

/// Runs the plan.
pub fn run(p: &Copy, gpu: &GpuDevice, inputs: &[Input<'_>], outputs: &[Output<'_>]) {
    let (input, output) = (&inputs[0], &outputs[0]);
    if p.to.size() == 2 {
        return output.fill(gpu, |to| pack(gpu, input, p.to, to));
    }
    match transposed(input.layout) {
        Some(t) if p.from == p.to && !output.add && fits(gpu, output) => {
            output.fill(gpu, |to| transpose(gpu, input, &t, to))
        }
        _ => identity(gpu, input, output),
    }
}

/// Whether one binding can hold the output.
fn fits(gpu: &GpuDevice, output: &Output<'_>) -> bool {
    (output.len * output.dtype.size()) as u64 <= gpu.caps().max_binding
}

/// The elements of a view row-major, at the start of `to`.
fn view(gpu: &GpuDevice, input: &Input<'_>, to: &Span) {
    let (from, dtype) = (input.dtype, input.dtype);
    let plan = Copy { from, to: dtype, shape: input.layout.shape.clone() };
    let output = Output { buffer: &to.buffer, dtype, start: 0, len: input.layout.numel(), add: false };
    run(&plan, gpu, &[*input], &[output]);
}

impl Input<'_> {
    /// The elements row-major in one span: in place where they lie so and start at a multiple of 256 bytes, else copied.
    pub fn span(&self, gpu: &GpuDevice) -> Span {
        let in_place = self.layout.is_contiguous().then(|| self.in_place(self.layout.numel())).flatten();
        in_place.unwrap_or_else(|| {
            let to = Span::new(gpu, self.dtype, self.layout.numel());
            view(gpu, self, &to);
            to
        })
    }
}

impl Output<'_> {
    /// Has `write` fill the run: in place, or, where a binding cannot start there or the elements are to be added, in memory of its own
    /// that is moved or added after.
    pub fn fill(&self, gpu: &GpuDevice, write: impl FnOnce(&Span)) {
        if let (false, Some(run)) = (self.add, self.in_place()) {
            return write(&run);
        }
        let own = Span::new(gpu, self.dtype, self.len);
        write(&own);
        self.take(gpu, &own);
    }

    /// [`Output::fill`] for a kernel that can add to what it finds: `write` is told whether to.
    pub fn fill_or_add(&self, gpu: &GpuDevice, write: impl FnOnce(&Span, bool)) {
        match self.in_place() {
            Some(run) => write(&run, self.add),
            None => self.fill(gpu, |own| write(own, false)),
        }
    }

    /// Moves or adds the elements of `own` to the run.
    fn take(&self, gpu: &GpuDevice, own: &Span) {
        let layout = Layout::contiguous(&[self.len]);
        identity(gpu, &own.input(self.dtype, &layout), self);
    }
}

/// Any view in a 16-bit type, two elements to a word.
fn pack(gpu: &GpuDevice, input: &Input<'_>, dtype: DType, to: &Span) {
    let n = input.layout.numel();
    let flat = Span::new(gpu, DType::F32, n);
    let wide = Output { buffer: &flat.buffer, dtype: DType::F32, start: 0, len: n, add: false };
    identity(gpu, input, &wide);
    let format = if dtype == DType::F16 { "F16" } else { "BF16" };
    let kernel = super::variant("cast", "pack", &["PACK", format], &[]);
    // Of both operands, of 4 and of 2 bytes an element, a window starts where a binding may.
    let step = (gpu.caps().max_binding as usize / 4 / (2 * GRAIN) * (2 * GRAIN)).max(2 * GRAIN);
    for start in (0..n).step_by(step) {
        let n = step.min(n - start);
        let (from, to) =
            (flat.part(4 * start as u64, 4 * n as u64), to.part(2 * start as u64, 4 * n.div_ceil(2) as u64));
        gpu.dispatch(kernel, &[from.read(0), to.write(1)], &[n as u32], fold_groups(n.div_ceil(512) as u64));
    }
}

/// A view whose two inner axes change places: extents and strides with rows of stride 1.
struct Transposed {
    rows: usize,
    cols: usize,
    row_stride: isize,
    outer: [(usize, isize); 3],
}

/// How a view is a batch of transposed matrices, if it is one that is worth a tile.
fn transposed(l: &Layout) -> Option<Transposed> {
    let (shape, strides) = l.merged();
    let rank = shape.len();
    if !(2..=5).contains(&rank) || strides[rank - 2] != 1 || strides[rank - 1] <= 1 {
        return None;
    }
    let mut outer = [(1, 0); 3];
    for (to, axis) in (3 - (rank - 2)..3).zip(0..rank - 2) {
        outer[to] = (shape[axis], strides[axis]);
    }
    let t = Transposed { rows: shape[rank - 1], cols: shape[rank - 2], row_stride: strides[rank - 1], outer };
    (t.rows >= 8 && t.cols >= 8).then_some(t)
}

fn transpose(gpu: &GpuDevice, input: &Input<'_>, t: &Transposed, to: &Span) {
    let whole = Layout::contiguous(&[input.buffer.size() as usize / 4]);
    let source = Input { layout: &whole, ..*input };
    let bound = source.in_place(whole.numel()).filter(|s| s.size <= gpu.caps().max_binding);
    let Some(bound) = bound else {
        let output = Output { buffer: &to.buffer, dtype: input.dtype, start: 0, len: input.layout.numel(), add: false };
        return identity(gpu, input, &output);
    };
    let [a, b, c] = t.outer;
    let params = [
        t.rows as u32,
        t.cols as u32,
        t.row_stride as u32,
        input.layout.offset as u32,
        a.0 as u32,
        b.0 as u32,
        c.0 as u32,
        a.1 as u32,
        b.1 as u32,
        c.1 as u32,
    ];
    let groups = a.0 * b.0 * c.0 * t.rows.div_ceil(32) * t.cols.div_ceil(32);
    let kernel = super::variant("copy", "transpose", &["TRANSPOSE"], &[]);
    gpu.dispatch(kernel, &[bound.read(0), to.write(1)], &params, fold_groups(groups as u64));
}
