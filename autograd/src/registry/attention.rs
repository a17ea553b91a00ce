//! Cases of attention: fused, packed and composed; masks of both kinds that broadcast, causal, rows that see nothing.

use super::case::Case;
use super::draws::Domain::Normal;
use super::draws::{Draws, case};
use super::operation::Operation;
use crate::graph::Var;

/// What follows q, k and v.
enum Mask {
    None,
    /// One that is used as it is.
    Plain,
    /// Numbers, and which of them become −∞.
    Holed,
}

/// q, k, v, and perhaps a mask.
fn inputs(d: &mut Draws) -> Mask {
    let [batch, heads] = [1 + d.below(2), 1 + d.below(2)];
    let [queries, keys, dim] = [d.positive(), d.positive(), d.positive()];
    // Now and then one head of keys and values serves all of the queries'.
    let shared = if d.once_in(4) { 1 } else { heads };
    d.input(&[batch, heads, queries, dim], Normal);
    d.input(&[batch, shared, keys, dim], Normal);
    d.input(&[batch, shared, keys, dim], Normal);
    let mask = d.broadcasts_to(&[batch, heads, queries, keys]);
    match d.below(4) {
        0 => return Mask::None,
        1 => d.index(&mask, 2),
        kind => {
            d.fixed_input(&mask, Normal);
            if kind == 3 {
                d.index(&mask, 2);
                return Mask::Holed;
            }
        }
    }
    Mask::Plain
}

fn attention(d: &mut Draws) -> Case {
    let mask = inputs(d);
    let (scale, causal) = (d.pick(&[0.35, 1.5, -0.5]), d.coin());
    match mask {
        Mask::None => case!(d, [scale, causal], |x| x[0].attention(&x[1], &x[2], None, scale, causal)),
        Mask::Plain => case!(d, [scale, causal], |x| x[0].attention(&x[1], &x[2], Some(x[3].tensor()), scale, causal)),
        Mask::Holed => case!(d, [scale, causal], |x| {
            let mask = x[4].tensor().where_(x[3].tensor(), &x[3].tensor().scalar_like(f64::NEG_INFINITY));
            x[0].attention(&x[1], &x[2], Some(&mask), scale, causal)
        }),
    }
}

fn composed(d: &mut Draws) -> Case {
    let mask = inputs(d);
    let (scale, causal) = (d.pick(&[0.35, 1.5, -0.5]), d.coin());
    match mask {
        Mask::None => case!(d, [scale, causal], |x| x[0].attention_composed(&x[1], &x[2], None, scale, causal)),
        Mask::Plain => {
            case!(d, [scale, causal], |x| { x[0].attention_composed(&x[1], &x[2], Some(x[3].tensor()), scale, causal) })
        }
        Mask::Holed => case!(d, [scale, causal], |x| {
            let mask = x[4].tensor().where_(x[3].tensor(), &x[3].tensor().scalar_like(f64::NEG_INFINITY));
            x[0].attention_composed(&x[1], &x[2], Some(&mask), scale, causal)
        }),
    }
}

fn biased(d: &mut Draws) -> Case {
    let [batch, heads] = [1 + d.below(2), 1 + d.below(2)];
    let [queries, keys, dim] = [d.positive(), d.positive(), d.positive()];
    d.input(&[batch, heads, queries, dim], Normal);
    d.input(&[batch, heads, keys, dim], Normal);
    d.input(&[batch, heads, keys, dim], Normal);
    let bias = d.broadcasts_to(&[batch, heads, queries, keys]);
    d.input(&bias, Normal);
    let (scale, causal) = (d.pick(&[0.35, 1.0, -0.5]), d.coin());
    if d.coin() {
        return case!(d, [scale, causal], |x| x[0].biased_attention(&x[1], &x[2], &x[3], scale, causal));
    }
    d.index(&bias, 2);
    case!(d, [scale, causal], |x| {
        let hidden = Var::constant(&x[3].tensor().scalar_like(f64::NEG_INFINITY));
        x[0].biased_attention(&x[1], &x[2], &x[4].where_(&x[3], &hidden), scale, causal)
    })
}

pub(super) const OPERATIONS: &[Operation] = &[
    Operation { name: "attention", generate: attention },
    Operation { name: "biased_attention", generate: biased },
    Operation { name: "attention_composed", generate: composed },
    Operation {
        name: "packed_attention",
        generate: |d| {
            let shape = [1 + d.below(2), d.positive(), 3, 1 + d.below(2), d.positive()];
            d.input(&shape, Normal);
            let (scale, causal) = (d.pick(&[0.35, 1.0, -0.5]), d.coin());
            case!(d, [scale, causal], |x| x[0].packed_attention(scale, causal))
        },
    },
];
