//! Lesson 7: a convolutional network with batch norm.
//!
//! Convolutions look at neighbouring pixels. Batch norm is the one layer here with a state beside θ: in training it uses the batch's mean and
//! variance and moves running averages of them; in evaluation it uses those.

use lethe::prelude::*;

fn main() -> Result<(), DeviceError> {
    let device = Device::best()?;
    let (train, test) = lethe::digits::load(&device);
    let same = ConvOptions::new(1, 1); // stride, padding
    let mut b = Builder::new();
    let net = Sequential::new()
        .then(&mut b, |b| Conv2d::without_bias(b, [1, 16], [3, 3], same))
        .then(&mut b, |b| BatchNorm2d::new(b, 16))
        .then(&mut b, |_| Activation::Relu)
        .then(&mut b, |_| MaxPool2d::new(2))
        .then(&mut b, |b| Conv2d::without_bias(b, [16, 32], [3, 3], same))
        .then(&mut b, |b| BatchNorm2d::new(b, 32))
        .then(&mut b, |_| Activation::Relu)
        .then(&mut b, |_| AdaptiveAvgPool2d::new([1, 1]))
        .then(&mut b, |_| Flatten::new())
        .then(&mut b, |b| Linear::new(b, 32, 10));
    let (mut theta, mut state) = b.finish().init(&device, 0);
    println!("{} parameters, and a state of {} running averages", theta.layout().len(), state.layout().len());

    let logits = |f: &Forward<'_>, x: &Var| net.forward(f, x);
    let plain = Extragradient::none(TaskLoss::cross_entropy());
    let mut sgd = Sgd::new(&theta, 0.9, 1e-4);
    for epoch in 0..8 {
        let mut last = None;
        for batch in train.shuffled(epoch).batches(64) {
            let step = plain.gradient(&theta, &state, &batch, 0.0, sgd.steps(), &logits);
            sgd.step(&mut theta, &step.update, 0.1);
            state = step.state; // the running averages after this pass
            last = Some(step.loss);
        }
        let loss = last.expect("there are batches").item::<f32>()?;
        println!("epoch {}: loss of the last batch {loss:.4}", epoch + 1);
    }

    let output = predict(&theta, &state, &test.inputs, &logits);
    let right = accuracy(&output, &test.targets)?;
    println!("right on {:.1} % of the test images", 100.0 * right);

    // One image alone gets the same answer: in evaluation, a sample does not depend on the others of its batch.
    let alone = predict(&theta, &state, &test.inputs.i(..1), &logits);
    assert_eq!(alone.argmax(-1, false).item::<u32>()?, output.argmax(-1, false).i(0).item::<u32>()?);
    assert!(right > 0.9);
    Ok(())
}
