//! Every layout, mask and block of attention against the reference.

use super::heads::{Part, RowLayout};
use super::*;
use crate::cpu::levels::levels;
use crate::cpu::testing::{EPS, Random, Value, check, expected};
use crate::plan::{Mask, MaskKind};

/// A plan without a mask.
fn plan([batch, heads, queries, keys, dim]: [usize; 5], causal: bool, packed: bool) -> Attention {
    let scale = 1.0 / (dim as f64).sqrt();
    Attention { dtype: DType::F32, batch, heads, queries, keys, dim, scale, causal, shift: 0, mask: None, packed }
}

/// A mask that has the axes of `own` (batch, head, query) and of keys: some keys are hidden, for some queries all.
fn mask(p: &Attention, kind: MaskKind, own: [bool; 3], random: &mut Random) -> (Mask, Value) {
    let sizes = [p.batch, p.heads, p.queries];
    let mut strides = [0; 3];
    let mut len = p.keys;
    for axis in (0..3).rev().filter(|a| own[*a]) {
        strides[axis] = len;
        len *= sizes[axis];
    }
    let rows = len / p.keys;
    let hidden: Vec<bool> = (0..len).map(|e| random.below(3) == 0 || (rows > 1 && e / p.keys == rows / 2)).collect();
    let value = match kind {
        MaskKind::Bool => Value::Index(hidden.iter().map(|h| if *h { 0 } else { 7 }).collect()),
        MaskKind::Additive => {
            let bias = random.reals(len, 2.0);
            Value::Real(hidden.iter().zip(bias).map(|(h, b)| if *h { f64::NEG_INFINITY } else { b }).collect())
        }
    };
    (Mask { kind, strides }, value)
}

fn cases() -> Vec<(Attention, Option<(MaskKind, [bool; 3])>)> {
    let mut cases = vec![];
    let shapes = [[1, 1, 1, 1, 1], [2, 3, 5, 5, 7], [1, 2, 57, 57, 16], [2, 4, 130, 130, 20], [1, 1, 1100, 1100, 8]];
    for shape in shapes {
        for causal in [false, true] {
            cases.push((plan(shape, causal, true), None));
            cases.push((plan(shape, causal, false), None));
        }
    }
    // Short sequences; the rows of the last one are copied, as they lie a multiple of 128 floats apart.
    for shape in [[2, 3, 50, 50, 16], [3, 2, 16, 16, 32], [2, 8, 20, 20, 16]] {
        cases.push((plan(shape, false, true), None));
        cases.push((plan(shape, false, false), None));
    }
    for shape in [[1, 2, 3, 70, 33], [2, 1, 120, 9, 64], [1, 9, 60, 1300, 12], [1, 1, 300, 1, 5]] {
        for causal in [false, true] {
            cases.push((plan(shape, causal, false), None));
        }
    }
    let own = [[true, true, true], [true, false, false], [false, true, true], [false, false, true], [false; 3]];
    for (kind, own) in [MaskKind::Bool, MaskKind::Additive].into_iter().flat_map(|k| own.map(|o| (k, o))) {
        for (shape, causal) in [([2, 3, 61, 45, 10], false), ([2, 2, 20, 1200, 16], false), ([1, 2, 50, 50, 8], true)] {
            cases.push((plan(shape, causal, false), Some((kind, own))));
        }
        cases.push((plan([2, 2, 33, 33, 9], true, true), Some((kind, own))));
    }
    let negative = Attention { scale: -0.3, ..plan([1, 2, 9, 11, 4], false, false) };
    cases.push((negative, None));
    cases
}

/// q, k and v (or qkv), of which the largest element is 1.
fn rows(p: &Attention, random: &mut Random) -> Vec<Value> {
    let size = |n: usize| p.batch * p.heads * n * p.dim;
    match p.packed {
        true => vec![random.real(3 * size(p.queries), 1.0)],
        false => [p.queries, p.keys, p.keys].map(|n| random.real(size(n), 1.0)).to_vec(),
    }
}

/// The relative error of a weight: of its score (a sum of `dim` products of numbers up to 1), of the exponential and of the row's sum.
fn weight_error(p: &Attention) -> f64 {
    let score = p.scale.abs() * p.dim as f64;
    EPS * (score * (p.dim + 4) as f64 + 4.0 * (score + 2.0) + (p.keys / 8 + 30) as f64)
}

