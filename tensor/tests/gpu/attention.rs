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
    let apart = [[1, 2, 3, 70, 33], [2, 1, 120, 9, 64], [1, 3, 60, 300, 12], [1, 1, 300, 1, 5], [2, 2, 64, 129, 128]];
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
        let (o, lse) = attention::forward(&plan, &parts, mask);
        vec![o, lse]
    }

    /// Gradients, given o, lse and do after the inputs.
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
        let bound = |(output, _): (usize, usize), e: f64| if output == 0 { error } else { error + EPS * e.abs() };
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
            let (o, lse) = attention::forward(&plan, &[&t[0], &t[1], &t[2]], Some(&mask));
            vec![o, lse]
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

#[test]
fn heads_beyond_the_kernels_are_an_error() {
    let Some(device) = open(GpuOptions::default()) else { return };
    let q = Tensor::zeros(&device, DType::F32, &[1, 1, 2, 129]);
    let plan = attention::plan(&q, &q, &q, None, 1.0, false);
    let error = attention::forward(&plan, &[&q, &q, &q], None).0.to_vec::<f32>().unwrap_err();
    assert!(error.to_string().contains("there are 129 numbers in a head, and its GPU kernel can do 128"), "{error}");
}
