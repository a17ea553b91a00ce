//! Kernels of a program's own on the GPU: all operands whole and row-major.

use crate::gpu::{Binding, GpuDevice, GpuError, Input, Kernel, Output, Span};
use crate::plan::Custom;

/// Runs the plan.
pub fn run(p: &Custom, gpu: &GpuDevice, inputs: &[Input<'_>], outputs: &[Output<'_>]) {
    let Some(kernel) = &p.gpu else {
        return gpu.poison(GpuError::NoKernel { operation: p.name });
    };
    let read: Vec<Span> = inputs.iter().map(|i| i.span(gpu)).collect();
    fill_all(gpu, outputs, vec![], &|written| {
        let slots = (0..).map(|slot| slot as u32);
        let reads = read.iter().zip(slots.clone()).map(|(span, slot)| span.read(slot));
        let writes = written.iter().zip(slots.skip(read.len())).map(|(span, slot)| span.write(slot));
        let bindings: Vec<Binding<'_>> = reads.chain(writes).collect();
        gpu.dispatch(Kernel::custom(kernel.entry, kernel.source), &bindings, &kernel.params, kernel.groups);
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
