//! C (m x n) = [C +] A (m x k) B (k x n), f32, any strides of A and B, C row-major.
//! Loops: jc, pc (pack B), ic (pack A, or read it in place), jr, ir. Two threads own columns, rows, or halves of k.

#![allow(unsafe_code)]
pub use super::gemm_tile::*;
use super::simd::*;
use super::threads::{Parts, parallel};
use std::cell::RefCell;

/// Block sizes for 48 KiB + 1 MiB + 32 MiB: an A block of MC x KC (336 KiB) and the B panel (64 KiB) in L2, a tile of A in L1;
/// KC = 512 beats 256 and 320 because C is read and written once a KC.
const KC: usize = 512;
const MC: usize = 168;
const NC: usize = 2048;

thread_local! { static A_BUF: RefCell<Vec<f32>> = const { RefCell::new(vec![]) }; }
thread_local! { static PART: RefCell<Vec<f32>> = const { RefCell::new(vec![]) }; }
thread_local! { static B_BUF: RefCell<Vec<f32>> = const { RefCell::new(vec![]) }; }

/// One block of rows against a packed B block of `kc` x `nc`.
struct Block<'a> {
    a: Mat<'a>,
    i0: usize,
    i1: usize,
    p0: usize,
    kc: usize,
    b: &'a [f32],
    j0: usize,
    nc: usize,
    c: Parts<f32>,
    ldc: usize,
    add: bool,
    place: bool,
}
impl Kernel for Block<'_> {
    type Out = ();
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let Block { a, i0, i1, p0, kc, b, j0, nc, c, ldc, add, place } = self;
        let (mr_max, nv) = const { shape::<S>() };
        let nr = nv * S::N;
        let m = i1 - i0;
        let tiles = m.div_ceil(mr_max);
        let c = c.ptr(i0 * ldc + j0..(i1 - 1) * ldc + j0 + nc); // rows i0..i1, columns j0..j0+nc are this call's alone
        // Taken out, not borrowed in a closure: a closure handed to a function that is not inlined loses the target features.
        let mut buf = A_BUF.take();
        {
            if !place {
                buf.resize(buf.len().max(m * kc), 0.0);
                for t in 0..tiles {
                    let (r0, r1) = even(m, tiles, t);
                    transpose_in(a, i0 + r0, r1 - r0, p0, kc, r1 - r0, &mut buf[r0 * kc..r1 * kc]);
                }
            }
            for (q, j) in (0..nc).step_by(nr).enumerate() {
                let n = nr.min(nc - j);
                let b = b[q * kc * nr..(q + 1) * kc * nr].as_ptr();
                for t in 0..tiles {
                    let (r0, r1) = even(m, tiles, t);
                    // SAFETY: the ranges were checked by the slices above; the packed panel has whole vectors.
                    unsafe {
                        let c = c.add(r0 * ldc + j);
                        let mr = r1 - r0;
                        if !place {
                            tile_any::<S, true>(s, mr, kc, buf.as_ptr().add(r0 * kc), mr, b, nr, c, ldc, n, add);
                        } else if a.rs == 1 {
                            tile_any::<S, true>(
                                s,
                                mr,
                                kc,
                                a.data.as_ptr().add(i0 + r0 + p0 * a.cs),
                                a.cs,
                                b,
                                nr,
                                c,
                                ldc,
                                n,
                                add,
                            );
                        } else {
                            tile_any::<S, false>(
                                s,
                                mr,
                                kc,
                                a.data.as_ptr().add((i0 + r0) * a.rs + p0),
                                a.rs,
                                b,
                                nr,
                                c,
                                ldc,
                                n,
                                add,
                            );
                        }
                    }
                }
            }
        }
        A_BUF.set(buf);
    }
}

/// `c[i * ldc + j] = [c +] sum_p a(i, p) b(p, j)`, on all threads or (`serial`) on this one. How sums are cut depends on the shape alone.
pub fn gemm(m: usize, n: usize, k: usize, a: Mat, b: Mat, c: &mut [f32], ldc: usize, add: bool, serial: bool) {
    gemm_at(level(), m, n, k, a, b, c, ldc, add, serial)
}

