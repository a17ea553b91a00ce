//! The micro-kernel, packing, and the inner sweep over one packed block: what GEMM, attention and convolution share.
//!
//! A tile is MR rows x NV vectors of accumulators: A is broadcast, B is loaded in vectors. B is packed into panels of NR
//! columns (zero-padded) or read in place, A into tiles of MR rows or read in place. Rows are split evenly: 197 rows are 15
//! tiles of 13 or 14, never 14 tiles and a remainder of 1.

#![allow(unsafe_code)]
use super::levels::{Level, dispatch_at};
use super::simd::*;
use super::threads::Parts;

#[derive(Clone, Copy)]
pub struct Mat<'a> {
    pub data: &'a [f32],
    /// Element (i, j) is `data[i * rs + j * cs]`.
    pub rs: usize,
    pub cs: usize,
}
impl<'a> Mat<'a> {
    pub fn rows(data: &'a [f32], ld: usize) -> Self {
        Mat { data, rs: ld, cs: 1 }
    }
    pub fn t(self) -> Self {
        Mat { rs: self.cs, cs: self.rs, ..self }
    }
}

/// The accumulator shape of an instruction set: (MR, NV).
pub const fn shape<S: Simd>() -> (usize, usize) {
    match S::N {
        16 => (14, 2),                               // 28 of 32 registers
        8 if cfg!(target_arch = "x86_64") => (6, 2), // 12 of 16
        _ => (8, 2),
    }
}

/// What a tile is added to: element (i, j) is at `data + i · stride + j`. A stride of 0 is a row (a bias) that is added to all.
pub type Base = Option<(*const f32, usize)>;

/// One tile. `ROWS`: A's rows are adjacent (`a[i + p * sa]`: packed, or A^T in place); else `a[i * sa + p]`: row-major in place.
/// # Safety
/// a, b (NV whole vectors a row), c and the base (`n` columns, MR rows) are in bounds; NV - 1 < n / N <= NV.
#[inline(always)]
unsafe fn tile<S: Simd, const MR: usize, const NV: usize, const ROWS: bool>(
    s: S,
    k: usize,
    mut a: *const f32,
    sa: usize,
    mut b: *const f32,
    sb: usize,
    c: *mut f32,
    sc: usize,
    n: usize,
    base: Base,
) {
    unsafe {
        let mut t = [[s.splat(0.0); NV]; MR];
        if let Some((base, stride)) = base
            && stride > 0
        {
            for i in 0..MR {
                s.prefetch(base.add(i * stride));
                s.prefetch(base.add(i * stride + n - 1));
            }
        }
        for _ in 0..k {
            let mut bv = [s.splat(0.0); NV];
            for j in 0..NV {
                bv[j] = s.load_ptr(b.add(j * S::N));
            }
            for i in 0..MR {
                let av = s.splat(*a.add(if ROWS { i } else { i * sa }));
                for j in 0..NV {
                    t[i][j] = s.fma(av, bv[j], t[i][j]);
                }
            }
            a = a.add(if ROWS { sa } else { 1 });
            b = b.add(sb);
        }
        // The sums are only read from here on: written back, 28 of them would live in memory during the loop above.
        let last = n - (NV - 1) * S::N;
        let part = |j: usize| if j + 1 < NV { S::N } else { last };
        match base {
            None => {
                for i in 0..MR {
                    for j in 0..NV {
                        store(s, c.add(i * sc + j * S::N), part(j), t[i][j]);
                    }
                }
            }
            Some((base, stride)) => {
                for i in 0..MR {
                    for j in 0..NV {
                        let v = s.add(t[i][j], load(s, base.add(i * stride + j * S::N), part(j)));
                        store(s, c.add(i * sc + j * S::N), part(j), v);
                    }
                }
            }
        }
    }
}

/// A vector, or its first `n` lanes.
/// # Safety
/// `n` floats are in bounds.
#[inline(always)]
unsafe fn load<S: Simd>(s: S, p: *const f32, n: usize) -> S::F {
    // SAFETY: as the caller promises.
    unsafe { if n == S::N { s.load_ptr(p) } else { s.load_part_ptr(p, n, 0.0) } }
}