#[test]
fn outputs_match_the_definition() {
    let mut random = Random(14);
    for (mut p, masked) in cases() {
        let mut inputs = rows(&p, &mut random);
        if let Some((kind, own)) = masked {
            let (mask, value) = mask(&p, kind, own, &mut random);
            p.mask = Some(mask);
            inputs.push(value);
        }
        // a mean of values up to 1, in a sum of `keys` terms
        let error = weight_error(&p) + p.keys as f64 * EPS;
        // The largest score, in units of the product; and the sum, of weights up to 1.
        let score = p.dim as f64 * (p.dim + 4) as f64 * EPS;
        let bound = |o: usize, e: usize, w: f64| match (o, e % 2) {
            (0, _) => error,
            (_, 0) => score + 4.0 * EPS * w.abs(),
            _ => 2.0 * error * w,
        };
        check(|dtype| Attention { dtype, ..p.clone() }, &inputs, forward, bound);
    }
}

#[test]
fn gradients_match_the_definition() {
    let mut random = Random(15);
    for (mut p, masked) in cases() {
        let mut inputs = rows(&p, &mut random);
        let value = masked.map(|(kind, own)| {
            let (mask, value) = mask(&p, kind, own, &mut random);
            p.mask = Some(mask);
            value
        });
        let wide = Attention { dtype: DType::F64, ..p.clone() };
        let all: Vec<Value> = inputs.iter().cloned().chain(value.clone()).collect();
        let round = |v: &[f64]| Value::Real(v.iter().map(|x| f64::from(*x as f32)).collect());
        let [o, stats] = &expected(&wide, &all, None)[..] else { unreachable!("two outputs") };
        inputs.extend([round(o), round(stats), random.real(o.len(), 1.0)]);
        inputs.extend(value);
        // Σ P over the queries, for each key: the gradient of v where dO is 1
        let mut ones = inputs.clone();
        let at = if p.packed { 3 } else { 5 };
        ones[at] = Value::Real(vec![1.0; o.len()]);
        let columns = expected(&AttentionBackward(wide), &ones, None);
        let column = |e: usize| columns[if p.packed { 0 } else { 2 }][e];
        let error = weight_error(&p) + (p.keys + p.queries + p.dim) as f64 * EPS;
        // dS is at most scale · P · (Σ |dO V| + Σ |dO O|), every element at most 1
        let ds = p.scale.abs() * 2.0 * p.dim as f64;
        let part = |o: usize, e: usize| if p.packed { e / (p.heads * p.dim) % 3 } else { o };
        let shift = if p.packed { p.heads * p.dim } else { 0 };
        let bound = |o: usize, e: usize, _| match part(o, e) {
            0 => 2.0 * error * ds,
            1 => 2.0 * error * ds * column(e + shift),
            _ => 2.0 * error * column(e),
        };
        check(|dtype| AttentionBackward(Attention { dtype, ..p.clone() }), &inputs, gradients, bound);
    }
}

#[test]
fn a_query_that_sees_nothing_gives_zero_and_nan_stays_nan() {
    let p = Attention {
        mask: Some(Mask { kind: MaskKind::Bool, strides: [0, 0, 4] }),
        ..plan([1, 1, 2, 4, 3], false, false)
    };
    let mut q = vec![0.5; 6];
    let (k, v) = (vec![1.0; 12], vec![2.0; 12]);
    let mask = Value::Index(vec![0, 0, 0, 0, 1, 0, 1, 1]);
    let run = |q: &[f64]| {
        let inputs = [Value::Real(q.to_vec()), Value::Real(k.clone()), Value::Real(v.clone()), mask.clone()];
        check(|dtype| Attention { dtype, ..p.clone() }, &inputs, forward, |_, _, w| 20.0 * EPS * w.abs());
        expected(&Attention { dtype: DType::F64, ..p.clone() }, &inputs, None)
    };
    let want = run(&q);
    assert_eq!((want[0][0], want[1][0], want[1][1]), (0.0, f64::from(f32::MIN), 0.0));
    q[3] = f64::NAN;
    assert!(run(&q)[0][3].is_nan());
}

