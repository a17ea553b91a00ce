//! The passes of batch normalisation over one slab of channels.

#![allow(unsafe_code)]

use super::long_sums::{CHAIN, flush};
use super::scratch::Scratch;
use super::simd::{Kernel, Simd};
use super::simd_x2::X2;
use super::threads::Parts;
use std::ops::Range;

/// Columns whose sums stay in the first cache.
pub const COLUMNS: usize = 2048;

/// Neighbouring channels of all images.
#[derive(Clone)]
pub struct Slab {
    pub batch: usize,
    /// Elements of an image.
    pub pitch: usize,
    /// Pixels of a channel.
    pub area: usize,
    pub channels: Range<usize>,
}

impl Slab {
    /// Elements of the slab in one image.
    pub fn columns(&self) -> usize {
        self.channels.len() * self.area
    }

    /// Runs of columns with short sums: (start in the slab, start in an image, length).
    pub fn blocks(&self) -> impl Iterator<Item = (usize, usize, usize)> + use<> {
        let (columns, first) = (self.columns(), self.channels.start * self.area);
        (0..columns).step_by(COLUMNS).map(move |j| (j, first + j, COLUMNS.min(columns - j)))
    }

    /// Elements of a channel.
    pub fn count(&self) -> usize {
        self.batch * self.area
    }
}

/// Means, variances about them, and the normalised slab. `y` is whole, the others are the slab's own.
pub struct NormForward<'a> {
    pub slab: Slab,
    pub x: &'a [f32],
    pub y: Parts<f32>,
    pub weight: &'a [f32],
    pub bias: &'a [f32],
    pub eps: f32,
    pub mean: &'a mut [f32],
    pub var: &'a mut [f32],
    pub stats: &'a mut [f32],
}

impl Kernel for NormForward<'_> {
    type Out = ();
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let w = X2(s);
        let slab = self.slab;
        let share = 1.0 / slab.count() as f64;
        let [mut mean, mut scale, mut bias] = [0; 3].map(|_: usize| Scratch::zeros(slab.columns()));
        let [mut sums, mut squares, mut rests] = [0; 3].map(|_: usize| Sums::new(&slab));
        for (j, at, n) in slab.blocks() {
            for image in 0..slab.batch {
                add(w, &self.x[image * slab.pitch + at..][..n], sums.of(j..j + n, image));
            }
        }
        sums.totals(slab.area, share, self.mean);
        repeat(self.mean, slab.area, &mut mean);
        for (j, at, n) in slab.blocks() {
            for image in 0..slab.batch {
                let x = &self.x[image * slab.pitch + at..][..n];
                add_deviations(w, x, &mean[j..j + n], rests.of(j..j + n, image), squares.of(j..j + n, image));
            }
        }
        squares.totals(slab.area, share, self.var);
        // What the rounding of the means left, which is as large as the deviations where a mean is large.
        let mut rest = Scratch::new(slab.channels.len());
        rests.totals(slab.area, share, &mut rest);
        for ((mean, var), rest) in self.mean.iter_mut().zip(self.var.iter_mut()).zip(&*rest) {
            *mean += rest;
            let corrected = *var - rest * rest;
            *var = if corrected < 0.0 { 0.0 } else { corrected };
        }
        repeat(self.mean, slab.area, &mut mean);
        for (i, stats) in self.stats.chunks_exact_mut(2).enumerate() {
            (stats[0], stats[1]) = (self.mean[i], 1.0 / (self.var[i] + self.eps).sqrt());
            scale[i * slab.area..(i + 1) * slab.area].fill(stats[1] * self.weight[i]);
        }
        repeat(self.bias, slab.area, &mut bias);
        for (j, at, n) in slab.blocks() {
            let own = j..j + n;
            for image in 0..slab.batch {
                let at = image * slab.pitch + at..image * slab.pitch + at + n;
                // SAFETY: these columns are the slab's alone.
                let y = unsafe { self.y.range(at.clone()) };
                normalise(w, &self.x[at], &mean[own.clone()], &scale[own.clone()], &bias[own.clone()], y);
            }
        }
    }
}

