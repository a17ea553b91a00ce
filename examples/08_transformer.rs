//! Lesson 8: a vision transformer, from layers.
//!
//! An image is cut into patches, each patch becomes a vector (a token), and layers of attention let tokens read from each other. Nothing in it
//! knows which patches are neighbours but the position embeddings, which are learnt.

use lethe::prelude::*;

struct Transformer {
    patches: PatchEmbedding,
    positions: ParamId,
    layers: Vec<EncoderLayer>,
    norm: LayerNorm,
    head: Linear,
}

impl Transformer {
    fn new(b: &mut Builder, width: usize, depth: usize) -> Transformer {
        Transformer {
            patches: b.within("patches", |b| PatchEmbedding::new(b, 1, 2, width)), // 8×8 pixels in patches of 2×2: 16 tokens
            positions: b.param("positions", &[16, width], Init::Normal { std: 0.02 }),
            layers: (0..depth)
                .map(|i| b.within(&format!("layers.{i}"), |b| EncoderLayer::new(b, &TransformerConfig::new(width, 4))))
                .collect(),
            norm: b.within("norm", |b| LayerNorm::new(b, width)),
            head: b.within("head", |b| Linear::new(b, width, 10)),
        }
    }

    fn logits(&self, f: &Forward<'_>, images: &Var) -> Var {
        let tokens = self.patches.forward(f, images) + f.param(self.positions);
        let tokens = self.layers.iter().fold(tokens, |x, layer| layer.forward(f, &x));
        self.head.forward(f, &self.norm.forward(f, &tokens).mean_axes(&[1], false)) // the mean token answers
    }
}

fn main() -> Result<(), DeviceError> {
    let device = Device::best()?;
    let (train, test) = lethe::digits::load(&device);
    let mut b = Builder::new();
    let net = Transformer::new(&mut b, 32, 2);
    let (mut theta, state) = b.finish().init(&device, 0);
    println!("{} parameters", theta.layout().len());

    let logits = |f: &Forward<'_>, x: &Var| net.logits(f, x);
    let plain = Extragradient::none(TaskLoss::cross_entropy());
    let mut adamw = AdamW::new(&theta, 0.05);
    let schedule = Schedule::new(3e-3, 23, 230);
    for batch in train.epochs(10, 64) {
        let update = adamw.steps();
        let step = plain.gradient(&theta, &state, &batch, 0.0, update, &logits);
        adamw.step(&mut theta, &step.update, schedule.at(update));
    }
    let right = accuracy(&predict(&theta, &state, &test.inputs, &logits), &test.targets)?;
    println!("after {} updates right on {:.1} % of the test images", adamw.steps(), 100.0 * right);

    // Without their order the same patches mean less: reverse the positions, and see what is left.
    let positions =
        theta.layout().iter().find(|(_, p)| p.name == "positions").map(|(_, p)| p.range()).expect("it is there");
    let mixed =
        theta.values().slice(0, positions.start, positions.end).reshape(&[16, 32]).flip(&[0]).reshape(&[16 * 32]);
    let mut other = theta.clone();
    lethe::tensor::store(&mixed, other.values_mut(), positions.start, false);
    let left = accuracy(&predict(&other, &state, &test.inputs, &logits), &test.targets)?;
    println!("with its positions in reverse order: {:.1} %", 100.0 * left);
    assert!(right > 0.85 && left < right);
    Ok(())
}
