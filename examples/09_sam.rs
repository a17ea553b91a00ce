//! Lesson 9: SAM in twenty lines.
//!
//! Sharpness-aware minimisation takes the gradient not at θ but a step uphill, at θ + ρ g/‖g‖, and descends from θ along that one. With θ as
//! one vector nothing is changed and put back: the perturbed model is another vector.

use lethe::prelude::*;

fn main() -> Result<(), DeviceError> {
    let device = Device::best()?;
    let (train, test) = lethe::digits::load(&device);
    let model =
        MlpClassifier::new(&MlpConfig { inputs: 64, hidden: vec![64], classes: 10, activation: Activation::Relu });
    let logits = |f: &Forward<'_>, x: &Var| model.forward(f, x);
    let (start, state) = model.init(&device, 0);
    let task = TaskLoss::cross_entropy();

    // The whole method.
    let sam_gradient = |theta: &Theta, batch: &Batch, rho: f64| -> Tensor {
        let loss = |params: &Parameters| {
            let f = Forward::new(params, &state, Pass::evaluate());
            task.mean(&logits(&f, &Var::constant(&batch.inputs)), &batch.targets)
        };
        let (_, g) = gradient(theta.values(), theta.layout(), loss);
        let epsilon = rho * &g / g.norm();
        gradient(&(theta.values() + epsilon), theta.layout(), loss).1
    };

    // The library's step does the same, and much besides: slices, ASAM, GSAM, output bias forgetting, random directions.
    let library = Extragradient::sam(Perturbation::Steepest, task);
    let batch = train.slice(0, 64);
    let (ours, theirs) =
        (sam_gradient(&start, &batch, 0.1), library.gradient(&start, &state, &batch, 0.1, 0, &logits).update);
    let difference = ((&ours - &theirs).norm() / theirs.norm()).item::<f32>()?;
    println!("our gradient and the library's differ by {difference:.0e} of their length\n");
    assert!(difference < 1e-5);

    println!("  ρ      test accuracy   test loss   loss at θ + 0.2 g/‖g‖");
    for rho in [0.0, 0.05, 0.2] {
        let mut theta = start.clone();
        let mut adamw = AdamW::new(&theta, 0.01);
        for batch in train.epochs(15, 64) {
            let update = sam_gradient(&theta, &batch, rho);
            adamw.step(&mut theta, &update, 3e-3);
        }
        let right = accuracy(&predict(&theta, &state, &test.inputs, &logits), &test.targets)?;
        // How far the loss rises at a fixed distance uphill: what SAM flattens.
        let up = library.gradient(&theta, &state, &test, 0.2, 0, &logits);
        let (flat, risen) = (up.loss.item::<f32>()?, up.perturbed_loss.item::<f32>()?);
        println!("{rho:5}   {:10.1} %   {flat:9.4}   {risen:9.4}", 100.0 * right);
        assert!(right > 0.9);
    }
    println!(
        "\nThe loss at θ is a little higher, and rises less around it: that is what SAM asks for. Whether images it has not seen"
    );
    println!("gain by it is another question; on these digits a small perceptron does not.");
    Ok(())
}
