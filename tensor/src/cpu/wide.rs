//! Elementwise expressions in double precision and in integers: block by block as the vector interpreter does it, with the arithmetic of the
//! reference, whose results it gives to the bit. It serves gradient checks and index arithmetic; nothing in it is worth more.

#![allow(unsafe_code)]

use super::reference::elementwise::{rounded, store};
use super::strided::{Strided, load_wide};
use super::threads::{Parts, parallel};
use super::{Input, Output};
use crate::dtype::{DType, Element};
use crate::expr::{BinaryOp, Node, UnaryOp};
use crate::layout::numel;
use crate::plan::Elementwise;

/// Elements of a block.
const BLOCK: usize = 256;
/// Blocks of a task.
const TASK: usize = 32;

/// Runs the plan.
pub fn run(p: &Elementwise, inputs: &[Input<'_>], outputs: &mut [Output<'_>]) {
    let output = &mut outputs[0];
    match output.dtype {
        DType::F64 => tasks::<f64>(p, inputs, output),
        DType::I32 => tasks::<i32>(p, inputs, output),
        DType::U32 => tasks::<u32>(p, inputs, output),
        other => unreachable!("no plan computes {} into {other}", p.expr.compute),
    }
}

fn tasks<T: Element>(p: &Elementwise, inputs: &[Input<'_>], output: &mut Output<'_>) {
    let from: Vec<Strided> = inputs.iter().map(|i| Strided::new(i.layout)).collect();
    let (len, add) = (numel(&p.shape), output.add);
    let parts = Parts::new(output.values::<T>());
    parallel(len.div_ceil(TASK * BLOCK), |task| {
        let mut values = vec![0.0; p.expr.nodes.len() * BLOCK];
        let end = len.min((task + 1) * TASK * BLOCK);
        for at in (task * TASK * BLOCK..end).step_by(BLOCK) {
            let n = BLOCK.min(end - at);
            evaluate(p, inputs, &from, at, n, &mut values);
            // SAFETY: one block each.
            let out = unsafe { parts.range(at..at + n) };
            let result = &values[(p.expr.nodes.len() - 1) * BLOCK..][..n];
            out.iter_mut().zip(result).for_each(|(o, v)| store(o, *v, add));
        }
    });
}

/// Every node's values at elements `at .. at + n`; node i's are `values[i * BLOCK ..][.. n]`.
fn evaluate(p: &Elementwise, inputs: &[Input<'_>], from: &[Strided], at: usize, n: usize, values: &mut [f64]) {
    for (i, node) in p.expr.nodes.iter().enumerate() {
        let (before, here) = values.split_at_mut(i * BLOCK);
        let of = |a: usize| &before[a * BLOCK..][..n];
        let out = &mut here[..n];
        match *node {
            Node::Input(i) => load_wide(&inputs[i], &from[i], at, out),
            Node::Const(c) => out.fill(c),
            Node::Uniform(draw) => out.iter_mut().enumerate().for_each(|(i, o)| *o = draw.uniform(at + i)),
            Node::Unary(op, a) => unary(op, of(a), out),
            Node::Binary(op, a, b) if p.expr.compute.is_float() => binary(op, of(a), of(b), out),
            Node::Binary(op, a, b) => {
                let ab = of(a).iter().zip(of(b));
                out.iter_mut().zip(ab).for_each(|(o, (a, b))| *o = op.of_integers(*a, *b));
            }
            Node::Select(c, a, b) => {
                for (i, o) in out.iter_mut().enumerate() {
                    *o = if of(c)[i] != 0.0 { of(a)[i] } else { of(b)[i] };
                }
            }
        }
        if p.expr.compute != DType::F64 {
            out.iter_mut().for_each(|v| *v = rounded(*v, p.expr.compute));
        }
    }
}

/// The commonest functions have loops of their own, which LLVM vectorises.
fn unary(op: UnaryOp, a: &[f64], out: &mut [f64]) {
    let a = out.iter_mut().zip(a);
    match op {
        UnaryOp::Neg => a.for_each(|(o, a)| *o = -a),
        UnaryOp::Square => a.for_each(|(o, a)| *o = a * a),
        UnaryOp::Sqrt => a.for_each(|(o, a)| *o = a.sqrt()),
        _ => a.for_each(|(o, a)| *o = op.exact(*a)),
    }
}

fn binary(op: BinaryOp, a: &[f64], b: &[f64], out: &mut [f64]) {
    let ab = out.iter_mut().zip(a.iter().zip(b));
    match op {
        BinaryOp::Add => ab.for_each(|(o, (a, b))| *o = a + b),
        BinaryOp::Sub => ab.for_each(|(o, (a, b))| *o = a - b),
        BinaryOp::Mul => ab.for_each(|(o, (a, b))| *o = a * b),
        BinaryOp::Div => ab.for_each(|(o, (a, b))| *o = a / b),
        _ => ab.for_each(|(o, (a, b))| *o = op.exact(*a, *b)),
    }
}