/// The other way.
/// # Safety
/// As [`load`].
#[inline(always)]
unsafe fn store<S: Simd>(s: S, p: *mut f32, n: usize, v: S::F) {
    // SAFETY: as the caller promises.
    unsafe { if n == S::N { s.store_ptr(p, v) } else { s.store_part_ptr(p, n, v) } }
}

/// Chooses the instance for `mr` rows.
/// # Safety
/// As [`tile`].
#[inline(always)]
pub unsafe fn tile_any<S: Simd, const ROWS: bool>(
    s: S,
    mr: usize,
    k: usize,
    a: *const f32,
    sa: usize,
    b: *const f32,
    sb: usize,
    c: *mut f32,
    sc: usize,
    n: usize,
    base: Base,
) {
    macro_rules! pick { ($($M:literal)*) => { match (mr, n > S::N) {
        $(($M, true) if const { $M <= shape::<S>().0 } => unsafe { tile::<S, $M, 2, ROWS>(s, k, a, sa, b, sb, c, sc, n, base) },
          ($M, false) if const { $M <= shape::<S>().0 } => unsafe { tile::<S, $M, 1, ROWS>(s, k, a, sa, b, sb, c, sc, n, base) },)*
        _ => unreachable!(),
    } } }
    pick!(1 2 3 4 5 6 7 8 9 10 11 12 13 14)
}

/// Copies a row. One panel wide, as most are, it is not worth a call.
#[inline(always)]
pub fn copy_row(to: &mut [f32], from: &[f32]) {
    if let (Ok(to), Ok(from)) = (<&mut [f32; 16]>::try_from(&mut *to), <&[f32; 16]>::try_from(from)) {
        *to = *from;
    } else if let (Ok(to), Ok(from)) = (<&mut [f32; 32]>::try_from(&mut *to), <&[f32; 32]>::try_from(from)) {
        *to = *from;
    } else {
        to.copy_from_slice(from);
    }
}

/// B[.., j0..j0+nr] to `k` rows of NR floats.
pub fn pack_panel(b: Mat, p0: usize, k: usize, j0: usize, nr: usize, width: usize, out: &mut [f32]) {
    if b.cs == 1 {
        for (p, row) in out.chunks_exact_mut(width).take(k).enumerate() {
            let at = (p0 + p) * b.rs + j0;
            copy_row(&mut row[..nr], &b.data[at..at + nr]);
            row[nr..].fill(0.0);
        }
    } else {
        if nr < width {
            out[..k * width].fill(0.0);
        }
        transpose_in(b.t(), j0, nr, p0, k, width, out);
    }
}

/// A[i0.., p0..]: `mr` rows, `k` deep, to `k` groups of `width >= mr` floats.
pub fn transpose_in(a: Mat, i0: usize, mr: usize, p0: usize, k: usize, width: usize, out: &mut [f32]) {
    if a.rs == 1 {
        for (p, row) in out.chunks_exact_mut(width).take(k).enumerate() {
            let at = (p0 + p) * a.cs + i0;
            copy_row(&mut row[..mr], &a.data[at..at + mr]);
        }
    } else {
        for p in (0..k).step_by(16) {
            let w = 16.min(k - p);
            let fours = if a.cs == 1 && w == 16 { mr / 4 * 4 } else { 0 };
            for i in (0..fours).step_by(4) {
                let at = (i0 + i) * a.rs + p0 + p;
                let rows = [0, 1, 2, 3].map(|r| a.data[at + r * a.rs..][..16].as_chunks::<4>().0);
                transpose_fours(rows, width, &mut out[p * width + i..(p + 15) * width + i + 4]);
            }
            for i in fours..mr {
                let at = (i0 + i) * a.rs + (p0 + p) * a.cs;
                let row = &a.data[at..at + (w - 1) * a.cs + 1];
                let out = &mut out[p * width + i..(p + w - 1) * width + i + 1];
                if a.cs == 1 && w == 16 {
                    for q in 0..16 {
                        out[q * width] = row[q];
                    }
                } else {
                    for q in 0..w {
                        out[q * width] = row[q * a.cs];
                    }
                }
            }
        }
    }
}

