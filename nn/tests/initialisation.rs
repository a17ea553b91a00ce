//! How every parameter of the paper's models starts, at full size (specification, sections 6.1 and 6.2): by name, the moments and bounds of its rule.

use lethe_autograd::Var;
use lethe_nn::loss::{Likelihood, TaskLoss};
use lethe_nn::models::{Pooling, ResNet, ResNetConfig, Vit, VitConfig};
use lethe_nn::{Forward, Model, Pass, State, Theta};
use lethe_tensor::random::Draw;
use lethe_tensor::{DType, Device, Tensor};

/// How the numbers of a parameter are spread.
#[derive(Clone, Copy, Debug)]
enum Rule {
    Constant(f64),
    Normal(f64),
    /// Deviation after the cut, and the cut.
    Cut(f64, f64),
    /// U(−b, b).
    Uniform(f64),
}

/// Asserts a rule: bounds exactly, moments to five standard errors.
fn follows(name: &str, values: &[f32], rule: Rule) {
    let n = values.len() as f64;
    let values = || values.iter().map(|v| f64::from(*v));
    let mean = values().sum::<f64>() / n;
    let std = (values().map(|v| (v - mean).powi(2)).sum::<f64>() / n).sqrt();
    let top = values().fold(0.0f64, |top, v| top.max(v.abs()));
    let (expected, bound) = match rule {
        Rule::Constant(c) => {
            assert!(values().all(|v| v == f64::from(c as f32)), "{name}: expected {c} everywhere");
            return;
        }
        Rule::Normal(std) => (std, 6.5 * std),
        Rule::Cut(std, bound) => (std, bound),
        Rule::Uniform(bound) => (bound / 3f64.sqrt(), bound),
    };
    assert!(top <= bound * (1.0 + 1e-6), "{name}: |x| reaches {top}, {rule:?}");
    assert!(mean.abs() < 5.0 * expected / n.sqrt(), "{name}: mean {mean}, {rule:?}");
    assert!((std / expected - 1.0).abs() < 5.0 / (2.0 * n).sqrt(), "{name}: deviation {std}, {rule:?}");
    // A uniform law and a cut one reach almost to their bounds, and a normal one beyond two deviations.
    let reached = if matches!(rule, Rule::Normal(_)) { 2.0 * expected } else { 0.95 * bound };
    assert!(top > reached, "{name}: |x| reaches {top} only, {rule:?}");
}

fn parts<'a>(theta: &'a Theta, values: &'a [f32]) -> impl Iterator<Item = (&'a str, &'a [f32])> {
    theta.layout().owned().map(|(_, p)| (&*p.name, &values[p.range()]))
}

fn vit_rule(name: &str, patch: usize, head_bias: f64) -> Rule {
    /// The deviation of a unit normal cut at ±2.
    const CUT: f64 = 0.87962566;
    let (part, kind) = name.rsplit_once('.').unwrap_or((name, ""));
    let layer = part.rsplit('.').next().unwrap();
    let std = (1.0 / (3 * patch * patch) as f64).sqrt();
    match (part, layer, kind) {
        ("cls_token", ..) => Rule::Constant(0.0),
        ("pos_embed", ..) => Rule::Normal(0.0510310),
        ("patch_embed.proj", _, "weight") => Rule::Cut(std, 2.0 * std / CUT),
        ("head", _, "bias") => Rule::Constant(head_bias),
        ("head", _, "weight") => Rule::Constant(0.0),
        (_, "norm1" | "norm2" | "fc_norm" | "norm", "weight") => Rule::Constant(1.0),
        (_, "qkv" | "proj", "weight") => Rule::Uniform(0.0883883476),
        (_, "fc1" | "fc2", "weight") => Rule::Uniform((6.0f64 / 1920.0).sqrt()),
        (_, "fc1" | "fc2", "bias") => Rule::Normal(1e-6),
        (_, _, "bias") => Rule::Constant(0.0),
        _ => panic!("{name}: the specification has no rule for it"),
    }
}

