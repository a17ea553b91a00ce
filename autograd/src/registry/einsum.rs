//! Cases of Einstein's summation: products of matrices and batches, outer products, diagonals, traces, sums, three operands.

use super::draws::Domain::Normal;
use super::draws::case;
use super::operation::Operation;
use crate::graph::Var;

const EQUATIONS: &[&str] = &[
    "ij,jk->ik",
    "bij,bjk->bik",
    "bij,bkj->bki",
    "bhqd,bhkd->bhqk",
    "i,j->ij",
    "i,i->",
    "i,i->i",
    "ij->ji",
    "ij->",
    "ij->j",
    "ii->i",
    "ii",
    "iij,j->i",
    "ij,jk",
    "abc,cd,de->abe",
    "ab,b,a->",
    "ab,cd->db",
];

pub(super) const OPERATIONS: &[Operation] = &[Operation {
    name: "einsum",
    generate: |d| {
        let equation = d.pick(EQUATIONS);
        let mut extents = vec![];
        for _ in 0..26 {
            extents.push(d.extent());
        }
        let operands = equation.split("->").next().expect("split gives a part");
        for term in operands.split(',') {
            let shape: Vec<usize> = term.bytes().map(|c| extents[usize::from(c - b'a')]).collect();
            d.input(&shape, Normal);
        }
        case!(d, [equation], |x| Var::einsum(equation, &x.iter().collect::<Vec<_>>()))
    },
}];
