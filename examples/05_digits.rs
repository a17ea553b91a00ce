//! Lesson 5: a perceptron learns the digits.
//!
//! All parameters are one vector θ. A gradient is a vector of the same layout, an optimiser moves one along the other.

use lethe::prelude::*;

fn main() -> Result<(), DeviceError> {
    let device = Device::best()?;
    let (train, test) = lethe::digits::load(&device); // 1,437 and 360 images of 8×8 pixels
    let mut b = Builder::new();
    let net = Sequential::new()
        .then(&mut b, |_| Flatten::new())
        .then(&mut b, |b| Linear::new(b, 64, 64))
        .then(&mut b, |_| Activation::Relu)
        .then(&mut b, |b| Linear::new(b, 64, 10));
    let (mut theta, state) = b.finish().init(&device, 0);
    println!("θ has {} numbers:", theta.layout().len());
    for (_, p) in theta.layout().iter() {
        println!("  {:<9} {:?}", p.name, p.shape);
    }

    let logits = |f: &Forward<'_>, x: &Var| net.forward(f, x);
    let gradient = Extragradient::none(TaskLoss::cross_entropy()); // plain gradients; lesson 9 perturbs them
    let mut adamw = AdamW::new(&theta, 0.01);
    for epoch in 0..15 {
        let mut losses = vec![];
        for batch in train.shuffled(epoch).batches(64) {
            let step = gradient.gradient(&theta, &state, &batch, 0.0, adamw.steps(), &logits);
            adamw.step(&mut theta, &step.update, 3e-3);
            losses.push(step.loss);
        }
        if epoch % 5 == 4 {
            let mean = Tensor::stack(&losses.iter().collect::<Vec<_>>(), 0).mean().item::<f32>()?;
            println!("epoch {:2}: loss {mean:.4}", epoch + 1);
        }
    }

    let output = predict(&theta, &state, &test.inputs, &logits);
    let right = accuracy(&output, &test.targets)?;
    println!("right on {:.1} % of the test images", 100.0 * right);
    println!("the first ones: {}", output.argmax(-1, false).i(..12));
    println!("their labels:   {}", test.targets.i(..12));
    assert!(right > 0.9);
    Ok(())
}
