//! Cases of resizing.

use super::draws::Domain::Normal;
use super::draws::{Draws, case};
use super::operation::Operation;

/// An image batch, and the size that it shall have.
fn image(d: &mut Draws) -> [usize; 2] {
    let shape = [d.extent().min(2), 1 + d.below(2), d.positive(), d.positive()];
    d.input(&shape, Normal);
    [1 + d.below(7), 1 + d.below(7)]
}

pub(super) const OPERATIONS: &[Operation] = &[
    Operation {
        name: "interpolate_nearest",
        generate: |d| {
            let size = image(d);
            case!(d, [size], |x| x[0].interpolate_nearest(size))
        },
    },
    Operation {
        name: "interpolate_bilinear",
        generate: |d| {
            let (size, align_corners) = (image(d), d.coin());
            case!(d, [size, align_corners], |x| x[0].interpolate_bilinear(size, align_corners))
        },
    },
];
