//! Multi-head attention with masks, to itself and to another sequence.

use crate::harness::{Subject, input, near};
use crate::reference::{attention, linear};
use lethe_nn::layers::{AttentionMask, MultiHeadAttention};
use lethe_nn::{Layer, Pass};
use lethe_tensor::{DType, Device, Tensor};

const WIDTH: usize = 6;
const HEADS: usize = 2;

/// Attention under the names of one level, in doubles: x to the memory.
pub fn reference<L>(
    s: &Subject<L>,
    prefix: &str,
    (x, queries): (&[f64], usize),
    (memory, keys): (&[f64], usize),
    sees: &dyn Fn(usize, usize, usize) -> bool,
) -> Vec<f64> {
    let p = |name: &str| s.param(&format!("{prefix}{name}"));
    let (w, b) = (p("in_proj_weight"), p("in_proj_bias"));
    let n = x.len() / queries / WIDTH;
    let project = |x: &[f64], i: usize| {
        linear(x, &w[i * WIDTH * WIDTH..(i + 1) * WIDTH * WIDTH], &b[i * WIDTH..(i + 1) * WIDTH], WIDTH)
    };
    let [q, k, v] = [project(x, 0), project(memory, 1), project(memory, 2)];
    let o = attention([&q, &k, &v], [n, queries, keys], [WIDTH, HEADS], sees);
    linear(&o, &p("out_proj.weight"), &p("out_proj.bias"), WIDTH)
}

fn subject() -> Subject<MultiHeadAttention> {
    Subject::new(|b| MultiHeadAttention::new(b, WIDTH, HEADS, 0.0))
}

#[test]
fn a_sequence_attends_to_itself_under_every_mask() {
    let s = subject();
    assert_eq!(s.names(), ["in_proj_weight", "in_proj_bias", "out_proj.weight", "out_proj.bias"]);
    let (x, numbers) = input(&[2, 4, WIDTH], 1);
    let lengths = [4, 2];
    let tokens: Vec<u32> = lengths.iter().flat_map(|l| (0..4).map(move |j| u32::from(j < *l))).collect();
    let tokens = Tensor::from_slice(&Device::cpu(), &tokens, &[2, 4]);
    for (causal, padded) in [(false, false), (true, false), (false, true), (true, true)] {
        let sees = move |n: usize, i: usize, j: usize| (!causal || j <= i) && (!padded || j < lengths[n]);
        let y = reference(&s, "", (&numbers, 4), (&numbers, 4), &sees);
        let tokens = &tokens;
        let call = move |l: &MultiHeadAttention, f: &lethe_nn::Forward<'_>, x: &[lethe_autograd::Var]| {
            let mask = if causal { AttentionMask::causal() } else { AttentionMask::none() };
            let tokens = tokens.to_device(x[0].device()).unwrap();
            l.masked(f, &x[0], &if padded { mask.with_tokens(&tokens) } else { mask })
        };
        s.check(Pass::evaluate(), &[&x], call, (y, &[2, 4, WIDTH]));
    }
    let y = reference(&s, "", (&numbers, 4), (&numbers, 4), &|_, _, _| true);
    s.check(Pass::evaluate(), &[&x], |l, f, x| l.forward(f, &x[0]), (y, &[2, 4, WIDTH]));
}

#[test]
fn a_sequence_attends_to_another() {
    let s = subject();
    let ((x, numbers), (memory, remembered)) = (input(&[2, 3, WIDTH], 2), input(&[2, 5, WIDTH], 3));
    let y = reference(&s, "", (&numbers, 3), (&remembered, 5), &|n, _, j| j < [5, 3][n]);
    let call = |l: &MultiHeadAttention, f: &lethe_nn::Forward<'_>, x: &[lethe_autograd::Var]| {
        let mask = AttentionMask::none().with_lengths(x[0].device(), &[5, 3], 5);
        l.cross(f, &x[0], &x[1], &mask)
    };
    s.check(Pass::evaluate(), &[&x, &memory], call, (y, &[2, 3, WIDTH]));
    let y = reference(&s, "", (&numbers, 3), (&remembered, 5), &|_, _, _| true);
    let call = |l: &MultiHeadAttention, f: &lethe_nn::Forward<'_>, x: &[lethe_autograd::Var]| {
        l.cross(f, &x[0], &x[1], &AttentionMask::none())
    };
    s.check(Pass::evaluate(), &[&x, &memory], call, (y, &[2, 3, WIDTH]));
}

#[test]
fn queries_that_see_nothing_and_padding_of_nan_do_no_harm() {
    let s = subject();
    let (x, mut numbers) = input(&[2, 3, WIDTH], 4);
    let sees = |n: usize, _: usize, j: usize| j < [2, 0][n];
    let y = reference(&s, "", (&numbers, 3), (&numbers, 3), &sees);
    numbers[2 * WIDTH..3 * WIDTH].fill(f64::NAN);
    let spoilt = Tensor::from_slice(&Device::cpu(), &numbers, x.shape());
    for device in Device::all_for_tests() {
        let call = |l: &MultiHeadAttention, f: &lethe_nn::Forward<'_>, x: &[lethe_autograd::Var]| {
            l.masked(f, &x[0], &AttentionMask::none().with_lengths(x[0].device(), &[2, 0], 3))
        };
        near(&s.run((&device, DType::F32), Pass::evaluate(), &[&x], &call).y, &y, 3e-5);
        // The rows of tokens, without that of the padding.
        let got = s.run((&device, DType::F32), Pass::evaluate(), &[&spoilt], &call).y;
        near(&got[..2 * WIDTH], &y[..2 * WIDTH], 3e-5);
    }
}
