//! Lesson 4: a gradient is checked, not believed.
//!
//! Along any direction d, (f(x + h d) − f(x − h d)) / 2h must be ⟨∇f, d⟩ up to terms of h². The check does that in double precision, with
//! random directions and, for small inputs, for every entry of the Jacobian.

use lethe::prelude::*;

/// ln Σ eˣ along rows, by somebody who worked the derivative out: dx = dy softmax(x).
fn log_sum_exp(x: &Var, right: bool) -> Var {
    let top = x.tensor().max_axes(&[-1], true);
    let value = (x.tensor() - &top).exp().sum_axes(&[-1], true).log() + top;
    let x = x.clone();
    Var::record("log_sum_exp", &[&x.clone()], value, move |dy| {
        let weights = x.softmax(-1);
        let slope = if right { weights } else { weights.square() }; // a slip of the pen
        vec![Some(dy * slope)]
    })
}

fn main() {
    let x = Tensor::normal(&Device::cpu(), DType::F64, &[3, 4], Draw::new(0, [0; 3]));
    let options = GradcheckOptions::default();

    let report =
        gradcheck(|v| log_sum_exp(&v[0], true), std::slice::from_ref(&x), &options).expect("the rule is right");
    println!("the right rule: {} derivatives agree, the worst to {:.1e}", report.compared, report.error);

    let error =
        gradcheck(|v| log_sum_exp(&v[0], false), std::slice::from_ref(&x), &options).expect_err("the rule is wrong");
    println!("\nthe wrong rule:\n{error}");

    // A kink is no error: where the two sides disagree, there is no derivative to compare with, and that is counted.
    let corner = Tensor::from_slice(&Device::cpu(), &[-1.0f64, 0.0, 1.0], &[3]);
    let report = gradcheck(|v| v[0].relu(), &[corner], &options).expect("relu is right but for its kink");
    println!("\nrelu at −1, 0, 1: {} agree, {} at a kink", report.compared, report.kinks);
}
