//! A step of an optimiser on the GPU: its formula, written as an expression and generated as one kernel over all vectors.

use super::elementwise;
use crate::dtype::DType;
use crate::expr::{Expr, Node};
use crate::gpu::codegen::{Access, Program, Target};
use crate::gpu::{GpuDevice, Input, Output};
use crate::layout::Layout;
use crate::numeric::{Numeric, Written};
use crate::plan::{BLOCK, StepInputs, Update, UpdateRule};

/// Gradient, norm, scale and decay.
const INPUTS: usize = 4;

/// Runs the plan.
pub fn run<R: UpdateRule<V>, const V: usize>(
    p: &Update<R, V>,
    gpu: &GpuDevice,
    inputs: &[Input<'_>],
    outputs: &[Output<'_>],
) {
    let (expr, roots) = expression(p);
    let layouts = layouts(p.n, [0, 1, 2].map(|i| inputs[i].layout));
    let [g, table, norm] = [0, 1, 2].map(|i| inputs[i]);
    let sources = [g, norm, table, table];
    let inputs: Vec<Input<'_>> =
        sources.iter().zip(&layouts).map(|(input, layout)| Input { layout, ..*input }).collect();
    elementwise::in_place(&expr, &roots, &[p.n / BLOCK, BLOCK], gpu, &inputs, outputs);
}

/// How gradient, norm and the table's two columns meet the vectors as (blocks, 64).
fn layouts(n: usize, [g, table, norm]: [&Layout; 3]) -> [Layout; INPUTS] {
    let shape = [n / BLOCK, BLOCK];
    let at = |l: Layout, offset: usize| Layout { offset, ..l };
    let column = |i: usize| {
        let pairs = Layout::contiguous(&[n / BLOCK, 2]);
        let column = pairs.slice(1, i, i + 1, 1).expand(&shape).expect("a column is as long as there are blocks");
        Layout { offset: table.offset + column.offset, ..column }
    };
    let number = Layout::contiguous(&[1, 1]).expand(&shape).expect("one number goes anywhere");
    [at(Layout::contiguous(&shape), g.offset), at(number, norm.offset), column(0), column(1)]
}

/// What each vector becomes; inputs are those of [`INPUTS`], and after them the vectors.
fn expression<R: UpdateRule<V>, const V: usize>(p: &Update<R, V>) -> (Expr, [usize; V]) {
    let written = Written::new();
    let [g, norm, scale, decay] = [0, 1, 2, 3].map(|i| written.push(Node::Input(i)));
    let old: [_; V] = std::array::from_fn(|k| written.push(Node::Input(INPUTS + k)));
    let grad = match p.max_norm.is_finite() {
        true => g * (written.number(p.max_norm) / (norm + 1e-6)).min(written.number(1.0)),
        false => g,
    };
    let new = p.rule.step(old, StepInputs { grad, lr: scale * p.lr, decay, step: p.step });
    // 0 where nothing moves: frozen, or the norm is not finite.
    let moves = norm.at_most(written.number(f64::from(f32::MAX))) * scale;
    let roots = std::array::from_fn(|k| moves.where_(new[k], old[k]).node);
    (written.finish(), roots)
}

/// The kernel's text.
pub fn source<R: UpdateRule<V>, const V: usize>(p: &Update<R, V>) -> String {
    let (expr, roots) = expression(p);
    let contiguous = [vec![p.n], vec![p.n / BLOCK, 2], vec![1]].map(|shape| Layout::contiguous(&shape));
    let layouts = layouts(p.n, contiguous.each_ref());
    let access = |l: &Layout| {
        let (shape, strides) = l.merged();
        Access { dtype: DType::F32, at: l.offset, shape, strides }
    };
    let accesses: Vec<Access> = layouts.iter().map(access).collect();
    let targets = roots.map(|root| Target { root, dtype: DType::F32, at: 0, add: false });
    Program::new(&expr, &accesses, &targets, (p.n, 0)).source()
}
