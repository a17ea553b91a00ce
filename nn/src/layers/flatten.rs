//! From maps to vectors.

use super::Layer;
use crate::Forward;
use lethe_autograd::Var;

/// All axes but the first made one: (n, …) to (n, the product of the others).
#[derive(Clone, Copy, Debug)]
pub struct Flatten;

impl Layer for Flatten {
    #[track_caller]
    fn forward(&self, _: &Forward<'_>, x: &Var) -> Var {
        let Some((n, others)) = x.shape().split_first() else { panic!("Flatten: a number has no axis to keep") };
        x.reshape(&[*n, others.iter().product()])
    }
}
