//! C (m x n) = [C +] A (m x k) B (k x n) in f32, A and B of any strides, C row-major: blocking, packing and threads around the tile of
//! `gemm_tile`. Loops from the outside: columns (`NC`), the sum (`KC`, packs B), rows (`MC`, packs A or reads it in place), panels, tiles.
//!
//! How a sum is cut depends on the shape alone. Columns and rows, which threads share out, do not change what is summed in which order.

#![allow(unsafe_code)]

pub use super::gemm_tile::*;
use super::levels::{Level, dispatch_at};
use super::scratch::Scratch;
use super::simd::{Kernel, Simd};
use super::threads::{Parts, parallel};

/// Block sizes for 48 KiB + 1 MiB + 32 MiB: an A block of MC x KC (336 KiB) and the B panel (64 KiB) in L2, a tile of A in L1;
/// KC = 512 beats 256 and 320 because C is read and written once a KC.
const KC: usize = 512;
const MC: usize = 168;
const NC: usize = 2048;
/// The tallest tile of any instruction set; blocks of rows are cut at its multiples.
const TALLEST: usize = 14;
/// Blocks of KC that are added to C one after the other; sums of more are a tree of such.
const CHAIN: usize = 64;
/// Operations below which a second thread gains nothing.
pub const SERIAL: usize = 1_000_000;

/// The operands and sizes of one product.
#[derive(Clone, Copy)]
struct Product<'a> {
    m: usize,
    n: usize,
    k: usize,
    a: Mat<'a>,
    b: Mat<'a>,
    c: Parts<f32>,
    /// From one row of C to the next.
    ldc: usize,
    /// Whether C is added to.
    add: bool,
    /// A row that is added to all of C's, if C itself is not.
    bias: Option<&'a [f32]>,
}

impl<'a> Product<'a> {
    /// Columns `j0 .. j1` of C.
    fn columns(self, j0: usize, j1: usize) -> Product<'a> {
        let b = Mat { data: &self.b.data[j0 * self.b.cs..], ..self.b };
        Product { n: j1 - j0, b, c: self.c.skip(j0), bias: self.bias.map(|bias| &bias[j0..j1]), ..self }
    }

    /// The part of the sums from `p0` to `p1`.
    fn part(self, p0: usize, p1: usize) -> Product<'a> {
        let a = Mat { data: &self.a.data[p0 * self.a.cs..], ..self.a };
        let b = Mat { data: &self.b.data[p0 * self.b.rs..], ..self.b };
        Product { k: p1 - p0, a, b, ..self }
    }

    /// The two halves of the sums, the second in memory of its own ([`Product::gather`]).
    fn halves(self, second: &mut [f32]) -> [Product<'a>; 2] {
        let c = Parts::new(second);
        let half = self.part(self.k / 2, self.k);
        [self.part(0, self.k / 2), Product { c, ldc: self.n, add: false, bias: None, ..half }]
    }

    /// Adds the second half, when both are done.
    fn gather(&self, second: &[f32]) {
        for (i, more) in second.chunks_exact(self.n).enumerate() {
            // SAFETY: one row; the products are done.
            let row = unsafe { self.c.range(i * self.ldc..i * self.ldc + self.n) };
            row.iter_mut().zip(more).for_each(|(c, v)| *c += v);
        }
    }

    /// Whether A is read where it lies. Row-major it is, unless its rows fall into one cache set (multiples of 4 KiB); transposed, while few
    /// panels reread it.
    fn in_place(&self) -> bool {
        if self.a.cs == 1 { !self.a.rs.is_multiple_of(1024) } else { self.a.rs == 1 && self.n <= 256 }
    }
}

/// `c[i * ldc + j] = [c or bias[j] +] sum_p a(i, p) b(p, j)` at an instruction set, on all threads or (`serial`) on this one.
pub fn gemm(
    level: Level,
    m: usize,
    n: usize,
    k: usize,
    a: Mat,
    b: Mat,
    c: &mut [f32],
    ldc: usize,
    add: bool,
    bias: Option<&[f32]>,
    serial: bool,
) {
    assert!(bias.is_none_or(|bias| bias.len() == n && !add));
    assert!(m > 0 && n > 0 && k > 0 && c.len() >= (m - 1) * ldc + n && ldc >= n);
    assert!(a.data.len() > (m - 1) * a.rs + (k - 1) * a.cs && b.data.len() > (k - 1) * b.rs + (n - 1) * b.cs);
    let nr = panel_width(level);
    let threads = if serial || 2 * m * n * k < SERIAL { 1 } else { rayon::current_num_threads() };
    let product = Product { m, n, k, a, b, c: Parts::new(c), ldc, add, bias };
    if m * n <= 1 << 15 && k >= 1024 {
        return halves(level, nr, threads, product);
    }
    // Wide: each thread owns columns, so that its packed B is never read from another core's cache.
    if threads > 1 && n >= 4 * nr && 4 * n >= m {
        let panels = n.div_ceil(nr);
        return parallel(threads, |i| {
            let (j0, j1) = even(panels, threads, i);
            let (j0, j1) = (j0 * nr, n.min(j1 * nr));
            if j0 < j1 {
                tree(level, nr, 1, product.columns(j0, j1));
            }
        });
    }
    tree(level, nr, threads, product);
}

