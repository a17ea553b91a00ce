//! The forward pass.

#![allow(unsafe_code)]

use super::blocks::{LINE, ROWS, key_block, visible};
use super::heads::{HeadRows, Part, RowLayout, transposed};
use super::mask::HeadMask;
use super::rows::{Finish, Running, ScoreBlock, Weights};
use crate::cpu::gemm::{Sweep, panel_width};
use crate::cpu::levels::{Level, dispatch_at};
use crate::cpu::scratch::Scratch;
use crate::cpu::tasks::share;
use crate::cpu::threads::{Parts, parallel};
use crate::cpu::{Input, Output};
use crate::plan::Attention;
use std::ops::Range;

/// With fewer heads the query rows of each are cut into several tasks.
const HEADS: usize = 8;

/// Runs a plan that is not empty.
pub fn run(level: Level, p: &Attention, inputs: &[Input<'_>], outputs: &mut [Output<'_>]) {
    let parts = [0, 1, 2].map(|i| inputs[if p.packed { 0 } else { i }].values::<f32>());
    let mask = p.mask.is_some().then(|| inputs.last().expect("a mask"));
    let [o, stats] = outputs else { unreachable!("o and the statistics") };
    let stats = stats.values::<f32>().as_chunks_mut::<2>().0;
    let (o, stats) = (Parts::new(o.values::<f32>()), Parts::new(stats));
    let (heads, blocks) = (p.batch * p.heads, p.queries.div_ceil(ROWS));
    let cuts = HEADS.div_ceil(heads).min(blocks);
    parallel(heads * cuts, |task| {
        let head = Head::new(level, p, parts, mask, task / cuts);
        for block in share(blocks, cuts, task % cuts) {
            let queries = share(p.queries, blocks, block);
            let row = task / cuts * p.queries;
            // SAFETY: each task has its own queries of its own head.
            let stats = unsafe { stats.range(row + queries.start..row + queries.end) };
            head.attend(queries, o, stats);
        }
    });
}

/// One head, ready for its queries.
struct Head<'a> {
    level: Level,
    p: &'a Attention,
    /// Floats of a row in whole vectors.
    width: usize,
    q: HeadRows<'a>,
    v: HeadRows<'a>,
    /// The keys, transposed into panels.
    keys: Scratch,
    mask: HeadMask<'a>,
    out: RowLayout,
}

impl<'a> Head<'a> {
    fn new(level: Level, p: &'a Attention, parts: [&'a [f32]; 3], mask: Option<&Input<'a>>, i: usize) -> Head<'a> {
        let nr = panel_width(level);
        let width = p.dim.next_multiple_of(nr / 2);
        let rows = |part, n| HeadRows::new(parts[part as usize], RowLayout::of(p, part, i), n, p.dim, width);
        let keys = transposed(&rows(Part::K, p.keys), p.keys, p.dim, nr);
        let (q, v) = (rows(Part::Q, p.queries), rows(Part::V, p.keys));
        Head { level, p, width, q, v, keys, mask: HeadMask::of(p, mask, i), out: RowLayout::of(p, Part::O, i) }
    }

    /// The outputs of a block of queries, with a running maximum over blocks of keys.
    fn attend(&self, queries: Range<usize>, out: Parts<f32>, stats: &mut [[f32; 2]]) {
        let Head { level, p, width, .. } = *self;
        let (m, nr) = (queries.len(), panel_width(level));
        let ld = key_block(p).next_multiple_of(LINE);
        let (mut scores, mut o) = (Scratch::new(m * ld), Scratch::new(m * width));
        let mut rows = [Running::START; ROWS];
        let end = visible(p, queries.end);
        for first in (0..end).step_by(key_block(p)) {
            let keys = first..end.min(first + key_block(p));
            let n = keys.len();
            let (a, sa, b) = (self.q.from(queries.start), self.q.stride, &self.keys[first * p.dim..]);
            let (whole, c, panel) = (n.next_multiple_of(nr / 2), Parts::new(&mut scores), p.dim * nr);
            let product = Sweep::<false> { m, n: whole, k: p.dim, a, sa, b, sb: nr, panel, c, ldc: ld, add: false };
            dispatch_at(level, product);
            let block = ScoreBlock { query: queries.start, keys, plan: p, mask: self.mask, ld };
            dispatch_at(level, Weights { block, scores: &mut scores, rows: &mut rows[..m], o: &mut o, width });
            let (b, sb, c, add) = (self.v.from(first), self.v.stride, Parts::new(&mut o), first > 0);
            let product =
                Sweep::<false> { m, n: width, k: n, a: &scores, sa: ld, b, sb, panel: nr, c, ldc: width, add };
            dispatch_at(level, product);
        }
        let to = RowLayout { start: self.out.row(queries.start, p.dim).start, ..self.out };
        let (query, mask, rows) = (queries.start, self.mask, &rows[..m]);
        dispatch_at(level, Finish { plan: p, query, mask, rows, o: &o, width, to, out, stats });
    }
}
