//! Lesson 3: the tape, and what a loud one says.
//!
//! Training that does not learn often has a gradient that was lost on the way: a layer that nobody calls, a value that was detached. This tape
//! says which parameter got none, and why.

use lethe::prelude::*;

fn main() {
    let device = Device::cpu();
    // Parameters are named parts of one vector. The second layer is built and never called; the third is cut off by mistake.
    let mut b = Builder::new();
    let first = b.within("first", |b| Linear::new(b, 4, 3));
    let _forgotten = b.within("forgotten", |b| Linear::new(b, 3, 3));
    let cut = b.within("cut", |b| Linear::new(b, 3, 3));
    let (theta, state) = b.finish().init(&device, 0);

    let tape = Tape::new();
    let params = tape.parameters(theta.values(), theta.layout());
    let f = Forward::new(&params, &state, Pass::train(0, 0, 0));
    let x = Var::constant(&Tensor::randn(&device, &[2, 4], 1));
    let h = first.forward(&f, &x);
    let gate = cut.forward(&f, &h).detach(); // no gradient passes a detached value
    let loss = (h * gate.sigmoid()).square().mean();

    println!("What the tape holds, and what no gradient will reach:\n{}", tape.explain(&loss));

    let gradients = tape.backward(&loss);
    println!("After the backward pass:");
    for lost in gradients.unreached() {
        println!("  {lost}");
    }
    assert_eq!(gradients.unreached().len(), 4);

    // An operation without a derivative stops the backward pass with an error that names it, instead of a gradient of 0 in silence.
    let tape = Tape::new();
    let x = tape.leaf(&Tensor::new(&device, [1.0, 2.0]));
    let rounded = Var::record_opaque("round", &[&x], x.tensor().clone());
    std::panic::set_hook(Box::new(|panic| println!("\nan operation without a derivative:\n  {panic}")));
    let stopped = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| tape.backward(&rounded.sum())));
    assert!(stopped.is_err());
}
