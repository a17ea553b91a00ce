//! Attention on the CPU: a task is one (batch, head). Its rows of q, k and v are copied together (padded to whole vectors), scores are made by
//! blocks of query rows that stay in cache, and nothing of the size queries × keys is stored. Masks, and more keys than [`MAX_KEYS`], take the
//! scalar reference.

#![allow(unsafe_code)]

use super::attention_rows::{Back, Scale, Soft};
use super::gemm::{Mat, Sweep, pack_all, panel_width};
use super::reference::by_float;
use super::simd::{dispatch_at, level};
use super::threads::{Parts, parallel};
use super::{Input, Output, reference};
use crate::dtype::DType;
use crate::plan::{Attention, AttentionBackward};
use std::cell::RefCell;

/// Query rows of a block.
const ROWS: usize = 50;
/// With more keys a block of scores would leave the cache.
const MAX_KEYS: usize = 2048;
/// The head dimension is padded to whole vectors of the widest instruction set.
const LANES: usize = 16;

/// Scratch of one head; kept by its thread.
#[derive(Default)]
struct Scratch {
    q: Vec<f32>,
    k: Vec<f32>,
    v: Vec<f32>,
    o: Vec<f32>,
    go: Vec<f32>,
    kt: Vec<f32>,
    vt: Vec<f32>,
    s: Vec<f32>,
    dp: Vec<f32>,
    grads: [Vec<f32>; 3],
}
thread_local! { static SCRATCH: RefCell<Option<Box<Scratch>>> = const { RefCell::new(None) }; }

fn is_plain(p: &Attention) -> bool {
    p.dtype == DType::F32 && p.mask.is_none() && !p.causal && (1..=MAX_KEYS).contains(&p.keys) && p.dim > 0
}

/// Where the rows of one head lie: (first element, distance of rows).
struct Rows(usize, usize);

/// Part 0 (q), 1 (k), 2 (v) or 3 (o) of head `i`.
fn rows_of(p: &Attention, part: usize, i: usize) -> Rows {
    let (b, h) = (i / p.heads, i % p.heads);
    match (p.packed, part) {
        (true, 3) => Rows((b * p.queries * p.heads + h) * p.dim, p.heads * p.dim),
        (true, part) => Rows(((b * p.queries * 3 + part) * p.heads + h) * p.dim, 3 * p.heads * p.dim),
        (false, 1 | 2) => Rows(i * p.keys * p.dim, p.dim),
        (false, _) => Rows(i * p.queries * p.dim, p.dim),
    }
}

/// Copies `n` rows together, padded with zeros to `width`.
fn fetch(x: &[f32], Rows(start, stride): Rows, n: usize, dim: usize, width: usize, out: &mut Vec<f32>) {
    out.clear();
    out.resize(n * width, 0.0);
    for (r, row) in out.chunks_exact_mut(width).enumerate() {
        row[..dim].copy_from_slice(&x[start + r * stride..][..dim]);
    }
}

/// Copies rows back to their places.
///
/// # Safety
/// No other thread writes these rows.
unsafe fn leave(out: Parts<f32>, Rows(start, stride): Rows, dim: usize, width: usize, x: &[f32]) {
    for (r, row) in x.chunks_exact(width).enumerate() {
        let at = start + r * stride;
        // SAFETY: as the caller promises.
        unsafe { out.range(at..at + dim) }.copy_from_slice(&row[..dim]);
    }
}

fn blocks(n: usize) -> impl Iterator<Item = (usize, usize)> {
    let count = n.div_ceil(ROWS);
    (0..count).map(move |i| (n * i / count, n * (i + 1) / count))
}

/// Runs the plan.
pub fn run(p: &Attention, inputs: &[Input<'_>], outputs: &mut [Output<'_>]) {
    if !is_plain(p) {
        return by_float!(p.dtype, reference::attention::forward, p, inputs, outputs);
    }
    let parts: Vec<&[f32]> = (0..3).map(|i| inputs[if p.packed { 0 } else { i }].values()).collect();
    let [o, lse] = outputs else { unreachable!("o and lse") };
    let (os, lses) = (Parts::new(o.values::<f32>()), Parts::new(lse.values::<f32>()));
    let width = p.dim.next_multiple_of(LANES);
    parallel(p.batch * p.heads, |i| {
        let mut t = SCRATCH.take().unwrap_or_default();
        let w = &mut *t;
        fetch(parts[0], rows_of(p, 0, i), p.queries, p.dim, width, &mut w.q);
        fetch(parts[1], rows_of(p, 1, i), p.keys, p.dim, width, &mut w.k);
        fetch(parts[2], rows_of(p, 2, i), p.keys, p.dim, width, &mut w.v);
        w.o.resize(p.queries * width, 0.0);
        // SAFETY: one head each.
        forward_head(p, width, w, unsafe { lses.range(i * p.queries..(i + 1) * p.queries) });
        // SAFETY: one head each.
        unsafe { leave(os, rows_of(p, 3, i), p.dim, width, &w.o[..p.queries * width]) };
        SCRATCH.set(Some(t));
    });
}

