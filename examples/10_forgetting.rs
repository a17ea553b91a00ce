//! Lesson 10: output bias forgetting, and what it does to likelihoods.
//!
//! A perturbation makes a network forget. Steepest ascent forgets the right answer: it lowers the likelihood of the label. Output bias forgetting
//! (OBF) moves towards saying nothing: it takes away what the network says already, and leaves the uniform distribution.

use lethe::prelude::*;

fn main() -> Result<(), DeviceError> {
    let device = Device::best()?;
    let (train, test) = lethe::digits::load(&device);
    let model =
        MlpClassifier::new(&MlpConfig { inputs: 64, hidden: vec![64], classes: 10, activation: Activation::Relu });
    let logits = |f: &Forward<'_>, x: &Var| model.forward(f, x);
    let (mut theta, state) = model.init(&device, 0);
    let task = TaskLoss::cross_entropy();

    let plain = Extragradient::none(task);
    let mut adamw = AdamW::new(&theta, 0.01, &[]);
    for epoch in 0..15 {
        for batch in train.shuffled(epoch).batches(64) {
            let step = plain.gradient(&theta, &state, &batch, 0.0, 0, &logits);
            adamw.step(&mut theta, &step.update, 3e-3);
        }
    }

    // The mean likelihood of every digit, over the test images of one.
    let digit = 8;
    let rows: Vec<u32> = test.targets.to_vec::<u32>()?;
    let rows: Vec<usize> = (0..rows.len()).filter(|&i| rows[i] == digit).collect();
    let images = test.inputs.index_select(0, &Tensor::new(&device, rows));
    let likelihoods = |theta: &Theta| -> Result<Vec<f32>, DeviceError> {
        predict(theta, &state, &images, &logits).softmax(-1).mean_axes(&[0], false).to_vec()
    };
    let entropy = |p: &[f32]| -p.iter().map(|p| p * p.max(1e-30).ln()).sum::<f32>();

    let kinds = [
        ("unperturbed", Perturbation::None),
        ("steepest ascent", Perturbation::Steepest),
        ("output bias forgetting", Perturbation::obf(0.0, 1.0, Likelihood::Softmax)),
        ("at random", Perturbation::Random),
    ];
    let mut entropies = vec![];
    for (name, perturbation) in kinds {
        let step = Extragradient::sam(perturbation, task);
        let moved = step.perturbed(&theta, &state, &train.slice(0, 256), 1.0, Place::default(), &logits);
        let p = likelihoods(&moved)?;
        println!("\n{name}: likelihoods for the images of an {digit}, entropy {:.2}", entropy(&p));
        for (class, p) in p.iter().enumerate() {
            println!("  {class} {:<40} {p:.3}", "█".repeat((p * 40.0).round() as usize));
        }
        entropies.push(entropy(&p));
    }
    println!("\nThe entropy of saying nothing at all is ln 10 = {:.2}.", 10f32.ln());
    assert!(entropies[2] > entropies[0], "OBF makes the network less sure");
    Ok(())
}
