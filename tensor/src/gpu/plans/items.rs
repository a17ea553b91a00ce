//! Plans whose operands are larger than a binding may be, run over fewer items at a time: one place for all plans that say how they fall
//! into items. What a part is given are views of the whole operands, so that the plans need not know.

use super::parts::fitting;
use crate::gpu::{GpuDevice, Input, Output};
use crate::layout::Layout;
use crate::plan::{Items, Run};
use std::ops::Range;

/// Records a plan, in parts where an operand is too large for one binding.
pub fn run(plan: &dyn Run, gpu: &GpuDevice, inputs: &[Input<'_>], outputs: &[Output<'_>]) {
    let most = gpu.caps().max_binding;
    let large = inputs.iter().any(|i| (i.layout.numel() * i.dtype.size()) as u64 > most)
        || outputs.iter().any(|o| (o.len * o.dtype.size()) as u64 > most);
    match plan.items().filter(|_| large) {
        Some(items) if too_large(&items, most) => {
            let words: Vec<usize> = items.inputs.iter().chain(&items.outputs).copied().collect();
            parts(&items, fitting(items.count, &words, most), gpu, inputs, outputs);
        }
        _ => plan.gpu(gpu, inputs, outputs),
    }
}

/// Whether fewer items would help.
fn too_large(items: &Items<'_>, most: u64) -> bool {
    let words = items.inputs.iter().chain(&items.outputs).max().copied().unwrap_or(0);
    items.count > 1 && (items.count * words * 4) as u64 > most
}

/// Records a plan's items, `step` at a time.
pub fn parts(items: &Items<'_>, step: usize, gpu: &GpuDevice, inputs: &[Input<'_>], outputs: &[Output<'_>]) {
    for start in (0..items.count).step_by(step) {
        let range = start..items.count.min(start + step);
        let plan = (items.of)(range.len());
        let layouts: Vec<Layout> = inputs
            .iter()
            .zip(&items.inputs)
            .map(|(input, size)| if *size == 0 { input.layout.clone() } else { slice(input.layout, &range, *size) })
            .collect();
        let inputs: Vec<Input<'_>> =
            inputs.iter().zip(&layouts).map(|(input, layout)| Input { layout, ..*input }).collect();
        let outputs: Vec<Output<'_>> = outputs
            .iter()
            .zip(&items.outputs)
            .map(|(output, size)| match size {
                0 => Output { add: output.add || start > 0, ..*output },
                size => Output { start: output.start + start * size, len: range.len() * size, ..*output },
            })
            .collect();
        // A part may be split into items of a different kind.
        run(&*plan, gpu, &inputs, &outputs);
    }
}

/// Items `range`, of `size` elements each, of an operand that lies row-major.
pub fn slice(layout: &Layout, range: &Range<usize>, size: usize) -> Layout {
    Layout { offset: layout.offset + range.start * size, ..Layout::contiguous(&[range.len() * size]) }
}
