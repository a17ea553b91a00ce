//! Lesson 13: saving, loading, and weights from PyTorch.
//!
//! θ and the state are saved under the names of their parts, as safetensors: the format that PyTorch's `safetensors.torch.save_file` writes. Names
//! and shapes of layers are PyTorch's, so a `state_dict` loads as it is.

use lethe::prelude::*;

fn net(b: &mut Builder) -> Sequential {
    Sequential::new()
        .then(b, |b| Conv2d::new(b, [1, 4], [3, 3], ConvOptions::default()))
        .then(b, |b| BatchNorm2d::new(b, 4))
        .then(b, |_| Activation::Relu)
        .then(b, |_| Flatten::new())
        .then(b, |b| Linear::new(b, 144, 10))
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let device = Device::cpu();
    let file = std::env::temp_dir().join(format!("lethe-lesson-{}.safetensors", std::process::id()));
    let mut b = Builder::new();
    let model = net(&mut b);
    let (theta, state) = b.finish().init(&device, 1);
    weights::save(&file, &theta, &state)?;
    println!("saved {} parameters; in PyTorch these are the names of", theta.layout().iter().count());
    println!("  nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Linear(144, 10)):");
    for (_, p) in theta.layout().iter() {
        println!("  {:<9} {:?}", p.name, p.shape);
    }

    // Another program builds the same layers, started otherwise, and loads.
    let mut b = Builder::new();
    let other = net(&mut b);
    let (mut other_theta, mut other_state) = b.finish().init(&device, 2);
    weights::load(&file, &mut other_theta, &mut other_state)?;
    let x = Tensor::randn(&device, &[2, 1, 8, 8], 3);
    let outputs = [
        predict(&theta, &state, &x, &|f, x| model.forward(f, x)),
        predict(&other_theta, &other_state, &x, &|f, x| other.forward(f, x)),
    ];
    assert_eq!(outputs[0].to_vec::<f32>()?, outputs[1].to_vec::<f32>()?);
    println!("\nloaded: both give the same logits, to the bit:\n{:.3}", outputs[1].i((0, ..5)));

    // A file that does not fit is refused, with everything that is wrong with it.
    let mut b = Builder::new();
    let _ = Sequential::new().then(&mut b, |b| Linear::new(b, 3, 2));
    let (mut small, mut none) = b.finish().init(&device, 0);
    let error = weights::load(&file, &mut small, &mut none).expect_err("it is another model");
    println!("\ninto another model:\n{error}");
    std::fs::remove_file(file)?;
    Ok(())
}
