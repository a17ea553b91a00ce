//! Expressions, element by element, in double precision whatever the type of computation.

use super::special::{binary, unary};
use crate::cpu::{Input, Output};
use crate::dtype::{DType, Element};
use crate::expr::Node;
use crate::plan::Elementwise;
use half::{bf16, f16};

/// An element of any type as a double.
fn load(input: &Input<'_>, at: usize) -> f64 {
    match input.dtype {
        DType::F32 => input.storage::<f32>()[at].to_f64(),
        DType::F64 => input.storage::<f64>()[at],
        DType::I32 => input.storage::<i32>()[at].to_f64(),
        DType::U32 => input.storage::<u32>()[at].to_f64(),
        DType::F16 => input.storage::<f16>()[at].to_f64(),
        DType::BF16 => input.storage::<bf16>()[at].to_f64(),
    }
}

/// What the type of computation makes of a value: integers wrap, floats round.
fn rounded(v: f64, compute: DType) -> f64 {
    match compute {
        DType::F32 => f64::from(v as f32),
        DType::I32 => f64::from(v as i64 as i32),
        DType::U32 => f64::from(v as i64 as u32),
        _ => v,
    }
}

/// Evaluates the plan.
pub fn run(p: &Elementwise, inputs: &[Input<'_>], outputs: &mut [Output<'_>]) {
    let mut places: Vec<_> = inputs.iter().map(|i| i.layout.places()).collect();
    let mut at = vec![0; inputs.len()];
    let mut values = vec![0.0; p.expr.nodes.len()];
    for index in 0..crate::layout::numel(&p.shape) {
        for (at, places) in at.iter_mut().zip(&mut places) {
            *at = places.next().expect("inputs have the output's shape");
        }
        for (n, node) in p.expr.nodes.iter().enumerate() {
            let v = match *node {
                Node::Input(i) => load(&inputs[i], at[i]),
                Node::Const(c) => c,
                Node::Uniform(draw) => draw.uniform(index),
                Node::Unary(op, a) => unary(op, values[a]),
                Node::Binary(op, a, b) => binary(op, values[a], values[b]),
                Node::Select(c, a, b) => values[if values[c] != 0.0 { a } else { b }],
            };
            values[n] = rounded(v, p.expr.compute);
        }
        store(&mut outputs[0], index, *values.last().expect("an expression has a node"));
    }
}

fn store(output: &mut Output<'_>, at: usize, v: f64) {
    let add = output.add;
    let sum = |old: f64| if add { old + v } else { v };
    match output.dtype {
        DType::F32 => {
            let o = &mut output.values::<f32>()[at];
            *o = sum(f64::from(*o)) as f32;
        }
        DType::F64 => {
            let o = &mut output.values::<f64>()[at];
            *o = sum(*o);
        }
        DType::I32 => output.values::<i32>()[at] = v as i32,
        DType::U32 => output.values::<u32>()[at] = v as u32,
        DType::F16 | DType::BF16 => unreachable!("16-bit types are for storage; Copy converts to them"),
    }
}
