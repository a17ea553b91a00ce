//! Cases of matrix products: broadcast batches, empty extents.

use super::draws::Domain::Normal;
use super::draws::case;
use super::operation::Operation;

pub(super) const OPERATIONS: &[Operation] = &[
    Operation {
        name: "matmul",
        generate: |d| {
            let [mut a, mut b] = d.operands(2);
            let (m, k, n) = (d.extent(), d.extent(), d.extent());
            a.extend([m, k]);
            b.extend([k, n]);
            d.input(&a, Normal);
            d.input(&b, Normal);
            case!(d, [], |x| x[0].matmul(&x[1]))
        },
    },
    Operation {
        name: "linear",
        generate: |d| {
            let mut shape = d.shape(0, 3);
            let (from, to) = (d.extent(), d.extent());
            shape.push(from);
            d.input(&shape, Normal);
            d.input(&[to, from], Normal);
            if d.coin() {
                return case!(d, [], |x| x[0].linear(&x[1], None));
            }
            d.input(&[to], Normal);
            case!(d, [], |x| x[0].linear(&x[1], Some(&x[2])))
        },
    },
];
