//! Attention: packed and apart, every kind of mask and of head dimension, rows that see nothing, empty sides, large batches.

use super::{check_by, normal, open};
use lethe_tensor::gpu::GpuOptions;
use lethe_tensor::plan::{Attention, Mask, MaskKind};
use lethe_tensor::random::Draw;
use lethe_tensor::{DType, Device, Tensor, attention};

const EPS: f64 = 6e-8;

/// Batch, heads, queries, keys and head dimension; what hides keys; and whether q, k and v lie in one tensor.
#[derive(Clone, Debug)]
struct Case {
    sizes: [usize; 5],
    causal: bool,
    packed: bool,
    /// With the axes of batch, head and query that the mask has.
    mask: Option<(MaskKind, [bool; 3])>,
}

fn case(sizes: [usize; 5], causal: bool, packed: bool) -> Case {
    Case { sizes, causal, packed, mask: None }
}

fn cases() -> Vec<Case> {
    let mut cases = vec![];
    for sizes in [[1, 1, 1, 1, 1], [2, 3, 5, 5, 7], [1, 2, 57, 57, 16], [2, 4, 130, 130, 20], [1, 2, 65, 65, 100]] {
        for causal in [false, true] {
            cases.extend([case(sizes, causal, true), case(sizes, causal, false)]);
        }
    }
    let apart = [
        [1, 2, 3, 70, 33],
        [2, 1, 120, 9, 64],
        [1, 3, 60, 300, 12],
        [1, 1, 300, 1, 5],
        [2, 2, 64, 129, 128],
        [1, 2, 70, 65, 129],
    ];
    for sizes in apart {
        cases.extend([case(sizes, false, false), case(sizes, true, false)]);
    }
    let own = [[true, true, true], [true, false, false], [false, true, true], [false, false, true], [false; 3]];
    for mask in [MaskKind::Bool, MaskKind::Additive].into_iter().flat_map(|k| own.map(|o| Some((k, o)))) {
        cases.push(Case { mask, ..case([2, 3, 61, 45, 10], false, false) });
        cases.push(Case { mask, ..case([2, 2, 33, 33, 9], true, true) });
    }
    let all = [true; 3];
    cases.push(Case { mask: Some((MaskKind::Bool, all)), ..case([1, 2, 70, 70, 32], true, false) });
    cases.push(Case { mask: Some((MaskKind::Additive, all)), ..case([1, 2, 20, 150, 64], false, false) });
    cases.push(Case { mask: Some((MaskKind::Bool, all)), ..case([1, 1, 70, 40, 128], false, false) });
    cases.push(Case { mask: Some((MaskKind::Additive, all)), ..case([1, 2, 9, 9, 300], true, true) });
    cases
}

impl Case {
    fn scale(&self) -> f64 {
        1.0 / (self.sizes[4] as f64).sqrt()
    }

    /// q, k, v or qkv, uniform between -1 and 1; and the mask.
    fn inputs(&self, seed: u64) -> Vec<Tensor> {
        let [batch, heads, queries, keys, dim] = self.sizes;
        let uniform = |shape: &[usize], i| {
            let draw = Draw::new(seed, [i, 0, 0]);
            Tensor::uniform(&Device::cpu(), DType::F32, shape, draw).mul_scalar(2.0).add_scalar(-1.0).force().clone()
        };
        let mut inputs = match self.packed {
            true => vec![uniform(&[batch, queries, 3, heads, dim], 0)],
            false => [queries, keys, keys].iter().zip(0..).map(|(n, i)| uniform(&[batch, heads, *n, dim], i)).collect(),
        };
        inputs.extend(self.mask.map(|(kind, own)| self.make_mask(kind, own, seed)));
        inputs
    }

    /// Every third key or so is hidden, and to one query, if the mask tells queries apart, all of them.
    fn make_mask(&self, kind: MaskKind, own: [bool; 3], seed: u64) -> Tensor {
        let [batch, heads, queries, keys, _] = self.sizes;
        let mut shape: Vec<usize> =
            [batch, heads, queries].iter().zip(own).map(|(n, o)| if o { *n } else { 1 }).collect();
        let rows: usize = shape.iter().product();
        shape.push(keys);
        let bias: Vec<f32> = normal(&[rows * keys], seed).to_vec().unwrap();
        let hidden = |e: usize| bias[e].abs() < 0.4 || rows > 1 && e / keys == rows / 2;
        match kind {
            MaskKind::Bool => {
                let seen: Vec<u32> = (0..bias.len()).map(|e| if hidden(e) { 0 } else { 7 }).collect();
                Tensor::from_slice(&Device::cpu(), &seen, &shape)
            }
            MaskKind::Additive => {
                let added = |e: usize| if hidden(e) { f32::NEG_INFINITY } else { bias[e] };
                let added: Vec<f32> = (0..bias.len()).map(added).collect();
                Tensor::from_slice(&Device::cpu(), &added, &shape)
            }
        }
    }

