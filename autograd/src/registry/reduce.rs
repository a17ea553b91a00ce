//! Cases of reductions: any axes in any order, kept or not; empty ones too, where the result has a value.

use super::draws::Domain::{Normal, Sparse};
use super::draws::{Domain, Draws, case};
use super::operation::Operation;

/// A reduction of any shape, or with `full_shape` of any that is not empty.
macro_rules! reduction {
    ($name:ident = $method:ident, $shape:ident, $domain:expr) => {
        Operation {
            name: stringify!($name),
            generate: |d| {
                let shape = d.$shape(0, 4);
                let (axes, keepdim) = input_and_axes(d, &shape, $domain);
                case!(d, [axes, keepdim], |x| x[0].$method(&axes, keepdim))
            },
        }
    };
}

/// A moment about the mean; the axes have at least `least` elements each.
macro_rules! moment {
    ($name:ident = $method:ident, $least:expr) => {
        Operation {
            name: stringify!($name),
            generate: |d| {
                let shape: Vec<usize> = d.full_shape(1, 3).iter().map(|n| n.max(&$least)).copied().collect();
                d.distinct_input(&shape, Normal);
                let (axes, keepdim) = (d.axes(shape.len()), d.coin());
                let reduced =
                    |i: usize| axes.is_empty() || axes.iter().any(|a| a.rem_euclid(shape.len() as isize) == i as isize);
                let n: usize = (0..shape.len()).filter(|i| reduced(*i)).map(|i| shape[i]).product();
                let correction = if n > 1 { d.pick(&[0.0, 1.0]) } else { 0.0 };
                case!(d, [axes, correction, keepdim], |x| x[0].$method(&axes, correction, keepdim))
            },
        }
    };
}

fn input_and_axes(d: &mut Draws, shape: &[usize], domain: Domain) -> (Vec<isize>, bool) {
    d.input(shape, domain);
    (d.axes(shape.len()), d.coin())
}

pub(super) const OPERATIONS: &[Operation] = &[
    reduction!(sum = sum_axes, shape, Normal),
    reduction!(mean = mean_axes, full_shape, Normal),
    reduction!(sum_squares = sum_squares_axes, shape, Normal),
    reduction!(prod = prod_axes, shape, Sparse),
    reduction!(max = max_axes, full_shape, Normal),
    reduction!(min = min_axes, full_shape, Normal),
    reduction!(logsumexp = logsumexp_axes, full_shape, Normal),
    moment!(var = var_axes, 1),
    moment!(std = std_axes, 2),
    Operation {
        name: "norm",
        generate: |d| {
            let shape = d.shape(0, 3);
            d.input(&shape, Sparse);
            case!(d, [], |x| x[0].norm())
        },
    },
    Operation {
        name: "cumsum",
        generate: |d| {
            let shape = d.shape(1, 3);
            d.input(&shape, Normal);
            let (dim, reverse) = (d.axis(shape.len()), d.coin());
            case!(d, [dim, reverse], |x| x[0].cumsum(dim, reverse))
        },
    },
];
