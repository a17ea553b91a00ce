//! Layers of encoders and decoders.

use crate::attention::reference as attend;
use crate::harness::{Subject, input};
use crate::reference::{gelu, layer_norm, linear};
use lethe_autograd::Var;
use lethe_nn::layers::{Activation, AttentionMask, DecoderLayer, EncoderLayer, NormOrder, TransformerConfig};
use lethe_nn::{Forward, Layer, Pass};

const EPS: f64 = 1e-5;

fn config(norm: NormOrder) -> TransformerConfig {
    TransformerConfig { hidden: 10, norm, ..TransformerConfig::new(6, 2) }
}

fn add(a: &[f64], b: &[f64]) -> Vec<f64> {
    a.iter().zip(b).map(|(a, b)| a + b).collect()
}

fn norm<L>(s: &Subject<L>, number: usize, x: &[f64]) -> Vec<f64> {
    let p = |name: &str| s.param(&format!("norm{number}.{name}"));
    layer_norm(x, &p("weight"), &p("bias"), EPS)
}

fn perceptron<L>(s: &Subject<L>, x: &[f64]) -> Vec<f64> {
    let h = linear(x, &s.param("linear1.weight"), &s.param("linear1.bias"), 6);
    let h: Vec<f64> = h.into_iter().map(gelu).collect();
    linear(&h, &s.param("linear2.weight"), &s.param("linear2.bias"), 10)
}

/// One residual branch in either order.
fn branch<L>(s: &Subject<L>, order: NormOrder, number: usize, x: &[f64], f: impl Fn(&[f64]) -> Vec<f64>) -> Vec<f64> {
    match order {
        NormOrder::Pre => add(x, &f(&norm(s, number, x))),
        NormOrder::Post => norm(s, number, &add(x, &f(x))),
    }
}

#[test]
fn encoder_layers() {
    let (x, numbers) = input(&[2, 4, 6], 1);
    for order in [NormOrder::Pre, NormOrder::Post] {
        let s = Subject::new(|b| EncoderLayer::new(b, &config(order)));
        let attention = ["in_proj_weight", "in_proj_bias", "out_proj.weight", "out_proj.bias"];
        let mut names: Vec<String> = attention.iter().map(|n| format!("self_attn.{n}")).collect();
        for part in ["linear1", "linear2", "norm1", "norm2"] {
            names.extend([format!("{part}.weight"), format!("{part}.bias")]);
        }
        assert_eq!(s.names(), names);
        for causal in [false, true] {
            let sees = move |_: usize, i: usize, j: usize| !causal || j <= i;
            let h = branch(&s, order, 1, &numbers, |x| attend(&s, "self_attn.", (x, 4), (x, 4), &sees));
            let y = branch(&s, order, 2, &h, |x| perceptron(&s, x));
            let call = move |l: &EncoderLayer, f: &Forward<'_>, x: &[Var]| match causal {
                true => l.masked(f, &x[0], &AttentionMask::causal()),
                false => l.forward(f, &x[0]),
            };
            s.check(Pass::evaluate(), &[&x], call, (y, &[2, 4, 6]));
        }
    }
}

#[test]
fn decoder_layers() {
    let ((x, numbers), (memory, remembered)) = (input(&[2, 3, 6], 2), input(&[2, 5, 6], 3));
    for order in [NormOrder::Pre, NormOrder::Post] {
        let s = Subject::new(|b| DecoderLayer::new(b, &config(order)));
        assert!(s.names().contains(&"multihead_attn.in_proj_weight".to_string()), "{:?}", s.names());
        let h = branch(&s, order, 1, &numbers, |x| attend(&s, "self_attn.", (x, 3), (x, 3), &|_, i, j| j <= i));
        let h = branch(&s, order, 2, &h, |x| {
            attend(&s, "multihead_attn.", (x, 3), (&remembered, 5), &|n, _, j| j < [4, 5][n])
        });
        let y = branch(&s, order, 3, &h, |x| perceptron(&s, x));
        let call = |l: &DecoderLayer, f: &Forward<'_>, x: &[Var]| {
            let padded = AttentionMask::none().with_lengths(x[0].device(), &[4, 5], 5);
            l.forward(f, &x[0], &x[1], &AttentionMask::causal(), &padded)
        };
        s.check(Pass::evaluate(), &[&x, &memory], call, (y, &[2, 3, 6]));
    }
}

/// Under a causal mask no token depends on a later one: what a language model rests on.
#[test]
fn a_causal_encoder_does_not_look_ahead() {
    let s = Subject::new(|b| {
        EncoderLayer::new(b, &TransformerConfig { activation: Activation::Silu, ..config(NormOrder::Pre) })
    });
    let (x, numbers) = input(&[1, 4, 6], 4);
    let mut changed = numbers.clone();
    changed[18..].fill(9.0);
    let changed = lethe_tensor::Tensor::from_slice(&lethe_tensor::Device::cpu(), &changed, &[1, 4, 6]);
    for device in lethe_tensor::Device::all_for_tests() {
        let run = |x| {
            let call = |l: &EncoderLayer, f: &Forward<'_>, x: &[Var]| l.masked(f, &x[0], &AttentionMask::causal());
            s.run((&device, lethe_tensor::DType::F32), Pass::evaluate(), &[x], &call).y
        };
        let (a, b) = (run(&x), run(&changed));
        assert_eq!(a[..18], b[..18]);
        assert_ne!(a[18..], b[18..]);
    }
}
