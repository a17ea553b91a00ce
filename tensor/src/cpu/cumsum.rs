//! Running sums on the CPU, carried in double precision: a scalar chain waits for its additions, not for their width.

#![allow(unsafe_code)]

use super::tasks::by_rows;
use super::threads::Parts;
use super::{Input, Output, reference};
use crate::dtype::DType;
use crate::plan::Cumsum;

/// Columns that are summed side by side.
const LANES: usize = 128;

/// Runs the plan.
pub fn run(p: &Cumsum, inputs: &[Input<'_>], outputs: &mut [Output<'_>]) {
    if p.dtype == DType::F64 {
        return reference::cumsum::<f64>(p, inputs, outputs);
    }
    let (x, y) = (inputs[0].values::<f32>(), Parts::new(outputs[0].values::<f32>()));
    let blocks = p.inner.div_ceil(LANES);
    by_rows(p.outer * blocks, p.n * p.inner.min(LANES), |tasks| {
        for task in tasks {
            let (o, first) = (task / blocks, task % blocks * LANES);
            let width = LANES.min(p.inner - first);
            let mut sums = [0.0f64; LANES];
            for r in 0..p.n {
                let row = if p.reverse { p.n - 1 - r } else { r };
                let at = (o * p.n + row) * p.inner + first;
                // SAFETY: each task has its own columns of one outer item.
                let y = unsafe { y.range(at..at + width) };
                for ((sum, x), y) in sums.iter_mut().zip(&x[at..]).zip(y) {
                    *sum += f64::from(*x);
                    *y = *sum as f32;
                }
            }
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cpu::testing::{EPS, Random, check, expected};

    #[test]
    fn running_sums_go_both_ways_and_are_nearly_exact() {
        let mut random = Random(3);
        for [outer, n, inner] in [[1, 1, 1], [1, 1000, 1], [700, 33, 1], [3, 17, 5], [2, 40, 300], [1, 0, 4], [0, 3, 1]]
        {
            for reverse in [false, true] {
                let x = random.real(outer * n * inner, 1.0);
                let plan = |dtype| Cumsum { dtype, outer, n, inner, reverse, shape: vec![outer, n, inner] };
                let sums = expected(&plan(DType::F64), &[x.abs()], None);
                let bound = |_, e: usize, w: f64| EPS * w.abs() * 1.001 + n as f64 * f64::EPSILON * sums[0][e];
                check(plan, &[x], |_, p, i, o| run(p, i, o), bound);
            }
        }
    }
}