/// Few outputs, long sums (a weight gradient): halves of the sum, then one addition.
fn halves(level: Level, nr: usize, threads: usize, p: Product) {
    let mut second = Scratch::new(p.m * p.n);
    let products = p.halves(&mut second);
    let half = |i: usize| tree(level, nr, 1, products[i]);
    if threads > 1 {
        parallel(2, half)
    } else {
        (0..2).for_each(half)
    }
    p.gather(&second);
}

/// A product; where the sums have very many blocks, halves of them, one after the other, until they have not.
fn tree(level: Level, nr: usize, threads: usize, p: Product) {
    if p.k <= CHAIN * KC {
        return blocked(level, nr, threads, p);
    }
    let mut second = Scratch::new(p.m * p.n);
    p.halves(&mut second).into_iter().for_each(|half| tree(level, nr, threads, half));
    p.gather(&second);
}

/// The blocks of a product, those of rows and the packing of B shared out to `threads`.
fn blocked(level: Level, nr: usize, threads: usize, p: Product) {
    let share = |chunks: usize, f: &(dyn Fn(usize) + Sync)| {
        if threads > 1 { parallel(chunks, f) } else { (0..chunks).for_each(f) }
    };
    let kblocks = p.k.div_ceil(KC);
    // Several threads: at least four blocks each, whole tiles in each block but the last.
    let tiles = p.m.div_ceil(TALLEST);
    let least = p.m.div_ceil(MC);
    let mblocks = if threads == 1 { least } else { least.max(tiles.min(threads * 4)).next_multiple_of(threads) };
    let in_place = p.in_place();
    let mut panels = Scratch::new(p.n.min(NC).div_ceil(nr) * nr * p.k.div_ceil(kblocks));
    for j0 in (0..p.n).step_by(NC) {
        let nc = NC.min(p.n - j0);
        let count = nc.div_ceil(nr);
        for pb in 0..kblocks {
            let (p0, p1) = even(p.k, kblocks, pb);
            let kc = p1 - p0;
            let parts = Parts::new(&mut panels[..count * kc * nr]);
            let step = if threads == 1 || count * kc * nr < 16384 { count } else { count.div_ceil(threads * 2) };
            share(count.div_ceil(step), &|g| {
                for q in g * step..count.min((g + 1) * step) {
                    // SAFETY: one panel each.
                    let panel = unsafe { parts.range(q * kc * nr..(q + 1) * kc * nr) };
                    pack_panel(p.b, p0, kc, j0 + q * nr, nr.min(nc - q * nr), nr, panel);
                }
            });
            let panels = &panels[..count * kc * nr];
            share(mblocks, &|i| {
                let (i0, i1) = even(tiles, mblocks, i);
                let (i0, i1) = (p.m * i0 / tiles, p.m * i1 / tiles);
                if i0 < i1 {
                    dispatch_at(level, RowBlock { p, i0, i1, p0, kc, j0, nc, panels, first: pb == 0, in_place });
                }
            });
        }
    }
}

/// One block of rows, `i0 .. i1`, against a packed block of B of `kc` x `nc`.
struct RowBlock<'a> {
    p: Product<'a>,
    i0: usize,
    i1: usize,
    p0: usize,
    kc: usize,
    j0: usize,
    nc: usize,
    panels: &'a [f32],
    /// Whether this is the first block of the sum.
    first: bool,
    in_place: bool,
}

impl Kernel for RowBlock<'_> {
    type Out = ();
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let RowBlock { p, i0, i1, p0, kc, j0, nc, panels, first, in_place } = self;
        let (tallest, vectors) = const { shape::<S>() };
        let nr = vectors * S::N;
        let m = i1 - i0;
        let tiles = m.div_ceil(tallest);
        let c = p.c.ptr(i0 * p.ldc + j0..(i1 - 1) * p.ldc + j0 + nc); // these rows and columns are this call's alone
        let mut packed = Scratch::new(if in_place { 0 } else { m * kc });
        if !in_place {
            for t in 0..tiles {
                let (r0, r1) = even(m, tiles, t);
                transpose_in(p.a, i0 + r0, r1 - r0, p0, kc, r1 - r0, &mut packed[r0 * kc..r1 * kc]);
            }
        }
        for (q, j) in (0..nc).step_by(nr).enumerate() {
            let n = nr.min(nc - j);
            let b = panels[q * kc * nr..(q + 1) * kc * nr].as_ptr();
            for t in 0..tiles {
                let (r0, r1) = even(m, tiles, t);
                let mr = r1 - r0;
                let c = c.wrapping_add(r0 * p.ldc + j);
                let base = match p.bias {
                    Some(bias) if first => Some((bias[j0 + j..j0 + j + n].as_ptr(), 0)),
                    _ => (p.add || !first).then_some((c.cast_const(), p.ldc)),
                };
                let a = p.a.data.as_ptr().wrapping_add((i0 + r0) * p.a.rs + p0 * p.a.cs);
                // SAFETY: `ptr` and the slices above checked C, B and the packed A; `gemm` checked A. The panels hold whole vectors.
                unsafe {
                    if !in_place {
                        let a = packed[r0 * kc..r1 * kc].as_ptr();
                        tile_any::<S, true>(s, mr, kc, a, mr, b, nr, c, p.ldc, n, base);
                    } else if p.a.cs == 1 {
                        tile_any::<S, false>(s, mr, kc, a, p.a.rs, b, nr, c, p.ldc, n, base);
                    } else {
                        tile_any::<S, true>(s, mr, kc, a, p.a.cs, b, nr, c, p.ldc, n, base);
                    }
                }
            }
        }
    }
}
