//! Cases of activation functions.

use super::draws::Domain::{Normal, Within};
use super::draws::{axis, case};
use super::elementwise::{binary, one, unary};
use super::operation::Operation;

/// An activation with one parameter, which is positive.
macro_rules! shaped {
    ($name:ident) => {
        Operation {
            name: stringify!($name),
            generate: |d| {
                one(d, Normal);
                let alpha = d.pick(&[1.0, 0.3, 2.0]);
                case!(d, [alpha], |x| x[0].$name(alpha))
            },
        }
    };
}

pub(super) const OPERATIONS: &[Operation] = &[
    shaped!(leaky_relu),
    shaped!(elu),
    shaped!(celu),
    binary!(prelu, Normal, Normal),
    unary!(relu6, Within(-3.0, 9.0)),
    unary!(selu, Normal),
    unary!(silu, Within(-6.0, 6.0)),
    unary!(mish, Within(-6.0, 6.0)),
    unary!(gelu_tanh, Within(-5.0, 5.0)),
    unary!(log_sigmoid, Within(-6.0, 6.0)),
    unary!(softsign, Normal),
    unary!(hard_sigmoid, Within(-5.0, 5.0)),
    unary!(hard_swish, Within(-5.0, 5.0)),
    unary!(hard_tanh, Normal),
    Operation {
        name: "glu",
        generate: |d| {
            let mut shape = d.shape(1, 3);
            let dim = d.axis(shape.len());
            let at = axis(dim, shape.len());
            shape[at] *= 2;
            d.input(&shape, Normal);
            case!(d, [dim], |x| x[0].glu(dim))
        },
    },
];