/// Value and gradients of a plan against the reference, with `go` as the gradient of o: to 1e-6 (of elements of q and k of `size`), NaN where
/// it is NaN.
fn check_both(p: &Attention, mut inputs: Vec<Value>, mask: Option<Value>, go: Vec<f64>, size: f64) -> Vec<Vec<f64>> {
    let wide = Attention { dtype: DType::F64, ..p.clone() };
    let with_mask = |inputs: &[Value]| inputs.iter().cloned().chain(mask.clone()).collect::<Vec<_>>();
    let all = with_mask(&inputs);
    check(|dtype| Attention { dtype, ..p.clone() }, &all, forward, |_, _, w| 1e-6 * (1.0 + w.abs()));
    let out = expected(&wide, &all, None);
    let round = |v: &[f64]| Value::Real(v.iter().map(|x| f64::from(*x as f32)).collect());
    inputs.extend([round(&out[0]), round(&out[1]), Value::Real(go)]);
    let all = with_mask(&inputs);
    let bound = |o: usize, _, w: f64| 1e-6 * (if o < 2 { size } else { 1.0 } + w.abs());
    check(|dtype| AttentionBackward(Attention { dtype, ..p.clone() }), &all, gradients, bound);
    out.into_iter().chain(expected(&AttentionBackward(wide), &all, None)).collect()
}

#[test]
fn equal_scores_share_a_row_however_large_they_are() {
    for (keys, dim, scale) in [(3, 1, 1.0), (70, 5, 0.3), (1300, 3, -0.7), (512, 1, 6.4e-4), (9, 2, 0.0)] {
        for (causal, masked) in [(false, false), (true, false), (false, true), (true, true)] {
            let mut p = Attention { scale, ..plan([1, 1, 4, keys, dim], causal, false) };
            let bias = masked.then(|| {
                p.mask = Some(Mask { kind: MaskKind::Additive, strides: [0, 0, 0] });
                Value::Real(vec![-1e9; keys])
            });
            // Sums that f32 holds: the reference is given what is rounded.
            let rows = |n: usize, x: f64| Value::Real(vec![x; n * dim]);
            let v = Value::Real((0..keys * dim).map(|e| (e % 7) as f64).collect());
            let all = check_both(&p, vec![rows(4, 1e4), rows(keys, -1e4), v], bias, vec![1.0; 4 * dim], 1e4);
            let share: f64 = (0..4).map(|i| 1.0 / p.reach(i) as f64).sum();
            assert!((all[4][0] - share).abs() < 1e-12, "dV is {}, not {share}", all[4][0]);
        }
    }
}

#[test]
fn only_minus_infinity_hides() {
    let [low, far] = [f32::MIN, -1e30].map(f64::from);
    let hidden = f64::NEG_INFINITY;
    for row in [[low; 4], [far; 4], [low, hidden, low, low], [low, far, hidden, 0.0], [hidden, far, far, hidden]] {
        for causal in [false, true] {
            let mask = Some(Mask { kind: MaskKind::Additive, strides: [0; 3] });
            let p = Attention { mask, ..plan([1, 1, 4, 4, 2], causal, false) };
            let q = Value::Real(vec![0.5, -1.0, 2.0, 1.0, 0.25, 0.75, -0.5, 1.5]);
            let v = Value::Real((0..8).map(f64::from).collect());
            let all = check_both(&p, vec![q.clone(), q, v], Some(Value::Real(row.to_vec())), vec![1.0; 8], 1.0);
            assert!(all.iter().flatten().all(|x| x.is_finite()), "{row:?}: {all:?}");
        }
    }
}

#[test]
fn what_is_hidden_may_be_nan() {
    let (nan, dim) = (f64::NAN, 3);
    let mut random = Random(16);
    for causal in [false, true] {
        // Key 1 is hidden from all but query 2, query 4 sees nothing, and causality hides key 5 from all but query 5.
        let mask: Vec<u32> = (0..36).map(|e| u32::from(e / 6 != 4 && (e % 6 != 1 || e / 6 == 2))).collect();
        let p = Attention {
            mask: Some(Mask { kind: MaskKind::Bool, strides: [0, 0, 6] }),
            ..plan([1, 1, 6, 6, dim], causal, false)
        };
        let mut rows = || random.reals(6 * dim, 1.0);
        let (mut q, mut k, mut v, mut go) = (rows(), rows(), rows(), rows());
        (k[dim], v[dim], k[5 * dim], v[5 * dim + 1]) = (nan, f64::INFINITY, nan, nan);
        (q[4 * dim], go[4 * dim]) = (nan, nan);
        let all = check_both(&p, [q, k, v].map(Value::Real).to_vec(), Some(Value::Index(mask)), go, 1.0);
        let finite = |row: usize| all[0][row * dim..][..dim].iter().all(|x| x.is_finite());
        assert_eq!([0, 1, 2, 3, 4, 5].map(finite), [causal, causal, false, causal, true, false]);
        assert!(all[2][4 * dim..5 * dim].iter().all(|x| *x == 0.0), "a row that sees nothing has a gradient");
    }
}

