//! The micro-kernel of the weight gradient: some taps × one or two vectors of output channels, summed over pixels.

#![allow(unsafe_code)]

use crate::cpu::simd::{Kernel, Simd};

/// Neighbouring pixels: where they begin in the frames and in dy.
#[derive(Clone, Copy)]
pub struct Segment {
    pub x: usize,
    pub dy: usize,
    pub len: usize,
}

/// `sums[tap][channel] += Σ x[pixel + tap] dy[pixel][channel]`.
pub struct Tiles<'a> {
    pub x: &'a [f32],
    /// The places of all taps, or, `adjacent`, of the first of every three.
    pub rows: &'a [usize],
    pub adjacent: bool,
    pub dy: &'a [f32],
    /// Floats of one panel of dy.
    pub panel: usize,
    /// Channels of a panel: one vector or two.
    pub nr: usize,
    pub segments: &'a [Segment],
    /// Pixels that are summed up before the sums are touched.
    pub pixels: usize,
    pub sums: &'a mut [f32],
    /// Channels of all panels.
    pub width: usize,
}

impl Kernel for Tiles<'_> {
    type Out = ();
    #[inline(always)]
    fn run<S: Simd>(mut self, s: S) {
        let taps = if self.adjacent { 3 } else { 1 };
        let reach = self.rows.iter().max().copied().unwrap_or(0) + taps - 1;
        for seg in self.segments {
            assert!(self.x.len() >= seg.x + reach + seg.len);
            assert!(self.dy.len() >= seg.dy + (self.width / self.nr - 1) * self.panel + seg.len * self.nr);
        }
        // 24 accumulators of 32 registers, or 12 of 16
        match (self.adjacent, self.nr > S::N) {
            (true, true) if const { S::N == 16 } => self.tiles::<S, 4, 3, 2>(s),
            (true, false) if const { S::N == 16 } => self.tiles::<S, 4, 3, 1>(s),
            (false, true) if const { S::N == 16 } => self.tiles::<S, 12, 1, 2>(s),
            (false, false) if const { S::N == 16 } => self.tiles::<S, 12, 1, 1>(s),
            (true, true) => self.tiles::<S, 2, 3, 2>(s),
            (true, false) => self.tiles::<S, 2, 3, 1>(s),
            (false, true) => self.tiles::<S, 6, 1, 2>(s),
            (false, false) => self.tiles::<S, 6, 1, 1>(s),
        }
    }
}

impl Tiles<'_> {
    /// `R` rows of `T` neighbouring taps × `V` vectors.
    #[inline(always)]
    fn tiles<S: Simd, const R: usize, const T: usize, const V: usize>(&mut self, s: S) {
        let count = self.rows.len().div_ceil(R);
        assert!(self.nr == V * S::N && self.sums.len() >= count * R * T * self.width);
        let mut rest = self.segments;
        while !rest.is_empty() {
            let (mut n, mut pixels) = (0, 0);
            while n < rest.len() && pixels < self.pixels {
                pixels += rest[n].len;
                n += 1;
            }
            let (now, later) = rest.split_at(n);
            rest = later;
            for q in 0..self.width / self.nr {
                for r in 0..count {
                    // beyond the last row it is read again, into sums that are not used
                    let rows: [usize; R] = std::array::from_fn(|i| self.rows[(r * R + i).min(self.rows.len() - 1)]);
                    let at = r * R * T * self.width + q * self.nr;
                    // SAFETY: the assertions here and in `run` bound every access.
                    unsafe { self.tile::<S, R, T, V>(s, rows, q, now, at) };
                }
            }
        }
    }

    /// # Safety
    /// x holds every segment at every tap, dy every segment of panel `q`, the sums R · T rows from `at` on.
    #[inline(always)]
    unsafe fn tile<S: Simd, const R: usize, const T: usize, const V: usize>(
        &mut self,
        s: S,
        rows: [usize; R],
        q: usize,
        segments: &[Segment],
        at: usize,
    ) {
        let mut sums = [[[s.splat(0.0); V]; T]; R];
        for seg in segments {
            let mut x = [self.x.as_ptr(); R];
            // SAFETY: as the caller promises.
            unsafe {
                for (x, row) in x.iter_mut().zip(rows) {
                    *x = x.add(seg.x + row);
                }
                let mut dy = self.dy.as_ptr().add(seg.dy + q * self.panel);
                for pixel in 0..seg.len {
                    let mut vectors = [s.splat(0.0); V];
                    for v in 0..V {
                        vectors[v] = s.load_ptr(dy.add(v * S::N));
                    }
                    for i in 0..R {
                        for t in 0..T {
                            let value = s.splat(*x[i].add(pixel + t));
                            for v in 0..V {
                                sums[i][t][v] = s.fma(value, vectors[v], sums[i][t][v]);
                            }
                        }
                    }
                    dy = dy.add(V * S::N);
                }
            }
        }
        for i in 0..R {
            for t in 0..T {
                for v in 0..V {
                    // SAFETY: as the caller promises.
                    unsafe {
                        let c = self.sums.as_mut_ptr().add(at + (i * T + t) * self.width + v * S::N);
                        s.store_ptr(c, s.add(s.load_ptr(c), sums[i][t][v]));
                    }
                }
            }
        }
    }
}
