//! Attention over short sequences, all of whose scores fit into the first cache. They are kept transposed, S = K Qᵀ, so that queries are lanes: maxima,
//! sums and differences over keys are operations on whole vectors, without a reduction inside a vector, and without keys that pad a row. Results are written
//! where they belong.

#![allow(unsafe_code)]

use super::blocks::LINE;
use super::heads::{HeadRows, Part, RowLayout};
use super::short_rows::{Gradients, Scale, Turn, Weights};
use crate::cpu::gemm::{Sweep, panel_width};
use crate::cpu::levels::{Level, dispatch_at};
use crate::cpu::scratch::Scratch;
use crate::cpu::threads::{Parts, parallel};
use crate::cpu::{Input, Output};
use crate::plan::Attention;

/// The most scores of a head: 20 KiB.
const SCORES: usize = 5 << 10;

/// Whether a plan that is not empty is one for this file: no key is hidden, the scale is positive, heads have whole vectors, scores fit, and queries fill
/// at least half of the lanes.
pub fn suits(level: Level, p: &Attention) -> bool {
    let whole = p.dim.is_multiple_of(panel_width(level) / 2) && p.dim.is_multiple_of(4);
    let fits = p.keys * wide(p) <= SCORES && 2 * p.queries >= wide(p);
    whole && fits && !p.hides() && p.units().0 == 1.0
}

/// Lanes of a row of scores: whole pairs of the widest vectors. Those after the last query are never read.
fn wide(p: &Attention) -> usize {
    p.queries.next_multiple_of(LINE)
}

/// The output, and the statistics of each query.
pub fn forward(level: Level, p: &Attention, inputs: &[Input<'_>], outputs: &mut [Output<'_>]) {
    let parts = [0, 1, 2].map(|i| inputs[if p.packed { 0 } else { i }].values::<f32>());
    let [o, stats] = outputs else { unreachable!("o and the statistics") };
    let stats = stats.values::<f32>().as_chunks_mut::<2>().0;
    let (o, stats) = (Parts::new(o.values::<f32>()), Parts::new(stats));
    parallel(p.batch * p.heads, |i| {
        let head = Head::new(level, p, parts, i);
        let (mut scores, mut shares) = (head.products(&head.k, &head.turned(&head.q)), Scratch::new(wide(p)));
        // SAFETY: each task has its own head.
        let stats = unsafe { stats.range(i * p.queries..(i + 1) * p.queries) };
        let unit = p.units().1 as f32;
        dispatch_at(level, Weights { scores: &mut scores, wide: wide(p), unit, shares: &mut shares, stats });
        let layout = RowLayout::of(p, Part::O, i);
        head.sum_over_keys(&scores, &head.v, layout, o);
        dispatch_at(
            level,
            Scale { rows: o.skip(layout.start), stride: layout.stride, dim: p.dim, by: &shares[..p.queries] },
        );
    });
}

/// The gradients of q, k and v.
pub fn backward(level: Level, p: &Attention, inputs: &[Input<'_>], outputs: &mut [Output<'_>]) {
    let parts = [0, 1, 2].map(|i| inputs[if p.packed { 0 } else { i }].values::<f32>());
    let rest = &inputs[if p.packed { 1 } else { 3 }..];
    let (stats, dy) = (rest[1].values::<f32>().as_chunks::<2>().0, rest[2].values::<f32>());
    let targets: Vec<Parts<f32>> = outputs.iter_mut().map(|o| Parts::new(o.values::<f32>())).collect();
    parallel(p.batch * p.heads, |i| {
        let head = Head::new(level, p, parts, i);
        let dy = HeadRows::new(dy, RowLayout::of(p, Part::O, i), p.queries, p.dim, p.dim);
        let mut scores = head.products(&head.k, &head.turned(&head.q));
        let mut dp = head.products(&head.v, &head.turned(&dy));
        let stats = &stats[i * p.queries..(i + 1) * p.queries];
        let (unit, scale) = (p.units().1 as f32, p.scale as f32);
        dispatch_at(level, Gradients { scores: &mut scores, dp: &mut dp, wide: wide(p), unit, scale, stats });
        let target = |part: Part| (RowLayout::of(p, part, i), targets[if p.packed { 0 } else { part as usize }]);
        let (layout, dq) = target(Part::Q);
        head.sum_over_keys(&dp, &head.k, layout, dq);
        let (layout, dk) = target(Part::K);
        head.sum_over_queries(&dp, &head.q, layout, dk);
        let (layout, dv) = target(Part::V);
        head.sum_over_queries(&scores, &dy, layout, dv);
    });
}

/// The rows of one head.
struct Head<'a> {
    level: Level,
    p: &'a Attention,
    q: HeadRows<'a>,
    k: HeadRows<'a>,
    v: HeadRows<'a>,
}

impl<'a> Head<'a> {
    fn new(level: Level, p: &'a Attention, parts: [&'a [f32]; 3], i: usize) -> Head<'a> {
        let rows = |part, n| HeadRows::new(parts[part as usize], RowLayout::of(p, part, i), n, p.dim, p.dim);
        Head { level, p, q: rows(Part::Q, p.queries), k: rows(Part::K, p.keys), v: rows(Part::V, p.keys) }
    }

    /// Rows of queries, transposed (dim × wide).
    fn turned(&self, rows: &HeadRows<'_>) -> Scratch {
        let Attention { queries, dim, .. } = *self.p;
        let mut out = Scratch::new(dim * wide(self.p));
        let (x, stride, wide) = (rows.from(0), rows.stride, wide(self.p));
        dispatch_at(self.level, Turn { x, stride, n: queries, dim, wide, out: &mut out });
        out
    }

    /// Products of rows of keys with all queries (keys × wide).
    fn products(&self, rows: &HeadRows<'_>, turned: &[f32]) -> Scratch {
        let (m, k, n) = (self.p.keys, self.p.dim, wide(self.p));
        let mut out = Scratch::new(m * n);
        let (c, panel) = (Parts::new(&mut out), panel_width(self.level));
        let (a, sa) = (rows.from(0), rows.stride);
        dispatch_at(self.level, Sweep::<false> { m, n, k, a, sa, b: turned, sb: n, panel, c, ldc: n, add: false });
        out
    }

    /// Rows of queries: Σ over keys of the weight (keys × wide) times the key's row.
    fn sum_over_keys(&self, weights: &[f32], rows: &HeadRows<'_>, to: RowLayout, out: Parts<f32>) {
        self.sum::<true>([self.p.queries, self.p.keys], weights, rows, to, out);
    }

    /// Rows of keys: Σ over queries of the weight (keys × wide) times the query's row.
    fn sum_over_queries(&self, weights: &[f32], rows: &HeadRows<'_>, to: RowLayout, out: Parts<f32>) {
        self.sum::<false>([self.p.keys, self.p.queries], weights, rows, to, out);
    }

    /// The product of weights, transposed if `TURNED`, with rows: m of them, sums of k terms.
    fn sum<const TURNED: bool>(
        &self,
        [m, k]: [usize; 2],
        a: &[f32],
        rows: &HeadRows<'_>,
        to: RowLayout,
        out: Parts<f32>,
    ) {
        let (n, sa, panel) = (self.p.dim, wide(self.p), panel_width(self.level));
        let (b, sb, c, ldc) = (rows.from(0), rows.stride, out.skip(to.start), to.stride);
        dispatch_at(self.level, Sweep::<TURNED> { m, n, k, a, sa, b, sb, panel, c, ldc, add: false });
    }
}