/// The two sums over each channel, and the gradient of the slab. `dx` is whole, the others are the slab's own.
pub struct NormBackward<'a> {
    pub slab: Slab,
    pub x: &'a [f32],
    pub dy: &'a [f32],
    pub dx: Parts<f32>,
    pub weight: &'a [f32],
    pub stats: &'a [f32],
    pub dweight: &'a mut [f32],
    pub dbias: &'a mut [f32],
}

impl Kernel for NormBackward<'_> {
    type Out = ();
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let w = X2(s);
        let slab = self.slab;
        let (mut of_dy, mut of_products) = (Sums::new(&slab), Sums::new(&slab));
        let [mut first, mut second] = [0; 2].map(|_: usize| Scratch::new(slab.columns()));
        let [mut mean, mut rstd, mut scale] = [0; 3].map(|_: usize| Scratch::new(slab.columns()));
        for (i, stats) in self.stats.chunks_exact(2).enumerate() {
            let own = i * slab.area..(i + 1) * slab.area;
            mean[own.clone()].fill(stats[0]);
            rstd[own.clone()].fill(stats[1]);
            scale[own].fill(stats[1] * self.weight[i]);
        }
        for (j, at, n) in slab.blocks() {
            let own = j..j + n;
            for image in 0..slab.batch {
                let at = image * slab.pitch + at..image * slab.pitch + at + n;
                let row = [&self.x[at.clone()], &self.dy[at], &mean[own.clone()], &rstd[own.clone()]];
                add_products(w, row, of_dy.of(own.clone(), image), of_products.of(own.clone(), image));
            }
        }
        of_dy.totals(slab.area, 1.0, self.dbias);
        of_products.totals(slab.area, 1.0, self.dweight);
        let count = slab.count() as f32;
        for (i, (dbias, dweight)) in self.dbias.iter().zip(&*self.dweight).enumerate() {
            first[i * slab.area..(i + 1) * slab.area].fill(dbias / count);
            second[i * slab.area..(i + 1) * slab.area].fill(dweight / count * self.stats[2 * i + 1]);
        }
        for (j, at, n) in slab.blocks() {
            let own = j..j + n;
            for image in 0..slab.batch {
                let at = image * slab.pitch + at..image * slab.pitch + at + n;
                // SAFETY: these columns are the slab's alone.
                let dx = unsafe { self.dx.range(at.clone()) };
                let means = [&first[own.clone()], &second[own.clone()]];
                gradient(w, [&self.x[at.clone()], &self.dy[at]], [&mean[own.clone()], &scale[own.clone()]], means, dx);
            }
        }
    }
}

/// `out` = each channel's number, once for every pixel.
fn repeat(values: &[f32], area: usize, out: &mut [f32]) {
    out.chunks_exact_mut(area).zip(values).for_each(|(out, v)| out.fill(*v));
}

/// Sums of a slab's columns over images: of some images in single precision, and of all in double, so that a large batch keeps its digits.
struct Sums {
    some: Scratch,
    all: Vec<f64>,
}

impl Sums {
    fn new(slab: &Slab) -> Sums {
        Sums { some: Scratch::zeros(slab.columns()), all: vec![0.0; slab.columns()] }
    }

    /// Where this image's columns are to be added; images come in ascending order.
    fn of(&mut self, columns: Range<usize>, image: usize) -> &mut [f32] {
        if image > 0 && image.is_multiple_of(CHAIN) {
            flush(&mut self.some[columns.clone()], &mut self.all[columns.clone()]);
        }
        &mut self.some[columns]
    }

    /// The sum over each channel's columns, times `factor`.
    fn totals(&mut self, area: usize, factor: f64, out: &mut [f32]) {
        flush(&mut self.some, &mut self.all);
        for (columns, out) in self.all.chunks_exact(area).zip(out) {
            // Eight sums side by side: a single one would wait for each addition.
            let mut sums = [0.0; 8];
            for column in columns.chunks(8) {
                sums.iter_mut().zip(column).for_each(|(sum, x)| *sum += x);
            }
            *out = (sums.iter().sum::<f64>() * factor) as f32;
        }
    }
}

