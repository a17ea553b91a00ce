//! Elementwise expressions on the GPU: one dispatch of a generated kernel, or several where an operand is larger than a binding may be.

use std::ops::Range;

use crate::dtype::DType;
use crate::expr::Expr;
use crate::gpu::caps::BINDING_ALIGNMENT;
use crate::gpu::codegen::{Access, Program, Target};
use crate::gpu::{Binding, GpuDevice, Input, Kernel, Output, fold_groups};
use crate::layout::{Layout, numel};
use crate::plan::Elementwise;

/// Runs the plan.
pub fn run(p: &Elementwise, gpu: &GpuDevice, inputs: &[Input<'_>], outputs: &[Output<'_>]) {
    let layouts = inputs.iter().map(|i| i.layout.clone()).collect();
    let job = Job { expr: &p.expr, roots: &[p.expr.nodes.len() - 1], gpu, inputs, outputs };
    job.run(layouts, &p.shape, 0);
}

/// Moves outputs in place: output k becomes node `roots[k]`, in one kernel. Inputs that the expression numbers after those of `inputs` are what the
/// outputs hold before.
pub fn in_place(
    expr: &Expr,
    roots: &[usize],
    shape: &[usize],
    gpu: &GpuDevice,
    inputs: &[Input<'_>],
    outputs: &[Output<'_>],
) {
    let layouts = inputs.iter().map(|i| i.layout.clone()).collect();
    Job { expr, roots, gpu, inputs, outputs }.run(layouts, shape, 0);
}

/// Writes (or adds) a view's elements row-major, converted to the output's type.
pub fn identity(gpu: &GpuDevice, input: &Input<'_>, output: &Output<'_>) {
    // Bits that stay as they are go as words, which no device touches.
    let as_words = input.dtype == output.dtype && !output.add && output.dtype.size() == 4;
    let dtype = if as_words { DType::U32 } else { output.dtype };
    let input = Input { dtype: if as_words { DType::U32 } else { input.dtype }, ..*input };
    let output = Output { dtype, ..*output };
    let job = Job { expr: &Expr::input(dtype), roots: &[0], gpu, inputs: &[input], outputs: &[output] };
    job.run(vec![input.layout.clone()], &input.layout.shape, 0);
}

struct Job<'a> {
    expr: &'a Expr,
    /// The node that each output becomes.
    roots: &'a [usize],
    gpu: &'a GpuDevice,
    inputs: &'a [Input<'a>],
    outputs: &'a [Output<'a>],
}

impl Job<'_> {
    /// Results `first ..` of the shape; halves along the first axis that can be cut where a binding would be too large.
    fn run(&self, layouts: Vec<Layout>, shape: &[usize], first: usize) {
        let n = numel(shape);
        if n == 0 {
            return;
        }
        let most = self.gpu.caps().max_binding;
        let written = |o: &Output<'_>| window(o.start + first..o.start + first + n, o.dtype);
        let outputs: Vec<Window> = self.outputs.iter().map(written).collect();
        let windows: Vec<Window> = self.inputs.iter().zip(&layouts).map(|(i, l)| window(extent(l), i.dtype)).collect();
        if outputs.iter().chain(&windows).all(|w| w.size <= most) {
            return self.dispatch(&layouts, &windows, &outputs, (n, first));
        }
        let Some(axis) = shape.iter().position(|n| *n > 1) else {
            return self.dispatch(&layouts, &windows, &outputs, (n, first)); // the device refuses what does not fit
        };
        let half = shape[axis] / 2;
        for range in [0..half, half..shape[axis]] {
            let part: Vec<Layout> = layouts.iter().map(|l| l.slice(axis, range.start, range.end, 1)).collect();
            let mut piece = shape.to_vec();
            piece[axis] = range.len();
            self.run(part, &piece, first + range.start * (n / shape[axis]));
        }
    }

    fn dispatch(&self, layouts: &[Layout], windows: &[Window], outputs: &[Window], results: (usize, usize)) {
        let accesses: Vec<Access> = self
            .inputs
            .iter()
            .zip(layouts)
            .zip(windows)
            .map(|((input, layout), w)| {
                let (shape, strides) = layout.merged();
                Access { dtype: input.dtype, at: layout.offset - w.first, shape, strides }
            })
            .collect();
        let written = self.outputs.iter().zip(outputs).zip(self.roots);
        let targets: Vec<Target> = written
            .map(|((o, w), root)| Target { root: *root, dtype: o.dtype, at: o.start + results.1 - w.first, add: o.add })
            .collect();
        let program = Program::new(self.expr, &accesses, &targets, results);
        let read = self.inputs.iter().zip(windows).map(|(i, w)| (i.buffer, w, false));
        let written = self.outputs.iter().zip(outputs).map(|(o, w)| (o.buffer, w, true));
        let bindings: Vec<Binding<'_>> = (0..)
            .zip(read.chain(written))
            .map(|(slot, (buffer, w, write))| Binding { slot, buffer, offset: w.offset, size: w.size, write })
            .collect();
        let write = || program.source();
        let kernel = Kernel::generated(&program.key, "elementwise", &write);
        let groups = results.0.div_ceil(256 * program.per_thread) as u64;
        self.gpu.dispatch(kernel, &bindings, &program.params, fold_groups(groups));
    }
}

/// What is bound of a buffer.
struct Window {
    /// In bytes, a multiple of 256.
    offset: u64,
    /// In bytes.
    size: u64,
    /// The element at `offset`.
    first: usize,
}

/// The smallest window that holds a range of elements.
fn window(range: Range<usize>, dtype: DType) -> Window {
    let bytes = |n: usize| (n * dtype.size()) as u64;
    let offset = bytes(range.start) & !(BINDING_ALIGNMENT - 1);
    let size = (bytes(range.end.max(range.start + 1)) - offset).next_multiple_of(4);
    Window { offset, size, first: offset as usize / dtype.size() }
}

/// The places of a view, from the first to one past the last.
fn extent(l: &Layout) -> Range<usize> {
    let (mut low, mut high) = (l.offset as isize, l.offset as isize);
    for (&n, &s) in l.shape.iter().zip(&l.strides) {
        let reach = (n.max(1) as isize - 1) * s;
        low += reach.min(0);
        high += reach.max(0);
    }
    low as usize..high as usize + 1
}