    /// The plan for these inputs, which it splits into q, k, v (or qkv), the mask, and what follows.
    fn plan<'t>(&self, t: &'t [Tensor]) -> (Attention, Vec<&'t Tensor>, Option<&'t Tensor>, &'t [Tensor]) {
        let parts = if self.packed { 1 } else { 3 };
        let mask = self.mask.map(|_| &t[parts]);
        let rest = &t[parts + usize::from(mask.is_some())..];
        let plan = match self.packed {
            true => {
                let strides =
                    |m: &Tensor| [0, 1, 2].map(|i| if m.shape()[i] == 1 { 0 } else { m.layout().strides[i] as usize });
                let mask = mask.zip(self.mask).map(|(m, (kind, _))| Mask { kind, strides: strides(m) });
                Attention { mask, ..attention::packed_plan(&t[0], self.scale(), self.causal) }
            }
            false => attention::plan(&t[0], &t[1], &t[2], mask, self.scale(), self.causal),
        };
        (plan, t[..parts].iter().collect(), mask, rest)
    }

    fn forward(&self, t: &[Tensor]) -> Vec<Tensor> {
        let (plan, parts, mask, _) = self.plan(t);
        let (o, stats) = attention::forward(&plan, &parts, mask);
        vec![o, stats]
    }

    /// Gradients, given o, the statistics and do after the inputs.
    fn backward(&self, t: &[Tensor]) -> Vec<Tensor> {
        let (plan, parts, mask, rest) = self.plan(t);
        attention::backward(&plan, &parts, &rest[0], &rest[1], &rest[2], mask)
    }

    /// The relative error of a weight: of its score (a sum of `dim` products of numbers up to 1, and a bias), of the exponential, which
    /// grows with its argument, and of the row's sum.
    fn weight_error(&self) -> f64 {
        let [_, _, _, keys, dim] = self.sizes;
        let score = self.scale() * dim as f64;
        EPS * (score * (dim + 8) as f64 + 8.0 * (score + 4.0) + (keys / 4 + 40) as f64)
    }

    fn check_forward(&self, seed: u64) {
        // A mean of values up to 1, in a sum of `keys` terms.
        let error = self.weight_error() + self.sizes[3] as f64 * EPS;
        // The largest score, in units of the product unless a bias is added; and the sum, of weights up to 1.
        let score = self.weight_error() / self.scale();
        let bound = |(output, e): (usize, usize), x: f64| match (output, e % 2) {
            (0, _) => error,
            (_, 0) => score + EPS * x.abs(),
            _ => 2.0 * error * x,
        };
        check_by(&format!("{self:?}"), &self.inputs(seed), |t| self.forward(t), bound);
    }

    fn check_backward(&self, seed: u64) {
        let [_, heads, queries, keys, dim] = self.sizes;
        let mut inputs = self.inputs(seed);
        let wide = |t: &Tensor| if t.dtype() == DType::F32 { t.to_dtype(DType::F64) } else { t.clone() };
        let mut wides: Vec<Tensor> = inputs.iter().map(wide).collect();
        let out = self.forward(&wides);
        // Where do is 1, the gradient of v is the sum of a key's weights.
        wides.extend([out[0].clone(), out[1].clone(), Tensor::ones(&Device::cpu(), DType::F64, out[0].shape())]);
        let columns: Vec<f64> = self.backward(&wides).pop().expect("a gradient").to_vec().unwrap();
        let draw = Draw::new(seed, [9, 0, 0]);
        let go = Tensor::uniform(&Device::cpu(), DType::F32, out[0].shape(), draw).mul_scalar(2.0).add_scalar(-1.0);
        inputs.extend(out.iter().map(|t| t.to_dtype(DType::F32)));
        inputs.push(go.force().clone());
        let error = self.weight_error() + (keys + queries + dim) as f64 * EPS;
        // dS is at most scale · P · (Σ |dO V| + Σ |dO O|), every element at most 1.
        let ds = self.scale() * 2.0 * dim as f64;
        let part = |output: usize, e: usize| if self.packed { e / (heads * dim) % 3 } else { output };
        let shift = if self.packed { heads * dim } else { 0 };
        let bound = |(output, e): (usize, usize), _| match part(output, e) {
            0 => 2.0 * error * ds,
            1 => 2.0 * error * ds * columns[e + shift],
            _ => 2.0 * error * columns[e],
        };
        check_by(&format!("gradients, {self:?}"), &inputs, |t| self.backward(t), bound);
    }
}