fn forward_head(p: &Attention, d: usize, w: &mut Scratch, lse: &mut [f32]) {
    let (n, keys, level) = (p.queries, p.keys, level());
    let nr = panel_width(level);
    let ld = keys.next_multiple_of(LANES);
    w.kt.clear();
    pack_all(nr, Mat::rows(&w.k, d).t(), d, keys, &mut w.kt);
    w.s.resize(w.s.len().max(ROWS * ld), 0.0);
    for (r0, r1) in blocks(n) {
        let m = r1 - r0;
        let mut inv = [0.0; ROWS];
        let (q, out) = (&w.q[r0 * d..r1 * d], &mut w.o[r0 * d..r1 * d]);
        let scores = Sweep::<false> {
            m,
            n: keys,
            k: d,
            a: q,
            sa: d,
            b: &w.kt,
            sb: nr,
            panel: d * nr,
            c: &mut w.s,
            ldc: ld,
            add: false,
        };
        dispatch_at(level, scores);
        let (scale, lse) = (p.scale as f32, &mut lse[r0..r1]);
        dispatch_at(level, Soft { s: &mut w.s[..m * ld], ld, n: keys, scale, inv: &mut inv[..m], lse });
        let value =
            Sweep::<false> { m, n: d, k: keys, a: &w.s, sa: ld, b: &w.v, sb: d, panel: nr, c: out, ldc: d, add: false };
        dispatch_at(level, value);
        dispatch_at(level, Scale { x: &mut w.o[r0 * d..r1 * d], d, by: &inv[..m] });
    }
}

/// Runs the plan.
pub fn backward(p: &AttentionBackward, inputs: &[Input<'_>], outputs: &mut [Output<'_>]) {
    if !is_plain(&p.0) {
        return by_float!(p.0.dtype, reference::attention::backward, p, inputs, outputs);
    }
    let p = &p.0;
    let parts: Vec<&[f32]> = (0..3).map(|i| inputs[if p.packed { 0 } else { i }].values()).collect();
    let rest = if p.packed { 1 } else { 3 };
    let [o, lse, go] = [0, 1, 2].map(|i| inputs[rest + i].values::<f32>());
    let targets: Vec<Parts<f32>> = outputs.iter_mut().map(|o| Parts::new(o.values::<f32>())).collect();
    let width = p.dim.next_multiple_of(LANES);
    parallel(p.batch * p.heads, |i| {
        let mut t = SCRATCH.take().unwrap_or_default();
        let w = &mut *t;
        fetch(parts[0], rows_of(p, 0, i), p.queries, p.dim, width, &mut w.q);
        fetch(parts[1], rows_of(p, 1, i), p.keys, p.dim, width, &mut w.k);
        fetch(parts[2], rows_of(p, 2, i), p.keys, p.dim, width, &mut w.v);
        fetch(o, rows_of(p, 3, i), p.queries, p.dim, width, &mut w.o);
        fetch(go, rows_of(p, 3, i), p.queries, p.dim, width, &mut w.go);
        backward_head(p, width, w, &lse[i * p.queries..(i + 1) * p.queries]);
        for part in 0..3 {
            let n = if part == 0 { p.queries } else { p.keys };
            let target = targets[if p.packed { 0 } else { part }];
            // SAFETY: one head each; the parts of a packed gradient are disjoint.
            unsafe { leave(target, rows_of(p, part, i), p.dim, width, &w.grads[part][..n * width]) };
        }
        SCRATCH.set(Some(t));
    });
}

/// dV += Pᵀ dO, dK += dSᵀ Q, dQ = dS K.
fn backward_head(p: &Attention, d: usize, w: &mut Scratch, lse: &[f32]) {
    let (n, keys, level) = (p.queries, p.keys, level());
    let nr = panel_width(level);
    let ld = keys.next_multiple_of(LANES);
    for (packed, rows) in [(&mut w.kt, &w.k), (&mut w.vt, &w.v)] {
        packed.clear();
        pack_all(nr, Mat::rows(rows, d).t(), d, keys, packed);
    }
    w.s.resize(w.s.len().max(ROWS * ld), 0.0);
    w.dp.resize(w.dp.len().max(ROWS * ld), 0.0);
    let [gq, gk, gv] = &mut w.grads;
    for (g, rows) in [(&mut *gq, n), (&mut *gk, keys), (&mut *gv, keys)] {
        g.clear();
        g.resize(rows * d, 0.0);
    }
    for (r0, r1) in blocks(n) {
        let (m, rows) = (r1 - r0, r0 * d..r1 * d);
        let (q, go) = (&w.q[rows.clone()], &w.go[rows.clone()]);
        let (panel, scale) = (d * nr, p.scale as f32);
        let of = |a, b, c| Sweep::<false> { m, n: keys, k: d, a, sa: d, b, sb: nr, panel, c, ldc: ld, add: false };
        dispatch_at(level, of(q, &w.kt, &mut w.s));
        dispatch_at(level, of(go, &w.vt, &mut w.dp));
        let (s, dp, o) = (&mut w.s[..m * ld], &mut w.dp[..m * ld], &w.o[rows.clone()]);
        dispatch_at(level, Back { s, dp, ld, n: keys, scale, lse: &lse[r0..r1], o, go, d });
        let to_keys =
            |a, b, c| Sweep::<true> { m: keys, n: d, k: m, a, sa: ld, b, sb: d, panel: nr, c, ldc: d, add: true };
        dispatch_at(level, to_keys(&w.s, go, gv));
        dispatch_at(level, to_keys(&w.dp, q, gk));
        let c = &mut gq[rows];
        let dq =
            Sweep::<false> { m, n: d, k: keys, a: &w.dp, sa: ld, b: &w.k, sb: d, panel: nr, c, ldc: d, add: false };
        dispatch_at(level, dq);
    }
}