#[inline(always)]
fn add<S: Simd>(s: S, x: &[f32], sums: &mut [f32]) {
    for (x, sum) in x.chunks(S::N).zip(sums.chunks_mut(S::N)) {
        let v = s.add(s.load_part(x, 0.0), s.load_part(sum, 0.0));
        s.store_part(sum, v);
    }
}

/// Adds x − mean to `sums`, and its square to `squares`.
#[inline(always)]
fn add_deviations<S: Simd>(s: S, x: &[f32], mean: &[f32], sums: &mut [f32], squares: &mut [f32]) {
    let both = sums.chunks_mut(S::N).zip(squares.chunks_mut(S::N));
    for ((x, mean), (sum, square)) in x.chunks(S::N).zip(mean.chunks(S::N)).zip(both) {
        let d = s.sub(s.load_part(x, 0.0), s.load_part(mean, 0.0));
        let (first, second) = (s.add(d, s.load_part(sum, 0.0)), s.fma(d, d, s.load_part(square, 0.0)));
        s.store_part(sum, first);
        s.store_part(square, second);
    }
}

#[inline(always)]
fn normalise<S: Simd>(s: S, x: &[f32], mean: &[f32], scale: &[f32], bias: &[f32], y: &mut [f32]) {
    let columns = mean.chunks(S::N).zip(scale.chunks(S::N)).zip(bias.chunks(S::N));
    for ((x, y), ((mean, scale), bias)) in x.chunks(S::N).zip(y.chunks_mut(S::N)).zip(columns) {
        let d = s.sub(s.load_part(x, 0.0), s.load_part(mean, 0.0));
        s.store_part(y, s.fma(d, s.load_part(scale, 0.0), s.load_part(bias, 0.0)));
    }
}

/// Adds dy to `first` and dy (x − mean) rstd to `second`.
#[inline(always)]
fn add_products<S: Simd>(s: S, [x, dy, mean, rstd]: [&[f32]; 4], first: &mut [f32], second: &mut [f32]) {
    let columns = mean.chunks(S::N).zip(rstd.chunks(S::N));
    let sums = first.chunks_mut(S::N).zip(second.chunks_mut(S::N));
    for (((x, dy), (mean, rstd)), (first, second)) in x.chunks(S::N).zip(dy.chunks(S::N)).zip(columns).zip(sums) {
        let dy = s.load_part(dy, 0.0);
        let hat = s.mul(s.sub(s.load_part(x, 0.0), s.load_part(mean, 0.0)), s.load_part(rstd, 0.0));
        let (a, b) = (s.add(dy, s.load_part(first, 0.0)), s.fma(dy, hat, s.load_part(second, 0.0)));
        s.store_part(first, a);
        s.store_part(second, b);
    }
}

/// `dx = scale (dy − a − (x − mean) b)`.
#[inline(always)]
fn gradient<S: Simd>(s: S, [x, dy]: [&[f32]; 2], [mean, scale]: [&[f32]; 2], [a, b]: [&[f32]; 2], dx: &mut [f32]) {
    let columns = mean.chunks(S::N).zip(scale.chunks(S::N)).zip(a.chunks(S::N).zip(b.chunks(S::N)));
    for (((x, dy), dx), ((mean, scale), (a, b))) in
        x.chunks(S::N).zip(dy.chunks(S::N)).zip(dx.chunks_mut(S::N)).zip(columns)
    {
        let d = s.sub(s.load_part(x, 0.0), s.load_part(mean, 0.0));
        let g = s.sub(s.load_part(dy, 0.0), s.load_part(a, 0.0));
        let g = s.sub(g, s.mul(d, s.load_part(b, 0.0)));
        s.store_part(dx, s.mul(g, s.load_part(scale, 0.0)));
    }
}