#[test]
fn outputs_match_the_definition() {
    (0..).zip(cases()).for_each(|(seed, case)| case.check_forward(seed));
}

#[test]
fn gradients_match_the_definition() {
    (100..).zip(cases()).for_each(|(seed, case)| case.check_backward(seed));
}

#[test]
fn either_side_may_be_empty() {
    for sizes in
        [[2, 3, 5, 0, 16], [2, 3, 5, 0, 7], [2, 3, 0, 70, 32], [2, 3, 0, 70, 9], [0, 3, 4, 4, 16], [2, 0, 4, 4, 5]]
    {
        for causal in [false, true] {
            case(sizes, causal, false).check_forward(1);
            case(sizes, causal, false).check_backward(2);
        }
    }
    case([2, 3, 0, 0, 16], false, true).check_forward(3);
    case([2, 3, 0, 0, 5], false, true).check_backward(4);
}

#[test]
fn large_batches_go_in_parts() {
    let large = Case { mask: Some((MaskKind::Bool, [true, false, true])), ..case([1027, 1, 2, 2, 3], true, false) };
    large.check_forward(1);
    large.check_backward(2);
}

#[test]
fn a_mask_may_be_any_view() {
    let plain = case([2, 2, 20, 31, 16], false, false);
    let mut inputs = plain.inputs(5);
    inputs.push(normal(&[2, 2, 23, 31], 6));
    inputs.push(normal(&[31, 20], 7));
    let error = plain.weight_error() + 31.0 * EPS;
    for view in [
        |t: &[Tensor]| t[3].slice(2, 3, 23),
        |t: &[Tensor]| t[3].slice(1, 1, 2).slice(2, 1, 21),
        |t: &[Tensor]| t[4].t(),
    ] {
        let f = |t: &[Tensor]| {
            let mask = view(t);
            let plan = attention::plan(&t[0], &t[1], &t[2], Some(&mask), 0.25, false);
            vec![attention::forward(&plan, &[&t[0], &t[1], &t[2]], Some(&mask)).0]
        };
        check_by("a view as a mask", &inputs, f, |_, e| error + EPS * e.abs());
    }
}

#[test]
fn nan_stays_nan_where_it_is_seen() {
    let plain = case([1, 1, 70, 70, 16], true, false);
    let mut inputs = plain.inputs(8);
    let mut k: Vec<f32> = inputs[1].to_vec().unwrap();
    k[40 * 16] = f32::NAN;
    inputs[1] = Tensor::from_slice(&Device::cpu(), &k, &[1, 1, 70, 16]);
    let error = plain.weight_error() + 70.0 * EPS;
    check_by("a key that is not a number", &inputs, |t| vec![plain.forward(t).swap_remove(0)], |_, _| error);
}

/// q, k, v and do of these numbers, their gradients and o, on each GPU against doubles. NaN must be where it is there.
fn check_numbers(
    what: &str,
    causal: bool,
    scale: f64,
    [q, k, v, go]: [&Tensor; 4],
    mask: Option<&Tensor>,
) -> Vec<Vec<f64>> {
    let inputs: Vec<Tensor> = [q, k, v, go].into_iter().chain(mask).cloned().collect();
    let f = |t: &[Tensor]| {
        let plan = attention::plan(&t[0], &t[1], &t[2], t.get(4), scale, causal);
        let parts = [&t[0], &t[1], &t[2]];
        let (o, stats) = attention::forward(&plan, &parts, t.get(4));
        let grads = attention::backward(&plan, &parts, &o, &stats, &t[3], t.get(4));
        [o].into_iter().chain(grads).collect()
    };
    // The rounding of a score's gradient, a difference of sums over the head dimension, is multiplied by elements of k and q.
    let finite = |t: &Tensor| super::numbers(t).into_iter().filter(|x| x.is_finite());
    let size = finite(q).chain(finite(k)).fold(1.0f64, |a, x| a.max(x.abs())) * q.shape()[3] as f64;
    let bound =
        |(output, _): (usize, usize), e: f64| 2e-5 * (if [1, 2].contains(&output) { size } else { 1.0 } + e.abs());
    check_by(what, &inputs, f, bound);
    let wide = |t: &Tensor| if t.dtype() == DType::F32 { t.to_dtype(DType::F64) } else { t.clone() };
    f(&inputs.iter().map(wide).collect::<Vec<_>>()).iter().map(super::numbers).collect()
}

