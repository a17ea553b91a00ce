//! Parameter counts of the paper's models, the objective's golden values (specification, sections 1.5 and 6.3), and positions on another grid.

use lethe_autograd::{Mode, Parameters, Tape, Var, gradient};
use lethe_nn::loss::{Likelihood, Obf, TaskLoss};
use lethe_nn::models::{HeadNorm, Pooling, ResNet, ResNetConfig, Vit, VitConfig, interpolate_positions};
use lethe_nn::{Forward, Model, Pass, Theta};
use lethe_tensor::random::Draw;
use lethe_tensor::{DType, Device, Tensor};

#[test]
fn parameter_counts_are_the_papers() {
    for (patch, classes, count) in [
        (32, 1000, 22_878_184),
        (32, 100, 22_531_684),
        (32, 10, 22_497_034),
        (16, 1000, 22_049_896),
        (16, 100, 21_703_396),
        (16, 10, 21_668_746),
    ] {
        assert_eq!(Vit::new(VitConfig::small(patch, classes)).blueprint().layout().count(), count);
    }
    let token = VitConfig { pooling: Pooling::ClassToken, ..VitConfig::small(16, 1000) };
    assert_eq!(Vit::new(token).blueprint().layout().count(), 22_050_664);
    for (blocks, classes, count) in [
        ([3, 4, 6, 3], 1000, 25_557_032),
        ([3, 4, 6, 3], 100, 23_712_932),
        ([3, 4, 6, 3], 10, 23_528_522),
        ([3, 4, 23, 3], 1000, 44_549_160),
        ([3, 4, 23, 3], 100, 42_705_060),
        ([3, 4, 23, 3], 10, 42_520_650),
    ] {
        assert_eq!(ResNet::new(&ResNetConfig::bottleneck(blocks, classes)).blueprint().layout().count(), count);
    }
}

fn tiny(classes: usize) -> VitConfig {
    VitConfig {
        image: [4, 4],
        patch: 2,
        width: 8,
        depth: 1,
        heads: 2,
        mlp: 16,
        channels: 1,
        ..VitConfig::small(2, classes)
    }
}

fn images(n: usize) -> Tensor {
    Tensor::normal(&Device::cpu(), DType::F32, &[n, 1, 4, 4], Draw::new(5, [0; 3]))
}

/// How many different rows of logits a model gives for many copies of one image.
fn outcomes(model: &dyn Model, pass: Pass) -> usize {
    const COPIES: usize = 64;
    let (theta, state) = model.init(&Device::cpu(), 3);
    let noise = Tensor::normal(&Device::cpu(), DType::F32, &[theta.layout().len()], Draw::new(9, [0; 3]));
    let theta = Theta::new(theta.values().add(&noise.mul_scalar(0.2)), theta.layout());
    let copies = images(1).expand(&[COPIES, 1, 4, 4]).contiguous();
    let params = theta.constants();
    let logits = model.forward(&Forward::new(&params, &state, pass), &Var::constant(&copies)).to_vec::<f32>().unwrap();
    let mut different: Vec<&[f32]> = vec![];
    for row in logits.chunks(10) {
        // Rows at other places of a matrix may round differently.
        let is_near = |other: &&[f32]| other.iter().zip(row).all(|(a, b)| (a - b).abs() < 1e-3);
        if !different.iter().any(is_near) {
            different.push(row);
        }
    }
    different.len()
}

#[test]
fn images_skip_the_branches_of_all_blocks_but_the_first() {
    let vit = |depth, drop_path| Vit::new(VitConfig { depth, drop_path, ..tiny(10) });
    let resnet = |blocks: &[usize], drop_path| {
        let blocks = blocks.to_vec();
        ResNet::new(&ResNetConfig { width: 4, blocks, channels: 1, drop_path, ..ResNetConfig::cifar18(10) })
    };
    let train = Pass::train(1, 0, 0);
    // Two branches in the second block of a ViT, one in each of a ResNet.
    assert_eq!(outcomes(&vit(2, 0.5), train), 4);
    assert_eq!(outcomes(&resnet(&[1, 1], 0.5), train), 2);
    assert_eq!(outcomes(&resnet(&[2, 1], 0.6), train), 4);
    for model in [&vit(2, 0.5) as &dyn Model, &resnet(&[1, 1], 0.5)] {
        assert_eq!(outcomes(model, Pass::evaluate()), 1);
    }
    assert_eq!((outcomes(&vit(2, 0.0), train), outcomes(&resnet(&[1, 1], 0.0), train)), (1, 1));
}

#[test]
fn every_parameter_of_every_variant_gets_a_gradient() {
    for (pooling, head_norm) in [
        (Pooling::Mean, HeadNorm::AfterPooling),
        (Pooling::Mean, HeadNorm::BeforePooling),
        (Pooling::ClassToken, HeadNorm::BeforePooling),
    ] {
        let model = Vit::new(VitConfig { pooling, head_norm, dropout: 0.1, ..tiny(10) });
        assert!(unreached(&model, images(2)).is_empty());
    }
    let config = ResNetConfig { width: 4, blocks: vec![1, 2], channels: 1, ..ResNetConfig::cifar18(10) };
    assert!(unreached(&ResNet::new(&config), images(2)).is_empty());
}

