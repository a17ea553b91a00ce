//! Cases of elementwise operations: any shape, broadcast operands, scalars of every regime.

use super::draws::Domain::{Away, Normal, Positive, Within};
use super::draws::{Domain, Draws, case};
use super::operation::Operation;

/// An operation of one input.
macro_rules! unary {
    ($name:ident, $domain:expr) => {
        Operation {
            name: stringify!($name),
            generate: |d| {
                one(d, $domain);
                case!(d, [], |x| x[0].$name())
            },
        }
    };
}

pub(super) use unary;

/// An operation of two that broadcast.
macro_rules! binary {
    ($name:ident, $a:expr, $b:expr) => {
        Operation {
            name: stringify!($name),
            generate: |d| {
                let [a, b] = d.operands(3);
                d.input(&a, $a);
                d.input(&b, $b);
                case!(d, [], |x| x[0].$name(&x[1]))
            },
        }
    };
}

pub(super) use binary;

/// An operation of one input and a number.
macro_rules! scalar {
    ($name:ident) => {
        Operation {
            name: stringify!($name),
            generate: |d| {
                one(d, Normal);
                let c = d.pick(&[0.0, 1.0, -2.5, 0.3]);
                case!(d, [c], |x| x[0].$name(c))
            },
        }
    };
}

pub(super) fn one(d: &mut Draws, domain: Domain) {
    let shape = d.shape(0, 3);
    d.input(&shape, domain);
}

pub(super) const OPERATIONS: &[Operation] = &[
    unary!(neg, Normal),
    unary!(abs, Normal),
    unary!(square, Normal),
    unary!(log, Positive),
    unary!(log1p, Within(-0.5, 2.0)),
    unary!(sin, Within(-4.0, 4.0)),
    unary!(cos, Within(-4.0, 4.0)),
    unary!(softplus, Within(-6.0, 6.0)),
    unary!(erf, Normal),
    unary!(gelu, Within(-5.0, 5.0)),
    unary!(gelu_grad, Within(-5.0, 5.0)),
    unary!(exp, Normal),
    unary!(expm1, Normal),
    unary!(sqrt, Positive),
    unary!(rsqrt, Positive),
    unary!(recip, Away),
    unary!(tanh, Normal),
    unary!(sigmoid, Within(-6.0, 6.0)),
    unary!(relu, Normal),
    scalar!(add_scalar),
    scalar!(mul_scalar),
    scalar!(rsub_scalar),
    binary!(add, Normal, Normal),
    binary!(sub, Normal, Normal),
    binary!(mul, Normal, Normal),
    binary!(div, Normal, Away),
    binary!(maximum, Normal, Normal),
    binary!(minimum, Normal, Normal),
    binary!(pow, Positive, Normal),
    Operation {
        name: "pow_scalar",
        generate: |d| {
            let (c, domain) = d.pick(&[
                (0.0, Normal),
                (1.0, Normal),
                (2.0, Normal),
                (3.0, Normal),
                (-1.0, Away),
                (-1.5, Positive),
                (0.5, Positive),
            ]);
            one(d, domain);
            case!(d, [c], |x| x[0].pow_scalar(c))
        },
    },
    Operation {
        name: "clamp",
        generate: |d| {
            one(d, Normal);
            let (low, high) = d.pick(&[(-0.5, 0.5), (0.0, f64::INFINITY), (f64::NEG_INFINITY, 1.0), (-9.0, 9.0)]);
            case!(d, [low, high], |x| x[0].clamp(low, high))
        },
    },
    Operation {
        name: "where",
        generate: |d| {
            let shape = d.shape(0, 3);
            let condition = d.broadcasts_to(&shape);
            d.index(&condition, 2);
            for _ in 0..2 {
                let operand = d.broadcasts_to(&shape);
                d.input(&operand, Normal);
            }
            case!(d, [], |x| x[0].where_(&x[1], &x[2]))
        },
    },
    Operation {
        name: "sum_to",
        generate: |d| {
            let from = d.shape(0, 4);
            let shape = d.broadcasts_to(&from);
            d.input(&from, Normal);
            case!(d, [shape], |x| x[0].sum_to(&shape))
        },
    },
];
