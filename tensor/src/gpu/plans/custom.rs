//! Kernels of a program's own on the GPU: all operands whole and row-major.

use crate::gpu::{Binding, GpuDevice, GpuError, Input, Kernel, Output, Span, fold_groups};
use crate::plan::Custom;

/// Runs the plan.
pub fn run(p: &Custom, gpu: &GpuDevice, inputs: &[Input<'_>], outputs: &[Output<'_>]) {
    let Some(kernel) = &p.gpu else {
        return gpu.poison(GpuError::NoKernel { operation: p.name });
    };
    let read: Vec<Span> = inputs.iter().map(|i| i.span(gpu)).collect();
    fill_all(gpu, outputs, vec![], &|written| {
        let reads = read.iter().zip(0..).map(|(span, slot)| span.read(slot));
        let writes = written.iter().zip(read.len() as u32..).map(|(span, slot)| span.write(slot));
        let bindings: Vec<Binding<'_>> = reads.chain(writes).collect();
        let groups = fold_groups(kernel.workgroups);
        gpu.dispatch(Kernel::custom(kernel.entry, kernel.source), &bindings, &kernel.params, groups);
    });
}

/// Gives `write` a span for each output.
fn fill_all(gpu: &GpuDevice, outputs: &[Output<'_>], spans: Vec<Span>, write: &dyn Fn(&[Span])) {
    match outputs.get(spans.len()) {
        None => write(&spans),
        Some(output) => output.fill(gpu, |span| {
            let spans = spans.iter().cloned().chain([span.clone()]).collect();
            fill_all(gpu, outputs, spans, write);
        }),
    }
}
