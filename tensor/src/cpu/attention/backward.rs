//! The backward pass: dV += Pᵀ dO, dK += dSᵀ Q, dQ = dS K, by the same blocks. No transpose of scores is ever made.

#![allow(unsafe_code)]

use super::blocks::{LINE, ROWS, key_block, visible};
use super::heads::{HeadRows, Part, RowLayout, transposed};
use super::mask::HeadMask;
use super::rows::{Dots, Gradients, ScoreBlock};
use crate::cpu::gemm::{Sweep, copy_row, panel_width};
use crate::cpu::levels::{Level, dispatch_at};
use crate::cpu::scratch::Scratch;
use crate::cpu::tasks::share;
use crate::cpu::threads::{Parts, parallel};
use crate::cpu::{Input, Output};
use crate::plan::Attention;
use std::ops::Range;

/// Runs a plan that is not empty.
pub fn run(level: Level, p: &Attention, inputs: &[Input<'_>], outputs: &mut [Output<'_>]) {
    let parts = [0, 1, 2].map(|i| inputs[if p.packed { 0 } else { i }].values::<f32>());
    let rest = &inputs[if p.packed { 1 } else { 3 }..];
    let [o, stats, go] = [0, 1, 2].map(|i| rest[i].values::<f32>());
    let stats = stats.as_chunks::<2>().0;
    let targets: Vec<Parts<f32>> = outputs.iter_mut().map(|o| Parts::new(o.values::<f32>())).collect();
    parallel(p.batch * p.heads, |i| {
        let head = Head::new(level, p, parts, [o, go], rest.get(3), i);
        let [mut dk, mut dv] = [0; 2].map(|_: usize| Scratch::zeros(p.keys * head.width));
        let target = |part: Part| targets[if p.packed { 0 } else { part as usize }];
        let blocks = p.queries.div_ceil(ROWS);
        for block in 0..blocks {
            let queries = share(p.queries, blocks, block);
            let dq = head.queries(queries.clone(), &stats[i * p.queries..(i + 1) * p.queries], &mut dk, &mut dv);
            let layout = RowLayout::of(p, Part::Q, i);
            leave(&dq, head.width, p.dim, queries.map(|r| layout.row(r, p.dim)), target(Part::Q));
        }
        for (part, rows) in [(Part::K, &dk), (Part::V, &dv)] {
            let layout = RowLayout::of(p, part, i);
            leave(rows, head.width, p.dim, (0..p.keys).map(|r| layout.row(r, p.dim)), target(part));
        }
    });
}

/// Copies rows to these ranges, which are those of one head.
fn leave(rows: &[f32], width: usize, dim: usize, ranges: impl Iterator<Item = Range<usize>>, out: Parts<f32>) {
    for (row, range) in rows.chunks_exact(width).zip(ranges) {
        // SAFETY: each head is one task, and the rows of all heads and parts are disjoint.
        copy_row(unsafe { out.range(range) }, &row[..dim]);
    }
}

/// One head, ready for its queries.
struct Head<'a> {
    level: Level,
    p: &'a Attention,
    /// Floats of a row in whole vectors.
    width: usize,
    q: HeadRows<'a>,
    k: HeadRows<'a>,
    o: HeadRows<'a>,
    go: HeadRows<'a>,
    /// The keys and the values, transposed into panels.
    keys: Scratch,
    values: Scratch,
    mask: HeadMask<'a>,
}

impl<'a> Head<'a> {
    fn new(
        level: Level,
        p: &'a Attention,
        parts: [&'a [f32]; 3],
        [o, go]: [&'a [f32]; 2],
        mask: Option<&Input<'a>>,
        i: usize,
    ) -> Head<'a> {
        let nr = panel_width(level);
        let width = p.dim.next_multiple_of(nr / 2);
        let rows = |x, part, n| HeadRows::new(x, RowLayout::of(p, part, i), n, p.dim, width);
        let k = rows(parts[1], Part::K, p.keys);
        let v = rows(parts[2], Part::V, p.keys);
        let [keys, values] = [&k, &v].map(|rows| transposed(rows, p.keys, p.dim, nr));
        let q = rows(parts[0], Part::Q, p.queries);
        let [o, go] = [o, go].map(|x| rows(x, Part::O, p.queries));
        Head { level, p, width, q, k, o, go, keys, values, mask: HeadMask::of(p, mask, i) }
    }

    /// The gradient of a block of queries; those of the keys and values are added to.
    fn queries(&self, queries: Range<usize>, stats: &[[f32; 2]], dk: &mut [f32], dv: &mut [f32]) -> Scratch {
        let Head { level, p, width, .. } = *self;
        let (m, nr) = (queries.len(), panel_width(level));
        let ld = key_block(p).next_multiple_of(LINE);
        let [q, go, o] = [&self.q, &self.go, &self.o].map(|rows| (rows.from(queries.start), rows.stride));
        let mut delta = [0.0; ROWS];
        dispatch_at(level, Dots { a: go.0, b: o.0, stride: go.1, width, out: &mut delta[..m] });
        let (mut scores, mut dp, mut dq) = (Scratch::new(m * ld), Scratch::new(m * ld), Scratch::new(m * width));
        let end = visible(p, queries.end);
        if end == 0 {
            dq.fill(0.0);
        }
        for first in (0..end).step_by(key_block(p)) {
            let keys = first..end.min(first + key_block(p));
            let n = keys.len();
            let whole = n.next_multiple_of(nr / 2);
            let to_scores = |(a, sa), b: &Scratch, c: &mut Scratch| {
                let (b, c, panel) = (&b[first * p.dim..], Parts::new(c), p.dim * nr);
                dispatch_at(
                    level,
                    Sweep::<false> { m, n: whole, k: p.dim, a, sa, b, sb: nr, panel, c, ldc: ld, add: false },
                );
            };
            to_scores(q, &self.keys, &mut scores);
            to_scores(go, &self.values, &mut dp);
            let block = ScoreBlock { query: queries.start, keys, plan: p, mask: self.mask, ld };
            let (stats, delta) = (&stats[queries.clone()], &delta[..m]);
            dispatch_at(level, Gradients { block, scores: &mut scores, dp: &mut dp, stats, delta });
            let to_keys = |a: &[f32], (b, sb), c: &mut [f32]| {
                let (c, panel) = (Parts::new(&mut c[first * width..]), nr);
                dispatch_at(
                    level,
                    Sweep::<true> { m: n, n: width, k: m, a, sa: ld, b, sb, panel, c, ldc: width, add: true },
                );
            };
            to_keys(&scores, go, dv);
            to_keys(&dp, q, dk);
            let (b, sb, c, add) = (self.k.from(first), self.k.stride, Parts::new(&mut dq), first > 0);
            let product = Sweep::<false> { m, n: width, k: n, a: &dp, sa: ld, b, sb, panel: nr, c, ldc: width, add };
            dispatch_at(level, product);
        }
        dq
    }
}
