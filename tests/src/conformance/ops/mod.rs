//! Operations of the cases in terms of differentiable operations, a file per family.

mod attention;
mod conv;
mod elementwise;
mod loss;
mod matmul;
mod norm;
mod optim;
mod reduce;
mod sam;
mod second_order;
mod shape;
mod stats;

use super::case::{Answer, Case, Found, Unknown};

const FAMILIES: &[fn(&Case<'_>) -> Found] = &[
    elementwise::unary,
    elementwise::binary,
    reduce::run,
    matmul::run,
    shape::run,
    conv::run,
    norm::run,
    loss::run,
    attention::run,
    second_order::run,
    optim::run,
    sam::run,
    stats::run,
];

/// The results of a case.
pub fn run(case: &Case<'_>) -> Answer {
    for family in FAMILIES {
        if let Some(outputs) = family(case)? {
            return Ok(outputs);
        }
    }
    Err(Unknown(format!("operation {}", case.op)))
}
