//! Gathering and scattering by index on the CPU. A task of a scatter owns rows of the output and passes over all indices, so that
//! every sum is made by one thread in ascending order.

#![allow(unsafe_code)]

use super::reference::is_wide;
use super::tasks::{TASK, by_rows, share};
use super::threads::{Parts, parallel};
use super::{Input, Output, reference};
use crate::dtype::DType;
use crate::plan::{Gather, ScatterAdd};
use std::ops::Range;

/// Runs the plan.
pub fn run(p: &Gather, inputs: &[Input<'_>], outputs: &mut [Output<'_>]) {
    match is_wide(p.dtype) {
        true => reference::gather::<f64>(p, inputs, outputs),
        false => gather(p, inputs, outputs),
    }
}

/// Runs the plan.
pub fn scatter_add(p: &ScatterAdd, inputs: &[Input<'_>], outputs: &mut [Output<'_>]) {
    match p.dtype {
        DType::F64 => reference::scatter_add::<f64>(p, inputs, outputs),
        _ => scatter(p, inputs, outputs),
    }
}

/// Any type of 32 bits: only bits are moved.
fn gather(p: &Gather, inputs: &[Input<'_>], outputs: &mut [Output<'_>]) {
    if p.outer * p.k * p.inner == 0 {
        return;
    }
    let x: &[u32] = bytemuck::cast_slice(inputs[0].bytes());
    let index = inputs[1].values::<u32>();
    let out = Parts::new(bytemuck::cast_slice_mut::<u8, u32>(outputs[0].bytes_mut()));
    let from = |o: usize, at: usize| (o * p.n + index[at] as usize) * p.inner;
    by_rows(p.outer * p.k, p.inner, |rows| {
        // SAFETY: each task has its own rows.
        let out = unsafe { out.range(rows.start * p.inner..rows.end * p.inner) };
        for (row, out) in rows.zip(out.chunks_exact_mut(p.inner)) {
            let o = row / p.k;
            match (p.shared, p.inner) {
                (true, _) => out.copy_from_slice(&x[from(o, row - o * p.k)..][..p.inner]),
                (false, 1) => out[0] = x[from(o, row)],
                (false, _) => {
                    out.iter_mut().enumerate().for_each(|(i, out)| *out = x[from(o, row * p.inner + i) + i]);
                }
            }
        }
    });
}

/// Sums of this many terms or more are carried in double precision.
const LONG: usize = 512;

fn scatter(p: &ScatterAdd, inputs: &[Input<'_>], outputs: &mut [Output<'_>]) {
    let base = p.base.then(|| inputs[2].values::<f32>());
    let out = Parts::new(outputs[0].values::<f32>());
    let task = |o: usize, rows: Range<usize>| {
        let range = (o * p.n + rows.start) * p.inner..(o * p.n + rows.end) * p.inner;
        // SAFETY: each task has its own rows of one outer item.
        let out = unsafe { out.range(range.clone()) };
        match base {
            Some(base) => out.copy_from_slice(&base[range]),
            None => out.fill(0.0),
        }
        match p.k < LONG || p.shared && is_spread(p, inputs, &rows) {
            true => add_all(p, inputs, o, rows, out, |out, s| *out += s),
            false => {
                let mut sums: Vec<f64> = out.iter().map(|x| f64::from(*x)).collect();
                add_all(p, inputs, o, rows, &mut sums, |sum, s| *sum += f64::from(s));
                out.iter_mut().zip(sums).for_each(|(out, sum)| *out = sum as f32);
            }
        }
    };
    let cuts = (p.k * p.inner / TASK).clamp(1, 16).min(p.n.max(1));
    if cuts > 1 {
        return parallel(p.outer * cuts, |i| task(i / cuts, share(p.n, cuts, i % cuts)));
    }
    by_rows(p.outer, (p.k + p.n) * p.inner, |outer| outer.for_each(|o| task(o, 0..p.n)));
}

/// Whether an index that is shared names none of these rows so often that its sum is long: a table of words of which a batch names some.
fn is_spread(p: &ScatterAdd, inputs: &[Input<'_>], rows: &Range<usize>) -> bool {
    let mut named = vec![0; rows.len()];
    let within = |to: &&u32| rows.contains(&(**to as usize));
    inputs[0].values::<u32>()[..p.k].iter().filter(within).for_each(|to| named[*to as usize - rows.start] += 1);
    named.iter().all(|n| *n < LONG)
}

/// All that the index of outer item `o` sends to these rows, added to them in ascending order.
fn add_all<T>(
    p: &ScatterAdd,
    inputs: &[Input<'_>],
    o: usize,
    rows: Range<usize>,
    sums: &mut [T],
    add: impl Fn(&mut T, f32),
) {
    let (index, src) = (inputs[0].values::<u32>(), inputs[1].values::<f32>());
    for j in 0..p.k {
        let at = (o * p.k + j) * p.inner..(o * p.k + j + 1) * p.inner;
        if p.shared {
            let to = index[j] as usize;
            if rows.contains(&to) {
                let sums = &mut sums[(to - rows.start) * p.inner..][..p.inner];
                sums.iter_mut().zip(&src[at]).for_each(|(sum, s)| add(sum, *s));
            }
            continue;
        }
        for (i, (to, s)) in index[at.clone()].iter().zip(&src[at]).enumerate() {
            if rows.contains(&(*to as usize)) {
                add(&mut sums[(*to as usize - rows.start) * p.inner + i], *s);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cpu::testing::{EPS, Random, Value, check, expected};

    const SHAPES: [[usize; 4]; 9] = [
        [1, 1, 1, 1],
        [1, 7, 5, 1],
        [3, 5, 4, 1],
        [1, 50, 300, 17],
        [2, 9, 33, 20],
        [4, 3, 0, 2],
        [0, 3, 2, 2],
        [1, 40, 2000, 64],
        [300, 10, 1, 1],
    ];

    fn indices(random: &mut Random, shared: bool, [outer, n, k, inner]: [usize; 4]) -> Value {
        random.index(if shared { k } else { outer * k * inner }, n)
    }

    #[test]
    fn gathered_values_are_the_references() {
        let mut random = Random(1);
        for shape @ [outer, n, k, inner] in SHAPES {
            for shared in [false, true] {
                let inputs = [random.real(outer * n * inner, 1.0), indices(&mut random, shared, shape)];
                let plan = |dtype| Gather { dtype, outer, n, k, inner, shared, shape: vec![outer, k, inner] };
                check(plan, &inputs, |_, p, i, o| run(p, i, o), |_, _, _| 0.0);
            }
        }
    }

    #[test]
    fn scattered_sums_are_the_references() {
        let mut random = Random(2);
        for shape @ [outer, n, k, inner] in SHAPES {
            for (shared, base) in [(false, false), (false, true), (true, false), (true, true)] {
                let mut inputs = vec![indices(&mut random, shared, shape), random.real(outer * k * inner, 1.0)];
                inputs.extend(base.then(|| random.real(outer * n * inner, 1.0)));
                let plan = |dtype| ScatterAdd { dtype, outer, n, k, inner, shared, base, shape: vec![outer, n, inner] };
                // a sum of at most k + 1 terms in some order
                let sums = expected(&plan(DType::F64), &inputs.iter().map(Value::abs).collect::<Vec<_>>(), None);
                let bound = |_, e: usize, _| (k + 1) as f64 * EPS * sums[0][e];
                check(plan, &inputs, |_, p, i, o| scatter_add(p, i, o), bound);
            }
        }
    }
}
