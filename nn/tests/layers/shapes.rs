//! What is said of inputs that do not fit, and where: at the line that called the layer.

use crate::harness::normal;
use lethe_autograd::Var;
use lethe_nn::layers::*;
use lethe_nn::{Builder, Forward, Layer, Pass};
use lethe_tensor::{ConvOptions, Device, Tensor};
use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, catch_unwind, set_hook, take_hook};
use std::sync::Once;

thread_local! {
    static LAST: RefCell<Option<(String, u32, String)>> = const { RefCell::new(None) };
}

/// File, line and message of a panic; other threads' go their usual way.
fn panic_of(call: impl FnOnce()) -> (String, u32, String) {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let old = take_hook();
        set_hook(Box::new(move |info| {
            let place = info.location().expect("panics have a place");
            let text = info.payload_as_str().unwrap_or_default().to_owned();
            LAST.set(Some((place.file().to_owned(), place.line(), text)));
            old(info);
        }));
    });
    assert!(catch_unwind(AssertUnwindSafe(call)).is_err(), "it should panic");
    LAST.take().unwrap()
}

fn var(shape: &[usize]) -> Var {
    Var::constant(
        &Tensor::from_slice(&Device::cpu(), &normal(shape.iter().product(), 1), shape)
            .to_dtype(lethe_tensor::DType::F32),
    )
}

macro_rules! refused {
    ($text:literal, |$b:ident| $layer:expr, |$l:ident, $f:ident| $call:expr) => {{
        let mut builder = Builder::new();
        let $b = &mut builder;
        let $l = $layer;
        let (theta, state) = builder.finish().init(&Device::cpu(), 0);
        let params = theta.constants();
        let $f = &Forward::new(&params, &state, Pass::evaluate());
        let (file, line, text) = panic_of(|| {
            $call;
        });
        assert!(text.contains($text), "{text}");
        // `line!` is where the macro's call begins.
        assert!(file == file!() && (line!()..line!() + 6).contains(&line), "{file}:{line} for {}: {text}", line!());
    }};
}

#[test]
fn inputs_that_do_not_fit_are_reported_at_the_calling_line() {
    refused!("[2, 4]", |b| Linear::new(b, 3, 2), |l, f| l.forward(f, &var(&[2, 4])));
    refused!("conv2d", |b| Conv2d::new(b, [3, 4], [3; 2], ConvOptions::new(1, 1)), |l, f| l
        .forward(f, &var(&[1, 2, 5, 5])));
    refused!("does not end in", |b| LayerNorm::new(b, 3), |l, f| l.forward(f, &var(&[2, 4])));
    refused!("RmsNorm: x [2, 1] does not end in 3", |b| RmsNorm::new(b, 3), |l, f| l.forward(f, &var(&[2, 1])));
    refused!("GroupNorm: x [2, 4] is not (n, 6, …)", |b| GroupNorm::new(b, 2, 6), |l, f| l.forward(f, &var(&[2, 4])));
    refused!("InstanceNorm: x [6] is not (n, 6, …)", |_b| InstanceNorm::new(6), |l, f| l.forward(f, &var(&[6])));
    refused!("BatchNorm1d: x [2, 1]", |b| BatchNorm1d::new(b, 3), |l, f| l.forward(f, &var(&[2, 1])));
    refused!("BatchNorm2d: x [2, 3, 4]", |b| BatchNorm2d::new(b, 3), |l, f| l.forward(f, &var(&[2, 3, 4])));
    refused!("Embedding: x is f32", |b| Embedding::new(b, 3, 2), |l, f| l.forward(f, &var(&[2])));
    refused!("max_pool1d", |_b| MaxPool1d::new(2), |l, f| l.forward(f, &var(&[2, 3])));
    refused!("adaptive_avg_pool3d", |_b| AdaptiveAvgPool3d::new([1; 3]), |l, f| l.forward(f, &var(&[2, 3, 4, 4])));
    refused!("Flatten", |_b| Flatten::new(), |l, f| l.forward(f, &var(&[])));
    refused!("PRelu: x [2, 2]", |b| PRelu::new(b, 3), |l, f| l.forward(f, &var(&[2, 2])));
    refused!("chunk", |_b| Activation::Glu { dim: 1 }, |l, f| l.forward(f, &var(&[2, 3])));
}

#[test]
fn attention_that_does_not_fit_is_reported_at_the_calling_line() {
    let none = AttentionMask::none;
    refused!("x [2, 3, 5] is not (n, tokens, 4)", |b| MultiHeadAttention::new(b, 4, 2, 0.0), |l, f| l
        .forward(f, &var(&[2, 3, 5])));
    refused!("the memory [2, 4] is not", |b| MultiHeadAttention::new(b, 4, 2, 0.0), |l, f| l.cross(
        f,
        &var(&[2, 3, 4]),
        &var(&[2, 4]),
        &none()
    ));
    refused!("x has 2 sequences, the memory 1", |b| MultiHeadAttention::new(b, 4, 2, 0.0), |l, f| l.cross(
        f,
        &var(&[2, 3, 4]),
        &var(&[1, 3, 4]),
        &none()
    ));
    let padded = || none().with_lengths(&Device::cpu(), &[1, 2], 2);
    refused!("a padding mask [2, 2] for 2 sequences of 3 keys", |b| MultiHeadAttention::new(b, 4, 2, 0.0), |l, f| l
        .masked(f, &var(&[2, 3, 4]), &padded()));
    let config = TransformerConfig::new(4, 2);
    refused!("is not (n, tokens, 4)", |b| DecoderLayer::new(b, &config), |l, f| l.forward(
        f,
        &var(&[2, 3, 4]),
        &var(&[2, 3, 5]),
        &none(),
        &none()
    ));
}

#[test]
fn layers_that_cannot_be_are_refused() {
    for (part, build) in [
        ("GroupNorm: 4 groups do not divide 6 channels", (|| _ = GroupNorm::new(&mut Builder::new(), 4, 6)) as fn()),
        ("3 heads do not divide a width of 4", || _ = MultiHeadAttention::new(&mut Builder::new(), 4, 3, 0.0)),
        ("probability 1 is not in [0, 1)", || _ = Dropout::new(&mut Builder::new(), 1.0)),
        ("Conv1d: 2 groups do not divide 3 and 4 channels", || {
            let options = ConvOptions { groups: 2, ..ConvOptions::default() };
            Conv1d::new(&mut Builder::new(), [3, 4], [1], options);
        }),
        ("a sequence of 3 tokens is longer than 2 keys", || {
            AttentionMask::none().with_lengths(&Device::cpu(), &[3], 2);
        }),
        ("are not (n, keys) of u32", || _ = AttentionMask::none().with_tokens(var(&[2, 2]).tensor())),
    ] {
        let (file, _, text) = panic_of(build);
        assert!(text.contains(part), "{text}");
        assert_eq!(file, file!());
    }
}
