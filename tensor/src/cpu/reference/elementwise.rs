//! Expressions, element by element, in double precision whatever the type of computation.

use crate::cpu::strided::load_one;
use crate::cpu::{Input, Output};
use crate::dtype::{DType, Element};
use crate::expr::Node;
use crate::plan::Elementwise;

/// What the type of computation makes of a value: integers wrap, floats round.
pub fn rounded(v: f64, compute: DType) -> f64 {
    match compute {
        DType::F32 => f64::from(v as f32),
        DType::I32 => f64::from(v as i64 as i32),
        DType::U32 => f64::from(v as i64 as u32),
        _ => v,
    }
}

/// Evaluates the plan.
pub fn run(p: &Elementwise, inputs: &[Input<'_>], outputs: &mut [Output<'_>]) {
    let mut offsets: Vec<_> = inputs.iter().map(|i| i.layout.offsets()).collect();
    let mut at = vec![0; inputs.len()];
    let mut values = vec![0.0; p.expr.nodes.len()];
    let add = outputs[0].add;
    for index in 0..crate::layout::numel(&p.shape) {
        for (at, offsets) in at.iter_mut().zip(&mut offsets) {
            *at = offsets.next().expect("inputs have the output's shape");
        }
        for (n, node) in p.expr.nodes.iter().enumerate() {
            let v = match *node {
                Node::Input(i) => load_one(&inputs[i], at[i]),
                Node::Const(c) => c,
                Node::Uniform(draw) => draw.uniform(index),
                Node::Unary(op, a) => op.exact(values[a]),
                Node::Binary(op, a, b) if !p.expr.compute.is_float() => op.of_integers(values[a], values[b]),
                Node::Binary(op, a, b) => op.exact(values[a], values[b]),
                Node::Select(c, a, b) => values[if values[c] != 0.0 { a } else { b }],
            };
            values[n] = rounded(v, p.expr.compute);
        }
        let (v, output) = (*values.last().expect("an expression has a node"), &mut outputs[0]);
        match output.dtype {
            DType::F32 => store(&mut output.values::<f32>()[index], v, add),
            DType::F64 => store(&mut output.values::<f64>()[index], v, add),
            DType::I32 => store(&mut output.values::<i32>()[index], v, add),
            DType::U32 => store(&mut output.values::<u32>()[index], v, add),
            DType::F16 | DType::BF16 => unreachable!("16-bit types are for storage; Copy converts to them"),
        }
    }
}

/// What a result does to the element that it goes to; only floats are added to.
pub fn store<T: Element>(at: &mut T, v: f64, add: bool) {
    *at = T::from_f64(if add { at.to_f64() + v } else { v });
}
