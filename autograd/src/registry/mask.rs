//! Cases of masks and triangles.

use super::draws::Domain::Normal;
use super::draws::{Draws, case};
use super::operation::Operation;

/// An input and a mask that broadcasts to it.
fn masked(d: &mut Draws) {
    let shape = d.shape(0, 3);
    d.input(&shape, Normal);
    let mask = d.broadcasts_to(&shape);
    d.index(&mask, 2);
}

/// A triangle of any matrices, with a diagonal that may lie beyond them.
macro_rules! triangle {
    ($name:ident) => {
        Operation {
            name: stringify!($name),
            generate: |d| {
                let shape = d.shape(2, 4);
                d.input(&shape, Normal);
                let diagonal = d.below(9) as isize - 4;
                case!(d, [diagonal], |x| x[0].$name(diagonal))
            },
        }
    };
}

pub(super) const OPERATIONS: &[Operation] = &[
    Operation {
        name: "masked_fill",
        generate: |d| {
            masked(d);
            let value = d.pick(&[0.0, -8.0, 2.5]);
            case!(d, [value], |x| x[0].masked_fill(x[1].tensor(), value))
        },
    },
    Operation {
        name: "masked_mean",
        generate: |d| {
            masked(d);
            case!(d, [], |x| x[0].masked_mean(x[1].tensor()))
        },
    },
    triangle!(tril),
    triangle!(triu),
];