/// Four rows of 16 to 16 groups of four, `width` apart: shuffled in registers, so that a store has four of them.
#[inline(always)]
fn transpose_fours(rows: [&[[f32; 4]]; 4], width: usize, out: &mut [f32]) {
    for q in 0..4 {
        let [a, b, c, d] = rows.map(|r| r[q]);
        for p in 0..4 {
            out[(4 * q + p) * width..][..4].copy_from_slice(&[a[p], b[p], c[p], d[p]]);
        }
    }
}

/// Row tiles: `count` tiles over `m` rows, evenly; tile `i` is `start..end`.
#[inline(always)]
pub fn even(m: usize, count: usize, i: usize) -> (usize, usize) {
    (m * i / count, m * (i + 1) / count)
}

/// The inner sweep alone, for kernels that keep their own blocks (attention, convolution): C (m x n) = [C +] A B.
/// `ROWS`: A's element (i, p) is `a[i + p * sa]`, else `a[i * sa + p]`. Panel q of B starts at `b[q * panel]`, its rows are `sb`
/// apart; every panel row is read in whole vectors (B in place: panel = NR, sb = its row stride, n a multiple of the lanes).
pub struct Sweep<'a, const ROWS: bool> {
    pub m: usize,
    pub n: usize,
    pub k: usize,
    pub a: &'a [f32],
    pub sa: usize,
    pub b: &'a [f32],
    pub sb: usize,
    pub panel: usize,
    pub c: Parts<f32>,
    pub ldc: usize,
    pub add: bool,
}
impl<const ROWS: bool> Kernel for Sweep<'_, ROWS> {
    type Out = ();
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let Sweep { m, n, k, a, sa, b, sb, panel, c, ldc, add } = self;
        let (mr_max, nv) = const { shape::<S>() };
        let (nr, tiles) = (nv * S::N, m.div_ceil(mr_max));
        let last = n.div_ceil(nr) - 1;
        let tail = (n - last * nr).div_ceil(S::N) * S::N;
        assert!(
            b.len() >= last * panel + (k - 1) * sb + tail
                && (last == 0 || b.len() >= (last - 1) * panel + (k - 1) * sb + nr)
        );
        let c = c.ptr(0..(m - 1) * ldc + n); // these rows and columns are this call's alone
        assert!(a.len() >= if ROWS { (k - 1) * sa + m } else { (m - 1) * sa + k });
        for q in 0..=last {
            for t in 0..tiles {
                let (r0, r1) = even(m, tiles, t);
                // SAFETY: the three assertions above.
                unsafe {
                    let a = a.as_ptr().add(if ROWS { r0 } else { r0 * sa });
                    let c = c.add(r0 * ldc + q * nr);
                    tile_any::<S, ROWS>(
                        s,
                        r1 - r0,
                        k,
                        a,
                        sa,
                        b.as_ptr().add(q * panel),
                        sb,
                        c,
                        ldc,
                        nr.min(n - q * nr),
                        add.then_some((c.cast_const(), ldc)),
                    );
                }
            }
        }
    }
}

/// B (k x n) as zero-padded panels of `k * nr`.
pub fn pack_all(nr: usize, b: Mat, k: usize, n: usize, out: &mut [f32]) {
    for (q, panel) in out.chunks_exact_mut(k * nr).enumerate() {
        pack_panel(b, 0, k, q * nr, nr.min(n - q * nr), nr, panel);
    }
}
/// NR of an instruction set.
pub fn panel_width(level: Level) -> usize {
    dispatch_at(level, Width)
}

struct Width;
impl Kernel for Width {
    type Out = usize;
    #[inline(always)]
    fn run<S: Simd>(self, _: S) -> usize {
        shape::<S>().1 * S::N
    }
}

/// MR of an instruction set.
pub fn tile_rows(level: Level) -> usize {
    dispatch_at(level, Height)
}
struct Height;
impl Kernel for Height {
    type Out = usize;
    #[inline(always)]
    fn run<S: Simd>(self, _: S) -> usize {
        shape::<S>().0
    }
}
