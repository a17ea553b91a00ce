//! Cases of reading and adding by index: repeated indices, indices smaller than what they read.

use super::case::Case;
use super::draws::Domain::Normal;
use super::draws::{Draws, axis, case};
use super::operation::Operation;

pub(super) const OPERATIONS: &[Operation] = &[
    Operation {
        name: "gather",
        generate: |d| {
            let shape = d.full_shape(1, 3);
            let dim = d.axis(shape.len());
            d.input(&shape, Normal);
            let (index, n) = smaller(d, &shape, dim);
            d.index(&index, n);
            case!(d, [dim], |x| x[0].gather(dim, x[1].tensor()))
        },
    },
    Operation {
        name: "scatter_add",
        generate: |d| {
            let shape = d.full_shape(1, 3);
            let dim = d.axis(shape.len());
            d.input(&shape, Normal);
            let (index, n) = smaller(d, &shape, dim);
            d.index(&index, n);
            let src: Vec<usize> = index.iter().map(|n| n + if d.once_in(4) { 2 } else { 0 }).collect();
            d.input(&src, Normal);
            case!(d, [dim], |x| x[0].scatter_add(dim, x[1].tensor(), &x[2]))
        },
    },
    Operation {
        name: "scatter",
        generate: |d| {
            let shape = d.full_shape(1, 3);
            let (dim, rank) = (d.axis(shape.len()), shape.len());
            d.input(&shape, Normal);
            // Places of one line are distinct: a permutation of the axis, cut off, for each.
            let at = axis(dim, rank);
            let mut index = shape.clone();
            index[at] = d.below(shape[at] + 1);
            let lines: usize = shape.iter().product::<usize>() / shape[at];
            let orders: Vec<Vec<usize>> = (0..lines).map(|_| d.permutation(shape[at])).collect();
            let inner: usize = shape[at + 1..].iter().product();
            let count: usize = index.iter().product();
            let number = |i: usize| {
                let (outer, rest) = (i / (index[at] * inner), i % (index[at] * inner));
                orders[outer * inner + rest % inner][rest / inner] as u32
            };
            let numbers: Vec<u32> = (0..count).map(number).collect();
            d.integers(&numbers, &index);
            d.input(&index, Normal);
            case!(d, [dim], |x| x[0].scatter(dim, x[1].tensor(), &x[2]))
        },
    },
    Operation {
        name: "topk",
        generate: |d| {
            let shape = d.full_shape(1, 3);
            let dim = d.axis(shape.len());
            d.distinct_input(&shape, Normal);
            let k = d.below(shape[axis(dim, shape.len())] + 1);
            case!(d, [k, dim], |x| x[0].topk(k, dim).0)
        },
    },
    Operation {
        name: "index_select",
        generate: |d| {
            let (dim, _, count) = along(d);
            d.index(&[count[0]], count[1]);
            case!(d, [dim], |x| x[0].index_select(dim, x[1].tensor()))
        },
    },
    Operation { name: "index_add", generate: index_add },
    Operation {
        name: "embedding",
        generate: |d| {
            let (rows, dim) = (d.positive(), d.extent());
            d.input(&[rows, dim], Normal);
            let index = d.shape(0, 3);
            d.index(&index, rows);
            case!(d, [], |x| x[0].embedding(x[1].tensor()))
        },
    },
];

fn index_add(d: &mut Draws) -> Case {
    let (dim, mut shape, [count, n]) = along(d);
    d.index(&[count], n);
    let at = axis(dim, shape.len());
    shape[at] = count;
    d.input(&shape, Normal);
    case!(d, [dim], |x| x[0].index_add(dim, x[1].tensor(), &x[2]))
}

/// An input whose axis `dim` is not empty, its shape, and (how many indices, how far they reach).
fn along(d: &mut Draws) -> (isize, Vec<usize>, [usize; 2]) {
    let mut shape = d.shape(1, 3);
    let dim = d.axis(shape.len());
    let at = axis(dim, shape.len());
    shape[at] = d.positive();
    d.input(&shape, Normal);
    let n = shape[at];
    (dim, shape, [d.extent(), n])
}

/// The shape of an index into `shape`: at most as large on other axes, of any extent on `dim`; and the extent of that axis.
fn smaller(d: &mut Draws, shape: &[usize], dim: isize) -> (Vec<usize>, usize) {
    let at = axis(dim, shape.len());
    let mut index: Vec<usize> = shape.iter().map(|&n| if d.once_in(3) { d.below(n + 1) } else { n }).collect();
    index[at] = d.extent();
    (index, shape[at])
}
