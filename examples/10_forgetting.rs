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
    let mut adamw = AdamW::new(&theta, 0.01);
    for batch in train.epochs(15, 64) {
        let step = plain.gradient(&theta, &state, &batch, 0.0, adamw.steps(), &logits);
        adamw.step(&mut theta, &step.update, 3e-3);
    }

    // Of every digit, the mean likelihood of the right answer over its test images; and the mean entropy of the predictions.
    let labels = test.targets.to_vec::<u32>()?;
    let judge = |theta: &Theta| -> Result<([f32; 10], f32), DeviceError> {
        let p = predict(theta, &state, &test.inputs, &logits).softmax(-1);
        let entropy = -(&p * p.clamp_min(1e-30).log()).sum_axes(&[-1], false).mean();
        let right = p.gather(-1, &test.targets.unsqueeze(-1)).to_vec::<f32>()?;
        let mut means = [0.0; 10];
        for (p, label) in right.iter().zip(&labels) {
            means[*label as usize] += p / labels.iter().filter(|l| *l == label).count() as f32;
        }
        Ok((means, entropy.item()?))
    };

    let kinds = [
        ("unperturbed", Perturbation::None),
        ("steepest ascent", Perturbation::Steepest),
        ("output bias forgetting", Perturbation::obf(0.0, 1.0, Likelihood::Softmax)),
        ("at random", Perturbation::Random),
    ];
    let mut judged = vec![];
    for (name, perturbation) in kinds {
        let step = Extragradient::sam(perturbation, task);
        let moved = step.perturbed(&theta, &state, &train.slice(0, 256), 0.5, SliceIndex::default(), &logits);
        let (right, entropy) = judge(&moved)?;
        let mean = right.iter().sum::<f32>() / 10.0;
        println!("\n{name}: likelihood of the label {mean:.3}, entropy {entropy:.3}");
        for (digit, p) in right.iter().enumerate() {
            println!("  {digit} {:<40} {p:.3}", "█".repeat((p * 40.0).round() as usize));
        }
        judged.push((mean, entropy));
    }
    println!("\nThe entropy of saying nothing at all is ln 10 = {:.2}.", 10f32.ln());
    assert!(judged[1].0 < judged[0].0, "steepest ascent forgets the right answers");
    assert!(judged[2].1 > judged[0].1, "OBF makes the network less sure");
    Ok(())
}