fn host(x: &[f32], shape: [usize; 4]) -> Tensor {
    Tensor::from_slice(&Device::cpu(), x, &shape)
}

#[test]
fn equal_scores_share_a_row_however_large_they_are() {
    for (keys, dim, scale) in [(3, 1, 1.0), (70, 5, 0.3), (130, 33, -0.7), (512, 1, 1e-3), (9, 2, 0.0), (5, 130, 1.0)] {
        for (causal, masked) in [(false, false), (true, false), (false, true), (true, true)] {
            let rows = |n: usize, x: f32| host(&vec![x; n * dim], [1, 1, n, dim]);
            let v: Vec<f32> = (0..keys * dim).map(|e| (e % 7) as f32).collect();
            let mask = masked.then(|| host(&vec![-1e9; keys], [1, 1, 1, keys]));
            let numbers = [&rows(4, 1e4), &rows(keys, -1e4), &host(&v, [1, 1, keys, dim]), &rows(4, 1.0)];
            let what = format!("{keys} keys of dimension {dim}, scale {scale}, causal {causal}, masked {masked}");
            let all = check_numbers(&what, causal, scale, numbers, mask.as_ref());
            let share: f64 = (0..4).map(|i| 1.0 / if causal { keys.min(i + 1) } else { keys } as f64).sum();
            assert!((all[3][0] - share).abs() < 1e-12, "{what}: dV is {}, not {share}", all[3][0]);
        }
    }
}

#[test]
fn only_minus_infinity_hides() {
    let (low, hidden) = (f32::MIN, f32::NEG_INFINITY);
    for row in [[low; 4], [-1e30; 4], [low, hidden, low, low], [low, -1e30, hidden, 0.0], [hidden, low, low, hidden]] {
        for causal in [false, true] {
            let q = host(&[0.5, -1.0, 2.0, 1.0, 0.25, 0.75, -0.5, 1.5], [1, 1, 4, 2]);
            let v = host(&[0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0], [1, 1, 4, 2]);
            let mask = host(&row, [1, 1, 1, 4]);
            let what = format!("a mask of {row:?}, causal {causal}");
            let all = check_numbers(&what, causal, 0.7, [&q, &q, &v, &q], Some(&mask));
            assert!(all.iter().flatten().all(|x| x.is_finite()), "{what}: {all:?}");
        }
    }
}

#[test]
fn what_is_hidden_may_be_nan() {
    let (nan, n, dim) = (f32::NAN, 70, 5);
    for causal in [false, true] {
        // Key 1 is hidden from all but query 2, and query 66 sees nothing; causality hides key 69 from all but query 69.
        let mask: Vec<u32> = (0..n * n).map(|e| u32::from(e / n != 66 && (e % n != 1 || e / n == 2))).collect();
        let mask = Tensor::from_slice(&Device::cpu(), &mask, &[n, n]);
        let rows = |seed| normal(&[n * dim], seed).to_vec::<f32>().unwrap();
        let (mut q, mut k, mut v, mut go) = (rows(1), rows(2), rows(3), rows(4));
        (k[dim], v[dim], k[69 * dim], v[69 * dim + 1]) = (nan, f32::INFINITY, nan, nan);
        (q[66 * dim], go[66 * dim]) = (nan, nan);
        let [q, k, v, go] = [q, k, v, go].map(|x| host(&x, [1, 1, n, dim]));
        let all = check_numbers(&format!("hidden NaN, causal {causal}"), causal, 0.5, [&q, &k, &v, &go], Some(&mask));
        let finite = |row: usize| all[0][row * dim..][..dim].iter().all(|x| x.is_finite());
        assert_eq!([0, 2, 3, 66, 69].map(finite), [causal, false, causal, true, false]);
        assert!(all[1][66 * dim..67 * dim].iter().all(|x| *x == 0.0), "a row that sees nothing has a gradient");
    }
}

#[test]
fn infinities_are_what_a_softmax_makes_of_them() {
    let inf = f32::INFINITY;
    let row = |x: &[f32]| host(x, [1, 1, x.len(), 1]);
    let go = row(&[1.0; 3]);
    for (q, k, v) in [
        (row(&[-inf, 1.0, 2.0]), row(&[1.0, 2.0]), row(&[3.0, 5.0])),
        (row(&[1.0, 1.0, 1.0]), row(&[-inf, 2.0]), row(&[3.0, 5.0])),
        (row(&[1.0, 1.0, -1.0]), row(&[inf, 2.0]), row(&[3.0, 5.0])),
        (row(&[1.0, 1.0, -1.0]), row(&[1.0, 2.0]), row(&[3.0, inf])),
    ] {
        check_numbers("infinite numbers", false, 1.0, [&q, &k, &v, &go], None);
    }
}

