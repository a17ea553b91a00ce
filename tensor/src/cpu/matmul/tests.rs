//! Products against the reference in double precision, at every SIMD level, with several numbers of threads.

use super::super::testing::{EPS, Random, Value, check_onto, expected};
use super::*;

/// A matrix's strides: transposed or not, with `gap` unused elements after each row.
fn strides(rows: usize, columns: usize, transposed: bool, gap: usize) -> (MatrixStrides, usize) {
    let (row, col) = if transposed { (1, rows + gap) } else { (columns + gap, 1) };
    let len = (rows - 1) * row + (columns - 1) * col + 1;
    (MatrixStrides { row, col, batch: vec![] }, len)
}

/// Checks a plan. A sum of k products in any order errs by at most k rounding steps of the sum of their magnitudes; the bias and what is added
/// to are one more term each.
fn check(p: &Matmul, inputs: &[Value], base: Option<&[f64]>) {
    let plan = |dtype| Matmul { dtype, ..p.clone() };
    let sizes: Vec<Value> = inputs.iter().map(Value::abs).collect();
    let base_sizes = base.map(|b| b.iter().map(|x| x.abs()).collect::<Vec<_>>());
    let sum = &expected(&plan(DType::F64), &sizes, base_sizes.as_deref())[0];
    check_onto(plan, inputs, base, run_at, |_, e, _| (p.k as f64 + 3.0) * EPS * sum[e]);
}

#[test]
fn one_product_of_any_size_and_strides() {
    let mut random = Random(21);
    let mut sizes: Vec<[usize; 3]> = vec![
        [1, 1, 1],
        [1, 300, 7],
        [300, 1, 7],
        [14, 32, 64],
        [197, 197, 64],
        [15, 33, 1030],
        [37, 129, 700],
        [64, 192, 1100],
        [70, 2100, 3],
        [350, 70, 40],
        [5, 9, 4000],
        [2, 3, 70_000],
        [260, 260, 1],
    ];
    sizes.extend((0..8).map(|_| [0; 3].map(|_: usize| 1 + random.below(90))));
    for [m, n, k] in sizes {
        for kind in 0..4 {
            let (a, a_len) = strides(m, k, kind & 1 == 1, random.below(3));
            let (b, b_len) = strides(k, n, kind & 2 == 2, random.below(3));
            let bias = random.below(3) == 0;
            let mut inputs = vec![random.real(a_len, 2.0), random.real(b_len, 2.0)];
            if bias {
                inputs.push(random.real(n, 2.0));
            }
            let p = Matmul { dtype: DType::F32, batch: vec![], m, n, k, a, b, bias, shape: vec![m, n] };
            let base = (!bias && random.below(2) == 0).then(|| random.reals(m * n, 2.0));
            check(&p, &inputs, base.as_deref());
        }
    }
}

#[test]
fn rows_that_fall_into_one_cache_set_are_packed() {
    let mut random = Random(22);
    let (m, n, k) = (30, 40, 1024);
    let a = MatrixStrides { row: 1024, col: 1, batch: vec![] };
    let b = MatrixStrides { row: 40, col: 1, batch: vec![] };
    let p = Matmul { dtype: DType::F32, batch: vec![], m, n, k, a, b, bias: false, shape: vec![m, n] };
    check(&p, &[random.real(m * k, 1.0), random.real(k * n, 1.0)], None);
}

#[test]
fn batches_broadcast_either_operand() {
    let mut random = Random(23);
    for (batch, [m, n, k]) in
        [(vec![7], [9, 7, 20]), (vec![3, 5], [13, 40, 31]), (vec![2], [130, 140, 150]), (vec![64], [2, 3, 4])]
    {
        for kind in 0..4 {
            let items: usize = batch.iter().product();
            let of = |rows: usize, columns: usize, shared: bool, transposed: bool| {
                let (mut s, _) = strides(rows, columns, transposed, 0);
                // The last batch axis is broadcast in one operand.
                let mut step = rows * columns;
                s.batch = vec![0; batch.len()];
                for axis in (0..batch.len()).rev() {
                    if shared && axis + 1 == batch.len() {
                        continue;
                    }
                    s.batch[axis] = step;
                    step *= batch[axis];
                }
                s
            };
            let (a, b) = (of(m, k, kind == 1, kind == 3), of(k, n, kind == 2, kind == 3));
            let inputs = [random.real(items * m * k, 2.0), random.real(items * k * n, 2.0)];
            let shape = batch.iter().copied().chain([m, n]).collect();
            let p = Matmul { dtype: DType::F32, batch: batch.clone(), m, n, k, a, b, bias: false, shape };
            let base = (kind == 0).then(|| random.reals(items * m * n, 1.0));
            check(&p, &inputs, base.as_deref());
        }
    }
}

#[test]
fn sums_of_nothing_are_zero_or_the_bias() {
    let mut random = Random(24);
    for bias in [false, true] {
        let none = MatrixStrides { row: 1, col: 1, batch: vec![] };
        let (a, b) = (none.clone(), none);
        let p = Matmul { dtype: DType::F32, batch: vec![], m: 3, n: 4, k: 0, a, b, bias, shape: vec![3, 4] };
        check(&p, &[random.real(0, 1.0), random.real(0, 1.0), random.real(4, 1.0)], None);
    }
}
