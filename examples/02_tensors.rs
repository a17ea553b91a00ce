//! Lesson 2: tensors, views, and broadcasting.
//!
//! A tensor is numbers in memory and a description of how to walk through them. Most changes of shape only change the description.

use lethe::prelude::*;

fn main() -> Result<(), DeviceError> {
    let device = Device::cpu();
    let x = Tensor::new(&device, [[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]);
    println!("x =\n{x}\n");

    // A transpose moves no number: the strides, steps in memory from one element to the next along each axis, are exchanged.
    let strides = |t: &Tensor| t.layout().strides.clone();
    println!("strides of x {:?}, of its transpose {:?}", strides(&x), strides(&x.t()));
    println!("every row backwards:\n{}\n", x.flip(&[-1]));

    // Indexing: a number takes its axis away, a range keeps it, negative numbers count from the end.
    println!("x.i((.., -1)) = {}", x.i((.., -1)));
    println!("x.i((1, ..2)) = {}", x.i((1, ..2)));
    println!("x.reshape(&[3, INFER]) =\n{}\n", x.reshape(&[3, INFER]));

    // Broadcasting: axes of one element, and axes that are missing in front, are repeated as often as the other operand needs.
    let column = Tensor::new(&device, [[10.0], [20.0]]);
    let row = Tensor::new(&device, [0.1, 0.2, 0.3]);
    println!("column + row =\n{}\n", &column + &row);

    // So a matrix has the means of its columns taken away, and is divided by their deviations, in one line.
    let centred = &x - x.mean_axes(&[0], true);
    let scaled = &centred / x.std_axes(&[0], 0.0, true);
    println!("standardised columns =\n{scaled}\n");
    assert_eq!(scaled.sum().item::<f32>()?, 0.0);

    // Elementwise operations are put off until a number is needed; then the whole chain runs as one loop, or as one kernel on a GPU.
    let chain = (2.0 * &x + 1.0).sqrt().log();
    println!("not computed yet: {chain:?}");
    println!("now it is:\n{chain:.3}\n");

    // Random numbers are functions of a seed and a position: the same on every device, with any number of threads.
    println!("randn, seed 0 = {:.3}", Tensor::randn(&device, &[5], 0));
    let (sorted, order) = Tensor::new(&device, [0.3, 0.1, f64::NAN, 0.2]).sort(0, false);
    println!("sorted = {sorted}\ncame from = {order}");
    Ok(())
}
