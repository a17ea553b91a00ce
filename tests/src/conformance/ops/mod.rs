//! Operations of the cases in terms of differentiable operations, a file per family.

mod elementwise;
mod matmul;
mod reduce;
mod shape;

use super::case::{Answer, Case, Unknown};
use lethe_autograd::Var;

/// The results of a family's operation; `None` if it is another family's.
type Found = Result<Option<Vec<(String, Var)>>, Unknown>;

const FAMILIES: [fn(&Case<'_>) -> Found; 5] =
    [elementwise::unary, elementwise::binary, reduce::run, matmul::run, shape::run];

/// The results of a case.
pub fn run(case: &Case<'_>) -> Answer {
    for family in FAMILIES {
        if let Some(outputs) = family(case)? {
            return Ok(outputs);
        }
    }
    Err(Unknown(format!("operation {}", case.op)))
}
