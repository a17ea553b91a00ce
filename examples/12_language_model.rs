//! Lesson 12: a small language model of characters, trained by SAM.
//!
//! A transformer under a causal mask reads a text and says, at each place, which character comes next. The loss is that of every place; SAM does
//! not care what the loss is.

use lethe::prelude::*;
use std::collections::BTreeSet;

const TEXT: &str = include_str!("12_text.txt");
const PLACES: usize = 48;

struct Model {
    characters: Embedding,
    positions: ParamId,
    layers: [EncoderLayer; 2],
    norm: LayerNorm,
    head: Linear,
}

impl Model {
    fn new(b: &mut Builder, vocabulary: usize, width: usize) -> Model {
        let init = Init::Normal { std: 0.1 };
        Model {
            characters: b.within("characters", |b| Embedding::with(b, vocabulary, width, init)),
            positions: b.param("positions", &[PLACES, width], init),
            layers: ["layer.0", "layer.1"]
                .map(|name| b.within(name, |b| EncoderLayer::new(b, &TransformerConfig::new(width, 4)))),
            norm: b.within("norm", |b| LayerNorm::new(b, width)),
            head: b.within("head", |b| Linear::new(b, width, vocabulary)),
        }
    }

    /// (n, places) characters to (n, places, vocabulary) logits.
    fn logits(&self, f: &Forward<'_>, text: &Var) -> Var {
        let x = self.characters.forward(f, text) + f.param(self.positions).i(..text.shape()[1]);
        let x = self.layers.iter().fold(x, |x, layer| layer.masked(f, &x, &AttentionMask::causal()));
        self.head.forward(f, &self.norm.forward(f, &x))
    }
}

fn main() -> Result<(), DeviceError> {
    let device = Device::best()?;
    let characters: Vec<char> = TEXT.chars().collect::<BTreeSet<_>>().into_iter().collect();
    let code = |c: char| characters.iter().position(|x| *x == c).expect("a character of the text");
    let codes: Vec<usize> = TEXT.chars().map(code).collect();
    // Every window of the text is a sample; its targets are the same window, one character later.
    let windows = |shift: usize| -> Vec<Vec<usize>> {
        (0..codes.len() - PLACES).map(|i| codes[i + shift..][..PLACES].to_vec()).collect()
    };
    let text = Batch { inputs: Tensor::new(&device, windows(0)), targets: Tensor::new(&device, windows(1)) };
    println!("{} windows of {PLACES} out of {} characters", text.len(), characters.len());

    let mut b = Builder::new();
    let model = Model::new(&mut b, characters.len(), 48);
    let (mut theta, state) = b.finish().init(&device, 0);
    let logits = |f: &Forward<'_>, x: &Var| model.logits(f, x);
    let sam = Extragradient::sam(Perturbation::Steepest, NextToken::default());
    let mut adamw = AdamW::new(&theta, 0.01);
    for epoch in 0..10 {
        let mut losses = vec![];
        for batch in text.shuffled(epoch).batches(32) {
            let step = sam.gradient(&theta, &state, &batch, 0.05, adamw.steps(), &logits);
            adamw.step(&mut theta, &step.update, 3e-3);
            losses.push(step.loss);
        }
        let mean = Tensor::stack(&losses.iter().collect::<Vec<_>>(), 0).mean().item::<f32>()?;
        println!("epoch {}: loss {mean:.3}", epoch + 1);
    }

    let mut written: Vec<usize> = "the river ".chars().map(code).collect();
    for i in 0..100 {
        let last = &written[written.len().saturating_sub(PLACES)..];
        let next = predict(&theta, &state, &Tensor::new(&device, [last]), &logits).i((0, -1));
        let drawn = (next / 0.5).softmax(-1).multinomial(1, true, Draw::new(0, [i, 0, 0])); // 0.5: the temperature
        written.push(drawn.item::<u32>()? as usize);
    }
    println!("it writes: {}", written.iter().map(|i| characters[*i]).collect::<String>().replace('\n', " "));
    Ok(())
}
