//! Lesson 1: the derivative of one number.
//!
//! A tape writes down what is done with a number. Played backwards, it gives the derivative: no formula for f' is written anywhere here.

use lethe::prelude::*;

/// f(x) = x² sin x.
fn f(x: &Var) -> Var {
    x.square() * x.sin()
}

fn main() -> Result<(), DeviceError> {
    let device = Device::cpu();
    println!("     x     f(x)    f'(x)   by hand");
    for at in [-2.0, 0.5, 3.0f32] {
        let tape = Tape::new();
        let x = tape.leaf(&Tensor::new(&device, at)); // a leaf: what derivatives are taken with respect to
        let y = f(&x);
        let slope = tape.backward(&y).of(&x);
        let by_hand = 2.0 * at * at.sin() + at * at * at.cos();
        println!("{at:6.1} {:8.4} {:8.4} {by_hand:8.4}", y.item::<f32>()?, slope.item::<f32>()?);
        assert!((slope.item::<f32>()? - by_hand).abs() < 1e-4);
    }

    // Where a number is used twice, both ways count: x + x has the derivative 2.
    let tape = Tape::new();
    let x = tape.leaf(&Tensor::new(&device, 7.0));
    println!("\nd(x + x)/dx = {}", tape.backward(&(&x + &x)).of(&x).item::<f32>()?);

    // A derivative is itself something that can be differentiated: x³ has the second derivative 6 x.
    let tape = Tape::new();
    let x = tape.leaf(&Tensor::new(&device, 7.0));
    let cube = x.pow_scalar(3.0);
    let first = tape.sweep(&cube, &Var::constant(&Tensor::new(&device, 1.0)), Mode::Record).of(&x);
    let second = tape.backward(&first).of(&x);
    println!("x³ at 7: first derivative {}, second {}", first.item::<f32>()?, second.item::<f32>()?);
    Ok(())
}
