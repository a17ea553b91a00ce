//! Layers whose values are made again in the backward pass: the same bits, masks and statistics.

use lethe_autograd::{Tape, Var, hessian_vector_product};
use lethe_nn::layers::{
    Activation, BatchNorm1d, Dropout, EncoderLayer, Linear, Recompute, Sequential, TransformerConfig,
};
use lethe_nn::models::{Pooling, Vit, VitConfig};
use lethe_nn::{Builder, Forward, Layer, Model, Pass};
use lethe_tensor::random::Draw;
use lethe_tensor::{DType, Device, Tensor};

fn images(device: &Device, n: usize) -> Tensor {
    Tensor::normal(&Device::cpu(), DType::F32, &[n, 1, 8, 8], Draw::new(5, [0; 3])).to_device(device).unwrap()
}

fn vit(recompute_blocks: bool) -> Vit {
    let sizes =
        VitConfig { image: [8, 8], patch: 4, width: 16, depth: 3, heads: 2, mlp: 32, ..VitConfig::small(4, 10) };
    let drops = VitConfig { dropout: 0.2, drop_path: 0.5, ..sizes };
    Vit::new(VitConfig { channels: 1, pooling: Pooling::ClassToken, recompute_blocks, ..drops })
}

/// θ away from its start, where the head lets nothing through.
fn moved(device: &Device, model: &Vit) -> (lethe_nn::Theta, lethe_nn::State) {
    let (theta, state) = model.init(&Device::cpu(), 3);
    let mut values = theta.values().to_vec::<f32>().unwrap();
    for (id, p) in theta.layout().owned() {
        let noise = Tensor::normal(&Device::cpu(), DType::F32, &[p.numel()], Draw::new(9, [id.0 as u32, 0, 0]));
        values[p.range()].iter_mut().zip(noise.to_vec::<f32>().unwrap()).for_each(|(x, n)| *x += 0.2 * n);
    }
    let values = Tensor::from_slice(device, &values, &[values.len()]);
    (lethe_nn::Theta::new(values, theta.layout()), state.to_device(device).unwrap())
}

fn bits(t: &Tensor) -> Vec<u32> {
    t.to_vec::<f32>().unwrap().iter().map(|x| x.to_bits()).collect()
}

#[test]
fn a_vit_has_the_same_logits_gradients_and_tape_with_dropout() {
    for device in Device::all_for_tests() {
        let run = |recompute: bool| {
            let model = vit(recompute);
            let (theta, state) = moved(&device, &model);
            let tape = Tape::new();
            let params = tape.parameters(theta.values(), theta.layout());
            let f = Forward::new(&params, &state, Pass::train(1, 2, 3));
            let logits = model.forward(&f, &Var::constant(&images(&device, 3)));
            let g = tape.backward(&logits.square().mean());
            assert!(g.unreached().is_empty());
            (bits(logits.tensor()), bits(g.vector(&params).tensor()), tape.operations())
        };
        let (again, kept) = (run(true), run(false));
        assert!(kept.1.iter().any(|g| *g != 0));
        assert_eq!(again, kept, "{device:?}");
    }
}

#[test]
fn its_hessian_vector_products_are_the_same() {
    for device in Device::all_for_tests() {
        let run = |recompute: bool| {
            let model = vit(recompute);
            let (theta, state) = moved(&device, &model);
            let v = theta.values().mul_scalar(0.5).add_scalar(0.1);
            let x = Var::constant(&images(&device, 2));
            let loss = |params: &lethe_autograd::Parameters| {
                model.forward(&Forward::new(params, &state, Pass::train(1, 2, 3)), &x).square().mean()
            };
            let (_, g, hv) = hessian_vector_product(theta.values(), theta.layout(), &v, loss);
            (bits(&g), bits(&hv))
        };
        assert_eq!(run(true), run(false), "{device:?}");
    }
}

/// A block with batch norm and dropout, at the top level or within another.
fn normed(b: &mut Builder) -> Sequential {
    let bn = b.within("bn", |b| BatchNorm1d::new(b, 4));
    let drop = Dropout::new(b, 0.3);
    let linear = Linear::new(b, 4, 4);
    #[derive(Clone)]
    struct Block(Linear, BatchNorm1d, Dropout);
    impl Layer for Block {
        fn forward(&self, f: &Forward<'_>, x: &Var) -> Var {
            self.2.forward(f, &self.1.forward(f, &self.0.forward(f, x)).tanh())
        }
    }
    Sequential::new().then(&mut Builder::new(), |_| Block(linear, bn, drop)).then_fn(|x| x.sin())
}

#[test]
fn running_statistics_move_once_and_masks_are_drawn_again() {
    for device in Device::all_for_tests() {
        let run = |wrap: u32| {
            let mut b = Builder::new();
            let block = normed(&mut b);
            let (theta, state) = b.finish().init(&device, 1);
            let tape = Tape::new();
            let params = tape.parameters(theta.values(), theta.layout());
            let f = Forward::new(&params, &state, Pass::train(4, 5, 6));
            let x = tape.leaf(&Tensor::normal(&device, DType::F32, &[6, 4], Draw::new(2, [0; 3])));
            let y = match wrap {
                0 => block.forward(&f, &x),
                1 => Recompute(block).forward(&f, &x),
                _ => Recompute(Recompute(block)).forward(&f, &x),
            };
            let before = bits(f.new_state().values());
            let g = tape.backward(&y.square().sum());
            assert_eq!(bits(f.new_state().values()), before, "the backward pass moves nothing");
            assert_ne!(before, bits(state.values()));
            (bits(y.tensor()), bits(g.vector(&params).tensor()), bits(g.of(&x).tensor()), before)
        };
        let kept = run(0);
        assert_eq!(run(1), kept, "{device:?}");
        assert_eq!(run(2), kept, "{device:?}");
    }
}

#[test]
fn a_chain_of_encoder_layers_is_recomputed_in_a_sequential() {
    let device = Device::cpu();
    let run = |again: bool| {
        let mut b = Builder::new();
        let config = TransformerConfig { dropout: 0.1, activation: Activation::Relu, ..TransformerConfig::new(8, 2) };
        let mut net = Sequential::new();
        for _ in 0..2 {
            match again {
                true => net.push(&mut b, |b| Recompute(EncoderLayer::new(b, &config))),
                false => net.push(&mut b, |b| EncoderLayer::new(b, &config)),
            }
        }
        let (theta, state) = b.finish().init(&device, 1);
        let tape = Tape::new();
        let params = tape.parameters(theta.values(), theta.layout());
        let x = Var::constant(&Tensor::normal(&device, DType::F32, &[2, 3, 8], Draw::new(2, [0; 3])));
        let y = net.forward(&Forward::new(&params, &state, Pass::train(1, 0, 0)), &x);
        bits(tape.backward(&y.square().mean()).vector(&params).tensor())
    };
    assert_eq!(run(true), run(false));
    let (theta, state) = Builder::new().finish().init(&device, 1);
    let params = theta.constants();
    let f = Forward::new(&params, &state, Pass::evaluate());
    let x = Var::constant(&Tensor::ones(&device, DType::F32, &[2]));
    assert!(!f.recompute(&[&x], |_, x| x[0].exp()).is_tracked(), "without a tape nothing is recorded");
}
