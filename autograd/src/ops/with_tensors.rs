//! `+ - * /` between a variable and a tensor, owned or borrowed, on either side: the tensor is a constant, which nothing is differentiated by.

use crate::graph::Var;
use lethe_tensor::{Tensor, arithmetic_operators};

macro_rules! with_tensors {
    ($($trait:ident $method:ident),*) => { $(
        arithmetic_operators! { @one $trait $method, Var, Tensor, Var, |a, b| Var::$method(&a, &Var::constant(&b)) }
        arithmetic_operators! { @one $trait $method, Var, &Tensor, Var, |a, b| Var::$method(&a, &Var::constant(b)) }
        arithmetic_operators! { @one $trait $method, &Var, Tensor, Var, |a, b| Var::$method(a, &Var::constant(&b)) }
        arithmetic_operators! { @one $trait $method, &Var, &Tensor, Var, |a, b| Var::$method(a, &Var::constant(b)) }
        arithmetic_operators! { @one $trait $method, Tensor, Var, Var, |a, b| Var::constant(&a).$method(&b) }
        arithmetic_operators! { @one $trait $method, Tensor, &Var, Var, |a, b| Var::constant(&a).$method(b) }
        arithmetic_operators! { @one $trait $method, &Tensor, Var, Var, |a, b| Var::constant(a).$method(&b) }
        arithmetic_operators! { @one $trait $method, &Tensor, &Var, Var, |a, b| Var::constant(a).$method(b) }
    )* };
}

with_tensors!(Add add, Sub sub, Mul mul, Div div);

#[cfg(test)]
mod tests {
    use crate::Tape;
    use lethe_tensor::{Device, Tensor};

    #[test]
    fn the_tensor_is_a_constant_on_either_side() {
        let device = Device::cpu();
        let t = Tensor::new(&device, [4.0, 8.0]);
        let tape = Tape::new();
        let x = tape.leaf(&Tensor::new(&device, [2.0, 4.0]));
        let y = (&t / &x + &x * &t - (&x - t.clone()) / t.clone() + t.clone() * x.clone()) - &t;
        // t/x + 2 x t − (x − t)/t − t, whose derivative is −t/x² + 2 t − 1/t.
        let expected: [f32; 2] = [2.0 + 16.0 + 0.5 - 4.0, 2.0 + 64.0 + 0.5 - 8.0];
        assert_eq!(y.tensor().to_vec::<f32>().unwrap(), expected);
        let gradient = tape.backward(&y.sum()).of(&x).tensor().to_vec::<f32>().unwrap();
        assert_eq!(gradient, [-1.0 + 8.0 - 0.25, -0.5 + 16.0 - 0.125]);
    }
}