/// A head of zeros lets nothing through to what is below it.
#[test]
fn the_first_gradient_of_a_vit_is_that_of_its_head() {
    let model = Vit::new(tiny(10));
    let (theta, state) = model.init(&Device::cpu(), 1);
    let labels = Tensor::from_slice(&Device::cpu(), &[3u32, 7], &[2]);
    for likelihood in [Likelihood::Softmax, Likelihood::Sigmoid] {
        let (_, slope) = gradient(theta.values(), theta.layout(), |params| {
            let logits = model.forward(&Forward::new(params, &state, Pass::train(0, 0, 0)), &Var::constant(&images(2)));
            TaskLoss { likelihood, smoothing: 0.0 }.mean(&logits, &labels)
        });
        let slope = slope.to_vec::<f32>().unwrap();
        for (_, p) in theta.layout().owned() {
            let moves = slope[p.range()].iter().any(|g| *g != 0.0);
            assert_eq!(moves, p.name.starts_with("head."), "{}", p.name);
        }
    }
}

fn unreached(model: &dyn Model, x: Tensor) -> Vec<String> {
    let (theta, state) = model.init(&Device::cpu(), 1);
    let tape = Tape::new();
    let params: Parameters = tape.parameters(theta.values(), theta.layout());
    let logits = model.forward(&Forward::new(&params, &state, Pass::train(0, 0, 0)), &Var::constant(&x));
    let g = tape.backward(&logits.square().sum());
    g.unreached().iter().map(|u| u.name.clone()).collect()
}

/// z = (2, 0, −1, 0.5), y = 0: (likelihood, λ, γ, α, ∂L/∂z, L).
#[test]
fn the_objective_has_its_golden_values() {
    let (soft, sig) = (Likelihood::Softmax, Likelihood::Sigmoid);
    let rows = [
        (soft, 0.25, 1.0, 0.863916, [-0.499551, 0.166976, 0.219457, 0.113117], -1.920761),
        (soft, 1.0 / 3.0, 1.0, 0.795874, [-0.519276, 0.173515, 0.221863, 0.123898], -1.897467),
        (soft, 0.5, 0.0, 0.0, [-0.75, 0.25, 0.25, 0.25], -1.625),
        (soft, 0.0, 0.3, 0.3, [-0.663030, 0.221170, 0.239394, 0.202467], -1.727705),
        (sig, 0.25, 1.0, 0.954888, [-0.636175, -0.227444, -0.006809, -0.344379], -3.637345),
        (sig, 1.0 / 3.0, 1.0, 0.932332, [-0.638863, -0.216166, -0.000743, -0.330339], -3.589810),
        (sig, 0.0, 0.3, 0.3, [-0.714239, 0.1, 0.169318, 0.063262], -2.257224),
    ];
    let cpu = Device::cpu();
    let z = Tensor::from_slice(&cpu, &[2.0f64, 0.0, -1.0, 0.5], &[1, 4]);
    let y = Tensor::from_slice(&cpu, &[0u32], &[1]);
    for (likelihood, lambda, gamma, alpha, grad, value) in rows {
        let obf = Obf::new(lambda, gamma, likelihood);
        let close = |got: &Tensor, expected: &[f64]| {
            for (a, b) in got.to_vec::<f64>().unwrap().iter().zip(expected) {
                assert!((a - b).abs() < 1e-6, "{obf:?}: {a} {b}");
            }
        };
        close(&obf.alpha(&z, &y), &[alpha]);
        close(&obf.seed(&z, &y), &grad);
        let tape = Tape::new();
        let leaf = tape.leaf(&z);
        let rows = obf.rows(&leaf, &y);
        close(rows.tensor(), &[value]);
        let one = Var::constant(&Tensor::ones(&cpu, DType::F64, &[1]));
        close(tape.sweep(&rows, &one, Mode::Free).of(&leaf).tensor(), &grad);
    }
}

#[test]
fn extreme_logits_give_finite_alphas() {
    let cpu = Device::cpu();
    let z = Tensor::from_slice(&cpu, &[1e4f32, -1e4, -1e4, 1e4], &[2, 2]);
    let y = Tensor::from_slice(&cpu, &[0u32, 0], &[2]);
    for likelihood in [Likelihood::Softmax, Likelihood::Sigmoid] {
        let obf = Obf::new(0.25, 1.0, likelihood);
        assert_eq!(obf.alpha(&z, &y).to_vec::<f32>().unwrap(), [1.0, 0.0]);
        assert!(obf.seed(&z, &y).to_vec::<f32>().unwrap().iter().all(|g| g.is_finite()));
    }
}

#[test]
fn positions_move_to_another_grid_and_the_class_token_stays() {
    let cpu = Device::cpu();
    // A token of its own, then 2 × 2 patches of width 1.
    let embeddings = Tensor::from_slice(&cpu, &[9.0f32, 0.0, 1.0, 2.0, 3.0], &[1, 5, 1]);
    let at = |to| interpolate_positions(&embeddings, 1, [2, 2], to).to_vec::<f32>().unwrap();
    assert_eq!(at([2, 2]), [9.0, 0.0, 1.0, 2.0, 3.0]);
    // What torch.nn.functional.interpolate(mode="bilinear", align_corners=False) gives.
    assert_eq!(at([2, 4]), [9.0, 0.0, 0.25, 0.75, 1.0, 2.0, 2.25, 2.75, 3.0]);
    assert_eq!(at([4, 1]), [9.0, 0.5, 1.0, 2.0, 2.5]);
}