/// [`gemm`] at a given instruction set.
pub fn gemm_at(
    level: Level,
    m: usize,
    n: usize,
    k: usize,
    a: Mat,
    b: Mat,
    c: &mut [f32],
    ldc: usize,
    add: bool,
    serial: bool,
) {
    assert!(m > 0 && n > 0 && k > 0 && c.len() >= (m - 1) * ldc + n && ldc >= n);
    assert!(a.data.len() > (m - 1) * a.rs + (k - 1) * a.cs && b.data.len() > (k - 1) * b.rs + (n - 1) * b.cs);
    let nr = panel_width(level);
    let threads = if serial || 2 * m * n * k < 1_000_000 { 1 } else { rayon::current_num_threads() };
    if m * n <= 1 << 15 && k >= 1024 {
        return halves(level, nr, threads, m, n, k, a, b, c, ldc, add);
    }
    let out = Parts::new(c);
    // Wide: each thread owns columns, so that its packed B is never read from another core's cache.
    if threads > 1 && n >= 4 * nr && 4 * n >= m {
        let panels = n.div_ceil(nr);
        parallel(threads, |i| {
            let (j0, j1) = even(panels, threads, i);
            let (j0, j1) = (j0 * nr, n.min(j1 * nr));
            if j0 < j1 {
                let b = Mat { data: &b.data[j0 * b.cs..], ..b };
                blocked(level, nr, 1, m, j1 - j0, k, a, b, out.skip(j0), ldc, add);
            }
        });
        return;
    }
    blocked(level, nr, threads, m, n, k, a, b, out, ldc, add);
}

/// Few outputs, long sums (a weight gradient): halves of k, then one addition.
fn halves(
    level: Level,
    nr: usize,
    threads: usize,
    m: usize,
    n: usize,
    k: usize,
    a: Mat,
    b: Mat,
    c: &mut [f32],
    ldc: usize,
    add: bool,
) {
    let mut part = PART.take();
    part.resize(part.len().max(m * n), 0.0);
    let (main, other) = (Parts::new(c), Parts::new(&mut part));
    let h = k / 2;
    let half = |i: usize| {
        let (p, kk) = if i == 0 { (0, h) } else { (h, k - h) };
        let (a, b) = (Mat { data: &a.data[p * a.cs..], ..a }, Mat { data: &b.data[p * b.rs..], ..b });
        match i {
            0 => blocked(level, nr, 1, m, n, kk, a, b, main, ldc, add),
            _ => blocked(level, nr, 1, m, n, kk, a, b, other, n, false),
        }
    };
    if threads > 1 {
        parallel(2, half)
    } else {
        (0..2).for_each(half)
    }
    for (row, add) in c.chunks_mut(ldc).zip(part.chunks(n)).take(m) {
        row.iter_mut().zip(add).for_each(|(c, a)| *c += a);
    }
    PART.set(part);
}

fn blocked(
    level: Level,
    nr: usize,
    threads: usize,
    m: usize,
    n: usize,
    k: usize,
    a: Mat,
    b: Mat,
    out: Parts<f32>,
    ldc: usize,
    add: bool,
) {
    let run = |chunks: usize, f: &(dyn Fn(usize) + Sync)| {
        if threads > 1 { parallel(chunks, f) } else { (0..chunks).for_each(f) }
    };
    let kblocks = k.div_ceil(KC);
    // With two threads: at least four blocks each, whole tiles in each block but the last.
    let tiles = m.div_ceil(14);
    let mblocks = if threads == 1 {
        m.div_ceil(MC)
    } else {
        m.div_ceil(MC).max(tiles.min(threads * 4)).next_multiple_of(threads)
    };
    // Row-major A is read in place unless its rows fall into one cache set (multiples of 4 KiB); A^T while few panels reread it.
    let place = if a.cs == 1 { !a.rs.is_multiple_of(1024) } else { a.rs == 1 && n <= 256 };
    // Taken out, not borrowed: a thread that waits in a join may run another product meanwhile.
    let mut buf = B_BUF.take();
    {
        for j0 in (0..n).step_by(NC) {
            let nc = NC.min(n - j0);
            let panels = nc.div_ceil(nr);
            for pb in 0..kblocks {
                let (p0, p1) = even(k, kblocks, pb);
                let kc = p1 - p0;
                buf.resize(buf.len().max(panels * kc * nr), 0.0);
                let packed = Parts::new(&mut buf[..]);
                let step = if threads == 1 || panels * kc * nr < 16384 { panels } else { panels.div_ceil(threads * 2) };
                run(panels.div_ceil(step), &|g| {
                    for q in g * step..panels.min((g + 1) * step) {
                        // SAFETY: one panel each.
                        let panel = unsafe { packed.range(q * kc * nr..(q + 1) * kc * nr) };
                        pack_panel(b, p0, kc, j0 + q * nr, nr.min(nc - q * nr), nr, panel);
                    }
                });
                let packed = &buf[..panels * kc * nr];
                run(mblocks, &|i| {
                    let (i0, i1) = even(tiles, mblocks, i);
                    let (i0, i1) = (m * i0 / tiles, m * i1 / tiles);
                    if i0 < i1 {
                        dispatch_at(
                            level,
                            Block { a, i0, i1, p0, kc, b: packed, j0, nc, c: out, ldc, add: add || pb > 0, place },
                        );
                    }
                });
            }
        }
    }
    B_BUF.set(buf);
}
