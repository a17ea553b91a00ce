//! Cases of attention: fused, packed and composed; masks of both kinds that broadcast, causal, rows that see nothing.

use super::draws::Domain::Normal;
use super::draws::{Draws, case};
use super::{Case, Operation};

/// q, k, v, and perhaps a mask.
fn inputs(d: &mut Draws) -> bool {
    let [batch, heads] = [1 + d.below(2), 1 + d.below(2)];
    let [queries, keys, dim] = [d.positive(), d.positive(), d.positive()];
    // Now and then one head of keys and values serves all of the queries'.
    let shared = if d.once_in(4) { 1 } else { heads };
    d.input(&[batch, heads, queries, dim], Normal);
    d.input(&[batch, shared, keys, dim], Normal);
    d.input(&[batch, shared, keys, dim], Normal);
    let mask = d.broadcasts_to(&[batch, heads, queries, keys]);
    match d.below(3) {
        0 => return false,
        1 => d.index(&mask, 2),
        _ => d.fixed_input(&mask, Normal),
    }
    true
}

fn attention(d: &mut Draws) -> Case {
    let masked = inputs(d);
    let (scale, causal) = (d.pick(&[0.35, 1.0]), d.coin());
    if masked {
        return case!(d, [scale, causal], |x| x[0].attention(&x[1], &x[2], Some(x[3].tensor()), scale, causal));
    }
    case!(d, [scale, causal], |x| x[0].attention(&x[1], &x[2], None, scale, causal))
}

fn composed(d: &mut Draws) -> Case {
    let masked = inputs(d);
    let (scale, causal) = (d.pick(&[0.35, 1.0]), d.coin());
    if masked {
        return case!(d, [scale, causal], |x| x[0].attention_composed(
            &x[1],
            &x[2],
            Some(x[3].tensor()),
            scale,
            causal
        ));
    }
    case!(d, [scale, causal], |x| x[0].attention_composed(&x[1], &x[2], None, scale, causal))
}

fn biased(d: &mut Draws) -> Case {
    let [batch, heads] = [1 + d.below(2), 1 + d.below(2)];
    let [queries, keys, dim] = [d.positive(), d.positive(), d.positive()];
    d.input(&[batch, heads, queries, dim], Normal);
    d.input(&[batch, heads, keys, dim], Normal);
    d.input(&[batch, heads, keys, dim], Normal);
    let bias = d.broadcasts_to(&[batch, heads, queries, keys]);
    d.input(&bias, Normal);
    let (scale, causal) = (d.pick(&[0.35, 1.0]), d.coin());
    case!(d, [scale, causal], |x| x[0].biased_attention(&x[1], &x[2], &x[3], scale, causal))
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
            let (scale, causal) = (d.pick(&[0.35, 1.0]), d.coin());
            case!(d, [scale, causal], |x| x[0].packed_attention(scale, causal))
        },
    },
];
