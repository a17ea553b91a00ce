//! Attention by its definition, a query at a time.

use super::tree_sum;
use crate::cpu::{Input, Output};
use crate::dtype::Float;
use crate::plan::{Attention, AttentionBackward, MaskKind};

/// Where q, k, v and o keep row `r` of (batch, head): packed or apart.
struct Places<'a>(&'a Attention);

impl Places<'_> {
    fn apart(&self, rows: usize, b: usize, h: usize, r: usize) -> usize {
        ((b * self.0.heads + h) * rows + r) * self.0.dim
    }
    /// Row `r` of part 0 (q), 1 (k) or 2 (v).
    fn part(&self, part: usize, b: usize, h: usize, r: usize) -> usize {
        let p = self.0;
        match (p.packed, part) {
            (true, _) => (((b * p.queries + r) * 3 + part) * p.heads + h) * p.dim,
            (false, 0) => self.apart(p.queries, b, h, r),
            (false, _) => self.apart(p.keys, b, h, r),
        }
    }
    fn output(&self, b: usize, h: usize, r: usize) -> usize {
        let p = self.0;
        if p.packed { ((b * p.queries + r) * p.heads + h) * p.dim } else { self.apart(p.queries, b, h, r) }
    }
}

/// The input of part 0, 1 or 2, and of whatever follows.
fn split<'a>(p: &Attention, inputs: &'a [Input<'a>]) -> ([&'a Input<'a>; 3], &'a [Input<'a>]) {
    if p.packed { ([&inputs[0]; 3], &inputs[1..]) } else { ([&inputs[0], &inputs[1], &inputs[2]], &inputs[3..]) }
}

/// The score of (query, key) before the softmax, or `None` where the key is hidden.
fn score<T: Float>(
    p: &Attention,
    dot: T,
    mask: Option<&Input<'_>>,
    b: usize,
    h: usize,
    i: usize,
    j: usize,
) -> Option<T> {
    if p.causal && j > i {
        return None;
    }
    let scaled = dot * T::from_f64(p.scale);
    let (Some(m), Some(input)) = (&p.mask, mask) else { return Some(scaled) };
    let at = b * m.strides[0] + h * m.strides[1] + i * m.strides[2] + j;
    match m.kind {
        MaskKind::Bool => (input.from_offset::<u32>()[at] != 0).then_some(scaled),
        MaskKind::Additive => Some(scaled + input.from_offset::<T>()[at]),
    }
}

/// Visits every (batch, head).
fn heads(p: &Attention, mut f: impl FnMut(usize, usize)) {
    for b in 0..p.batch {
        for h in 0..p.heads {
            f(b, h);
        }
    }
}

/// Forward.
pub fn forward<T: Float>(p: &Attention, inputs: &[Input<'_>], outputs: &mut [Output<'_>]) {
    let ([q, k, v], rest) = split(p, inputs);
    let (q, k, v) = (q.values::<T>(), k.values::<T>(), v.values::<T>());
    let [o, lse] = outputs else { unreachable!("o and lse") };
    let (o, lse) = (o.values::<T>(), lse.values::<T>());
    let place = Places(p);
    heads(p, |b, h| {
        for i in 0..p.queries {
            let qi = place.part(0, b, h, i);
            let scores: Vec<Option<T>> = (0..p.keys)
                .map(|j| {
                    let kj = place.part(1, b, h, j);
                    score(p, tree_sum(p.dim, &|d| q[qi + d] * k[kj + d]), rest.first(), b, h, i, j)
                })
                .collect();
            let top = scores.iter().flatten().copied().reduce(|a, b| if b > a { b } else { a });
            let top = top.filter(|top| top.to_f64() != f64::NEG_INFINITY); // an additive mask may hide everything, too
            let at = place.output(b, h, i);
            let row = (b * p.heads + h) * p.queries + i;
            let Some(top) = top else {
                o[at..at + p.dim].fill(T::ZERO);
                lse[row] = T::from_f64(1e30);
                continue;
            };
            let weights: Vec<T> = scores.iter().map(|s| s.map_or(T::ZERO, |s| (s - top).exp())).collect();
            let sum = tree_sum(p.keys, &|j| weights[j]);
            for d in 0..p.dim {
                o[at + d] = tree_sum(p.keys, &|j| weights[j] * v[place.part(2, b, h, j) + d]) / sum;
            }
            lse[row] = top + sum.ln();
        }
    });
}

/// Backward: `P = e^(s − lse)`, `dS = P (dO·V − dO·O)`, `dV = Pᵀ dO`, `dQ = scale dS K`, `dK = scale dSᵀ Q`.
pub fn backward<T: Float>(p: &AttentionBackward, inputs: &[Input<'_>], outputs: &mut [Output<'_>]) {
    let p = &p.0;
    let ([q, k, v], rest) = split(p, inputs);
    let (q, k, v) = (q.values::<T>(), k.values::<T>(), v.values::<T>());
    let [o, lse, go] = [0, 1, 2].map(|i| rest[i].values::<T>());
    let scale = T::from_f64(p.scale);
    let place = Places(p);
    outputs.iter_mut().for_each(|o| o.values::<T>().fill(T::ZERO));
    let target = |part: usize| if p.packed { 0 } else { part };
    heads(p, |b, h| {
        for i in 0..p.queries {
            let (qi, at) = (place.part(0, b, h, i), place.output(b, h, i));
            let lse = lse[(b * p.heads + h) * p.queries + i];
            let delta = tree_sum(p.dim, &|d| go[at + d] * o[at + d]);
            for j in 0..p.keys {
                let (kj, vj) = (place.part(1, b, h, j), place.part(2, b, h, j));
                let dot = tree_sum(p.dim, &|d| q[qi + d] * k[kj + d]);
                let Some(s) = score(p, dot, rest.get(3), b, h, i, j) else { continue };
                let weight = (s - lse).exp();
                let ds = scale * weight * (tree_sum(p.dim, &|d| go[at + d] * v[vj + d]) - delta);
                for d in 0..p.dim {
                    outputs[target(0)].values::<T>()[qi + d] += ds * k[kj + d];
                    outputs[target(1)].values::<T>()[kj + d] += ds * q[qi + d];
                    outputs[target(2)].values::<T>()[vj + d] += weight * go[at + d];
                }
            }
        }
    });
}
