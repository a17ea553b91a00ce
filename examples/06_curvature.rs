//! Lesson 6: second derivatives, and how sharp a minimum is.
//!
//! The backward pass can be recorded and differentiated again. A Hessian of n² numbers is never made: its product with a vector costs about two
//! gradients, and multiplying again and again finds the largest eigenvalue, the curvature of the steepest direction.

use lethe::prelude::*;

fn main() -> Result<(), DeviceError> {
    let device = Device::cpu();
    let (train, _) = lethe::digits::load(&device);
    let some = train.slice(0, 256);
    let model =
        MlpClassifier::new(&MlpConfig { inputs: 64, hidden: vec![16], classes: 10, activation: Activation::Tanh });
    let (mut theta, state) = model.init(&device, 0);

    let loss = |params: &Parameters| {
        let f = Forward::new(params, &state, Pass::evaluate());
        TaskLoss::cross_entropy().mean(&model.forward(&f, &Var::constant(&some.inputs)), &some.targets)
    };
    let sharpness = |theta: &Theta| -> Result<f32, DeviceError> {
        let mut v = random_direction(theta, 0, 0, 0);
        let mut eigenvalue = 0.0;
        for _ in 0..30 {
            v = &v / v.norm();
            let (_, _, product) = hessian_vector_product(theta.values(), theta.layout(), &v, loss);
            eigenvalue = (&v * &product).sum().item::<f32>()?;
            v = product;
        }
        Ok(eigenvalue)
    };

    // Is H v what it says? The change of the gradient along v, by differences, must be the same.
    let v = random_direction(&theta, 1, 0, 0);
    let (_, _, exact) = hessian_vector_product(theta.values(), theta.layout(), &v, loss);
    let slope = |at: &Tensor| gradient(at, theta.layout(), loss).1;
    let h = 1e-2;
    let differences = (slope(&(theta.values() + h * &v)) - slope(&(theta.values() - h * &v))) / (2.0 * h);
    let error = ((&differences - &exact).norm() / exact.norm()).item::<f32>()?;
    println!("‖H v by differences − H v‖ / ‖H v‖ = {error:.1e}");
    assert!(error < 1e-2);

    println!("\n  step    loss   largest eigenvalue of the Hessian");
    for step in 0..=200 {
        let (value, gradient) = gradient(theta.values(), theta.layout(), loss);
        if step % 50 == 0 {
            println!("{step:6} {:7.4} {:10.3}", value.item::<f32>()?, sharpness(&theta)?);
        }
        *theta.values_mut() -= 0.5 * gradient; // plain gradient descent: its step cannot follow curvatures above 2 / 0.5 = 4
    }
    Ok(())
}