#[test]
fn every_parameter_of_a_vit_starts_by_its_rule() {
    let cases = [
        (VitConfig::small(32, 1000), -10.0),
        (VitConfig { head_bias: None, ..VitConfig::small(16, 100) }, -(100f64).ln()),
        (VitConfig { pooling: Pooling::ClassToken, depth: 1, ..VitConfig::small(16, 10) }, -10.0),
    ];
    for (config, head_bias) in cases {
        let patch = config.patch;
        let (theta, _) = Vit::new(config).init(&Device::cpu(), 3);
        let values = theta.values().to_vec::<f32>().unwrap();
        for (name, values) in parts(&theta, &values) {
            follows(name, values, vit_rule(name, patch, head_bias));
            if name.ends_with("qkv.weight") {
                // Three matrices, each by the rule, not one of 384 × 1152.
                values.chunks(384 * 384).for_each(|m| follows(name, m, Rule::Uniform(0.0883883476)));
            }
        }
    }
}

#[test]
fn every_parameter_of_a_resnet_starts_by_its_rule() {
    let (theta, state) = ResNet::new(&ResNetConfig::bottleneck([3, 4, 6, 3], 1000)).init(&Device::cpu(), 3);
    let values = theta.values().to_vec::<f32>().unwrap();
    for (name, values) in parts(&theta, &values) {
        let shape = &theta.layout().get(theta.layout().find(name).unwrap()).shape;
        let rule = match &shape[..] {
            &[out, _, h, w] => Rule::Normal((2.0 / (out * h * w) as f64).sqrt()),
            [1000, 2048] => Rule::Uniform(1.0 / 2048f64.sqrt()),
            // The last normalisation of each block; shortcuts have one of their own.
            [_] if name.ends_with("bn3.weight") => Rule::Constant(0.0),
            [_] if name.ends_with("weight") => Rule::Constant(1.0),
            _ => Rule::Constant(0.0),
        };
        follows(name, values, rule);
    }
    let running = state.values().to_vec::<f32>().unwrap();
    for (_, p) in state.layout().owned() {
        let start = if p.name.ends_with("running_var") { 1.0 } else { 0.0 };
        follows(&p.name, &running[p.range()], Rule::Constant(start));
    }
}

/// As PyTorch's own, which the paper's code leaves as it is.
#[test]
fn the_bias_of_a_resnets_head_may_be_uniform() {
    let model = ResNet::new(&ResNetConfig { head_bias: None, ..ResNetConfig::cifar18(1000) });
    let (theta, _) = model.init(&Device::cpu(), 0);
    let values = theta.values().to_vec::<f32>().unwrap();
    let bias = theta.layout().get(theta.layout().find("fc.bias").unwrap());
    follows("fc.bias", &values[bias.range()], Rule::Uniform(1.0 / 512f64.sqrt()));
}

/// The mean loss of two random images.
fn initial_loss(model: &dyn Model, (theta, state): &(Theta, State), likelihood: Likelihood) -> f32 {
    let device = theta.values().device();
    let images = Tensor::normal(device, DType::F32, &[2, 3, 224, 224], Draw::new(5, [0; 3]));
    let params = theta.constants();
    let logits = model.forward(&Forward::new(&params, state, Pass::evaluate()), &Var::constant(&images));
    let labels = Tensor::from_slice(device, &[0u32, 7], &[2]);
    TaskLoss { likelihood, smoothing: 0.0 }.mean(&logits, &labels).tensor().item().unwrap()
}

#[test]
fn the_whole_model_starts_at_the_papers_loss() {
    for device in Device::all_for_tests() {
        for (classes, expected) in [(1000, 10.045399), (10, 10.000454)] {
            let model = Vit::new(VitConfig::small(32, classes));
            let start = model.init(&device, 0);
            let loss = initial_loss(&model, &start, Likelihood::Sigmoid);
            assert!((loss - expected).abs() < 2e-5, "{loss} {expected} on {device}");
            let uniform = initial_loss(&model, &start, Likelihood::Softmax);
            assert!((uniform - (classes as f32).ln()).abs() < 1e-5, "{uniform} on {device}");
        }
    }
}

#[test]
#[should_panic(expected = "init: f32 [1125899906842624] takes 4503599627370496 bytes")]
fn a_model_that_no_memory_holds_is_refused() {
    let mut b = lethe_nn::Builder::new();
    b.param("weight", &[1 << 25, 1 << 25], lethe_nn::Init::Constant(0.0));
    b.finish().init(&lethe_tensor::Device::cpu(), 0);
}