#[test]
fn there_may_be_more_heads_than_a_grid_takes() {
    let (Some(device), heads) = (open(GpuOptions::default()), 65_537) else { return };
    // The mean of two values, which tell the head.
    let zeros = |n: usize| Tensor::zeros(&device, DType::F32, &[1, heads, n, 1]);
    let v: Vec<f32> = (0..heads).flat_map(|h| [h as f32, h as f32 + 2.0]).collect();
    let (q, k, v) = (zeros(1), zeros(2), Tensor::from_slice(&device, &v, &[1, heads, 2, 1]));
    let plan = attention::plan(&q, &k, &v, None, 1.0, false);
    let o = super::numbers(&attention::forward(&plan, &[&q, &k, &v], None).0);
    assert!(o.iter().enumerate().all(|(h, o)| *o == h as f64 + 1.0));
}

#[test]
fn sequences_may_be_longer_than_a_thread_runs() {
    // Each query gives as much to dV: one that is left out is seen.
    for (queries, keys) in [(1, 40_000), (40_000, 1)] {
        let rows = |n: usize, seed| normal(&[1, 1, n, 100], seed).mul_scalar(0.2).force().clone();
        let ones = Tensor::ones(&Device::cpu(), DType::F32, &[1, 1, queries, 100]).force().clone();
        let numbers = [&rows(queries, 1), &rows(keys, 2), &rows(keys, 3), &ones];
        check_numbers(&format!("{queries} queries, {keys} keys"), false, 0.5, numbers, None);
    }
}

#[test]
fn what_cannot_be_bound_at_once_is_cut() {
    let small = |binding_limit| open(GpuOptions { binding_limit: Some(binding_limit), ..GpuOptions::default() });
    let Some(device) = small(4096) else { return };
    let all = [true; 3];
    for (case, seed) in [
        (case([3, 2, 9, 8, 16], false, false), 1),   // by items and heads
        (case([2, 3, 10, 10, 7], true, true), 2),    // packed
        (case([1, 1, 150, 70, 20], true, false), 3), // by queries
        (case([1, 1, 70, 150, 20], true, false), 4), // by keys
        (Case { mask: Some((MaskKind::Bool, all)), ..case([1, 2, 80, 90, 16], true, false) }, 5),
        (Case { mask: Some((MaskKind::Additive, all)), ..case([1, 1, 90, 150, 3], false, false) }, 6),
    ] {
        let mut inputs = case.inputs(seed);
        let f = |t: &[Tensor]| {
            let mut out = case.forward(t);
            let go = out[0].mul_scalar(0.5).add_scalar(0.25).force().clone();
            let rest: Vec<Tensor> = t.iter().cloned().chain([out[0].clone(), out[1].clone(), go]).collect();
            out.truncate(1);
            out.extend(case.backward(&rest));
            out
        };
        let wide = |t: &Tensor| if t.dtype() == DType::F32 { t.to_dtype(DType::F64) } else { t.clone() };
        let expected = f(&inputs.iter().map(wide).collect::<Vec<_>>());
        inputs.iter_mut().for_each(|t| *t = t.to_device(&device).unwrap());
        for (output, (got, expected)) in f(&inputs).iter().zip(&expected).enumerate() {
            for (e, (g, x)) in super::numbers(got).iter().zip(super::numbers(expected)).enumerate() {
                assert!(
                    (g - x).abs() <= 3e-5 * (1.0 + x.abs()),
                    "{case:?}, output {output}, element {e}: {g}, not {x}"
                );
            }
        }
    }
}

#[test]
#[should_panic(
    expected = "attention: a row of 2000 numbers is 8192 bytes in its kernel, and this GPU binds 4096 at most"
)]
fn a_row_that_cannot_be_bound_is_refused_at_the_call() {
    let options = GpuOptions { binding_limit: Some(4096), ..GpuOptions::default() };
    let Some(device) = open(options) else {
        panic!("attention: a row of 2000 numbers is 8192 bytes in its kernel, and this GPU binds 4096 at most")
    };
    let q = Tensor::zeros(&device, DType::F32, &[1, 1, 1, 2000]);
    let plan = attention::plan(&q, &q, &q, None, 1.0, false);
    attention::forward(&plan, &[&q, &q, &q], None);
}
