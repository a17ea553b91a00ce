//! Attention by its definition, a query at a time.

use super::tree_sum;
use crate::cpu::{Input, Output};
use crate::dtype::Float;
use crate::plan::{Attention, AttentionBackward, MaskKind};

/// Where q, k, v and o keep row `r` of (batch, head): packed or apart.
struct Offsets<'a>(&'a Attention);

impl Offsets<'_> {
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

/// One head, as its scores are made.
struct Head<'a, T> {
    p: &'a Attention,
    q: &'a [T],
    k: &'a [T],
    v: &'a [T],
    mask: Option<&'a Input<'a>>,
    b: usize,
    h: usize,
}

impl<'a, T: Float> Head<'a, T> {
    /// Head `i` of batch · heads.
    fn new(p: &'a Attention, [q, k, v]: [&'a Input<'a>; 3], mask: Option<&'a Input<'a>>, i: usize) -> Head<'a, T> {
        Head { p, q: q.values::<T>(), k: k.values::<T>(), v: v.values::<T>(), mask, b: i / p.heads, h: i % p.heads }
    }

    /// Where row `r` of part 0 (q), 1 (k) or 2 (v) lies.
    fn at(&self, part: usize, r: usize) -> usize {
        Offsets(self.p).part(part, self.b, self.h, r)
    }

    /// Where row `r` of o lies.
    fn output(&self, r: usize) -> usize {
        Offsets(self.p).output(self.b, self.h, r)
    }

    /// The keys that query `i` sees, with their scores in the plan's units.
    fn scores(&self, i: usize) -> Vec<(usize, T)> {
        let (p, qi) = (self.p, self.at(0, i));
        let factor = T::from_f64(p.units().0);
        let score = |j: usize| {
            let bias = self.bias(i, j)?;
            let kj = self.at(1, j);
            Some((j, factor * tree_sum(p.dim, &|d| self.q[qi + d] * self.k[kj + d]) + bias))
        };
        (0..p.reach(i)).filter_map(score).collect()
    }

    /// What the mask adds to the score of a query and a key; `None` where it hides the key.
    fn bias(&self, i: usize, j: usize) -> Option<T> {
        let (Some(m), Some(input)) = (&self.p.mask, self.mask) else { return Some(T::ZERO) };
        let at = self.b * m.strides[0] + self.h * m.strides[1] + i * m.strides[2] + j;
        match m.kind {
            MaskKind::Bool => (input.from_offset::<u32>()[at] != 0).then_some(T::ZERO),
            MaskKind::Additive => Some(input.from_offset::<T>()[at]).filter(|b| b.to_f64() != f64::NEG_INFINITY),
        }
    }
}

/// Forward.
pub fn forward<T: Float>(p: &Attention, inputs: &[Input<'_>], outputs: &mut [Output<'_>]) {
    (0..p.batch * p.heads).for_each(|i| head::<T>(p, inputs, outputs, i));
}

/// Forward, head `i` of batch · heads alone.
pub fn head<T: Float>(p: &Attention, inputs: &[Input<'_>], outputs: &mut [Output<'_>], i: usize) {
    let (parts, rest) = split(p, inputs);
    let head = Head::<T>::new(p, parts, rest.first(), i);
    let [o, stats] = outputs else { unreachable!("o and the statistics") };
    let (o, stats) = (o.values::<T>(), stats.values::<T>());
    let unit = T::from_f64(p.units().1);
    for r in 0..p.queries {
        let (scores, at, row) = (head.scores(r), head.output(r), 2 * (i * p.queries + r));
        let Some(top) = scores.iter().map(|(_, s)| *s).reduce(|a, b| if b > a { b } else { a }) else {
            o[at..at + p.dim].fill(T::ZERO);
            (stats[row], stats[row + 1]) = (T::from_f64(f64::from(f32::MIN)), T::ZERO);
            continue;
        };
        let weights: Vec<T> = scores.iter().map(|(_, s)| (unit * (*s - top)).exp()).collect();
        let sum = tree_sum(weights.len(), &|n| weights[n]);
        for d in 0..p.dim {
            let seen = |n: usize| weights[n] * head.v[head.at(2, scores[n].0) + d];
            o[at + d] = tree_sum(weights.len(), &seen) / sum;
        }
        (stats[row], stats[row + 1]) = (if sum.is_nan() { sum } else { top }, sum);
    }
}

/// The gradient of part 0, 1 or 2.
fn target<'o, T: Float>(p: &Attention, outputs: &'o mut [Output<'_>], part: usize) -> &'o mut [T] {
    outputs[if p.packed { 0 } else { part }].values::<T>()
}

/// Backward: `P = e^(unit (s − top)) / Σ`, `dS = P (dO·V − dO·O)`, `dV = Pᵀ dO`, `dQ = scale dS K`, `dK = scale dSᵀ Q`.
pub fn backward<T: Float>(p: &AttentionBackward, inputs: &[Input<'_>], outputs: &mut [Output<'_>]) {
    (0..p.0.batch * p.0.heads).for_each(|i| head_backward::<T>(&p.0, inputs, outputs, i));
}

/// Backward, head `i` of batch · heads alone.
pub fn head_backward<T: Float>(p: &Attention, inputs: &[Input<'_>], outputs: &mut [Output<'_>], i: usize) {
    let (parts, rest) = split(p, inputs);
    let head = Head::<T>::new(p, parts, rest.get(3), i);
    let [o, stats, go] = [0, 1, 2].map(|n| rest[n].values::<T>());
    let (scale, unit) = (T::from_f64(p.scale), T::from_f64(p.units().1));
    for (part, rows) in [(0, p.queries), (1, p.keys), (2, p.keys)] {
        let out = target::<T>(p, outputs, part);
        (0..rows).for_each(|r| out[head.at(part, r)..][..p.dim].fill(T::ZERO));
    }
    for r in 0..p.queries {
        let (qi, at) = (head.at(0, r), head.output(r));
        let [top, sum] = [0, 1].map(|n| stats[2 * (i * p.queries + r) + n]);
        let delta = tree_sum(p.dim, &|d| go[at + d] * o[at + d]);
        for (j, score) in head.scores(r) {
            let (kj, vj) = (head.at(1, j), head.at(2, j));
            let weight = (unit * (score - top)).exp() / sum;
            let ds = scale * weight * (tree_sum(p.dim, &|d| go[at + d] * head.v[vj + d]) - delta);
            for d in 0..p.dim {
                target::<T>(p, outputs, 0)[qi + d] += ds * head.k[kj + d];
                target::<T>(p, outputs, 1)[kj + d] += ds * head.q[qi + d];
                target::<T>(p, outputs, 2)[vj + d] += weight * go[at + d];
            }
        }
    }
}