#[test]
fn infinite_scores_are_what_a_softmax_makes_of_them() {
    let p = Attention { scale: 1.0, ..plan([1, 1, 3, 2, 1], false, false) };
    let inf = f64::INFINITY;
    // Of both keys −∞, of one, and of one +∞.
    let inputs = [[-inf, 1.0, 2.0].to_vec(), vec![1.0, 2.0], vec![3.0, 5.0]].map(Value::Real);
    let all = check_both(&p, inputs.to_vec(), None, vec![1.0; 3], 1.0);
    assert_eq!(all[0].iter().map(|x| x.is_nan()).collect::<Vec<_>>(), [true, false, false]);
    let inputs = [vec![1.0, 1.0, 1.0], vec![-inf, 2.0], vec![3.0, 5.0]].map(Value::Real);
    assert_eq!(check_both(&p, inputs.to_vec(), None, vec![1.0; 3], 1.0)[0], [5.0; 3]);
    let inputs = [vec![1.0, 1.0, -1.0], vec![inf, 2.0], vec![3.0, 5.0]].map(Value::Real);
    let all = check_both(&p, inputs.to_vec(), None, vec![1.0; 3], 1.0);
    assert!(all[0][0].is_nan() && all[0][1].is_nan() && all[0][2] == 5.0, "{all:?}");
}

#[test]
fn special_values_are_the_same_in_short_sequences() {
    let p = plan([1, 1, 18, 5, 16], false, false);
    assert!(levels().into_iter().all(|level| short::suits(level, &p)));
    let mut random = Random(21);
    let mut q = random.reals(18 * 16, 1.0);
    let (mut k, v, go) = (random.reals(5 * 16, 1.0), random.reals(5 * 16, 1.0), random.reals(18 * 16, 1.0));
    // The first element of keys is positive, so that a query's infinity is a score of the same sign with all of them.
    (0..5).for_each(|i| k[i * 16] = 0.5 + i as f64);
    (q[3 * 16], q[5 * 16], q[7 * 16], q[9 * 16 + 4]) = (f64::INFINITY, -f64::INFINITY, 3e37, f64::NAN);
    let inputs = [q.clone(), k.clone(), v.clone()].map(Value::Real).to_vec();
    let all = check_both(&p, inputs, None, go.clone(), 3e37);
    let is_nan = |i: usize| all[0][i * 16].is_nan();
    assert!((0..18).all(|i| is_nan(i) == [3, 5, 9].contains(&i)));
    // Scores that are equal and large, and a key that is -infinity for all.
    let inputs = [vec![1e4; 18 * 16], vec![-1e4; 5 * 16], v.clone()].map(Value::Real).to_vec();
    check_both(&p, inputs, None, go.clone(), 1e4);
    let positive: Vec<f64> = q.iter().map(|x| if x.is_finite() { x.abs().min(1.0) + 0.1 } else { 1.0 }).collect();
    k[2 * 16] = -f64::INFINITY;
    let all = check_both(&p, [positive, k, v].map(Value::Real).to_vec(), None, go, f64::INFINITY);
    assert!(all[0].iter().all(|x| x.is_finite()));
}

#[test]
fn rows_may_be_parts_of_longer_sequences() {
    let mut random = Random(17);
    for shift in [-3, -60, 2, 9] {
        let p = Attention { shift, ..plan([1, 2, 60, 65, 5], true, false) };
        let inputs = rows(&p, &mut random);
        let go = random.reals(600, 1.0);
        check_both(&p, inputs, None, go, 1.0);
    }
}

#[test]
fn parts_of_all_heads_are_disjoint_and_cover_everything() {
    let p = plan([2, 3, 5, 5, 4], false, true);
    let mut seen = vec![0; p.batch * p.queries * 3 * p.heads * p.dim];
    for head in 0..p.batch * p.heads {
        for part in [Part::Q, Part::K, Part::V] {
            (0..p.queries).for_each(|r| RowLayout::of(&p, part, head).row(r, p.dim).for_each(|e| seen[e] += 1));
        }
    }
    assert!(seen.iter().all(|n| *n == 1));
}
