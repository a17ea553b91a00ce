//! Outputs as columns of a matrix, in panels for the micro-kernel: copying what a tap takes of a frame into them, and adding it back.

#![allow(unsafe_code)]

use crate::cpu::simd::{Kernel, Simd};
use std::ops::Range;

/// Columns of one panel whose places in a frame are equally distant.
#[derive(Clone, Copy, Debug)]
pub struct Run {
    /// The first column, in its panel.
    pub lane: usize,
    /// The place of its element of a tap at offset 0.
    pub at: usize,
    /// Columns.
    pub len: usize,
}

/// The columns of some outputs of neighbouring images.
pub struct Columns {
    runs: Vec<Run>,
    /// The runs of each panel.
    panels: Vec<Range<usize>>,
    /// The distance of columns in a run.
    right: usize,
    /// Columns in a panel.
    pub nr: usize,
    /// Columns.
    pub len: usize,
}

impl Columns {
    /// Columns `range` of the outputs of images `image` floats apart; neighbouring outputs are `steps` = (below, right) apart.
    pub fn new(output: [usize; 2], steps: (usize, usize), image: usize, range: Range<usize>, nr: usize) -> Columns {
        let (area, len) = (output[0] * output[1], range.len());
        let (mut runs, mut panels): (Vec<Run>, Vec<Range<usize>>) = (vec![], vec![]);
        let mut column = range.start;
        while column < range.end {
            let lane = (column - range.start) % nr;
            if lane == 0 {
                panels.push(runs.len()..runs.len());
            }
            let (y, x) = (column % area / output[1], column % output[1]);
            let len = (output[1] - x).min(nr - lane).min(range.end - column);
            let at = column / area * image + y * steps.0 + x * steps.1;
            match runs.last_mut() {
                Some(last) if lane > 0 && last.at + last.len * steps.1 == at => last.len += len,
                _ => runs.push(Run { lane, at, len }),
            }
            panels.last_mut().expect("a panel was begun").end = runs.len();
            column += len;
        }
        Columns { runs, panels, right: steps.1, nr, len }
    }

    /// The number of panels.
    pub fn panels(&self) -> usize {
        self.panels.len()
    }

    /// Floats of a row of all panels.
    pub fn padded(&self) -> usize {
        self.panels.len() * self.nr
    }

    /// The runs of a panel.
    #[inline(always)]
    fn of(&self, panel: usize) -> &[Run] {
        &self.runs[self.panels[panel].clone()]
    }
}

/// Panels of rows: row k of panel q takes, for every column, the element of the tap at `offsets[k]`.
pub struct Pack<'a> {
    pub frame: &'a [f32],
    pub offsets: &'a [usize],
    pub columns: &'a Columns,
    pub out: &'a mut [f32],
}

impl Kernel for Pack<'_> {
    type Out = ();
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let (nr, right) = (self.columns.nr, self.columns.right);
        let panels = self.out.chunks_exact_mut(self.offsets.len() * nr);
        for (q, panel) in panels.enumerate().take(self.columns.panels()) {
            let runs = self.columns.of(q);
            let filled = runs.last().map_or(0, |run| run.lane + run.len);
            for (offset, row) in self.offsets.iter().zip(panel.chunks_exact_mut(nr)) {
                row[filled..].fill(0.0);
                for run in runs {
                    let (from, row) = (&self.frame[offset + run.at..], &mut row[run.lane..run.lane + run.len]);
                    if right == 1 {
                        copy(s, &from[..run.len], row);
                    } else {
                        row.iter_mut().zip(from.iter().step_by(right)).for_each(|(out, x)| *out = *x);
                    }
                }
            }
        }
    }
}

/// The reverse, for gradients: adds rows of `ld` floats, a row for each offset and a column for each of some panels, to the frame.
pub struct Scatter<'a> {
    pub rows: &'a [f32],
    pub ld: usize,
    pub offsets: &'a [usize],
    pub columns: &'a Columns,
    pub panels: Range<usize>,
    pub frame: &'a mut [f32],
}

impl Kernel for Scatter<'_> {
    type Out = ();
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let right = self.columns.right;
        for (offset, row) in self.offsets.iter().zip(self.rows.chunks(self.ld)) {
            for (i, q) in self.panels.clone().enumerate() {
                for run in self.columns.of(q) {
                    let from = &row[i * self.columns.nr + run.lane..][..run.len];
                    let frame = &mut self.frame[offset + run.at..];
                    if right == 1 {
                        add(s, from, &mut frame[..run.len]);
                    } else {
                        frame.iter_mut().step_by(right).zip(from).for_each(|(x, g)| *x += g);
                    }
                }
            }
        }
    }
}

/// A short copy: a call would cost more.
#[inline(always)]
fn copy<S: Simd>(s: S, from: &[f32], to: &mut [f32]) {
    for (from, to) in from.chunks(S::N).zip(to.chunks_mut(S::N)) {
        s.store_part(to, s.load_part(from, 0.0));
    }
}

#[inline(always)]
fn add<S: Simd>(s: S, from: &[f32], to: &mut [f32]) {
    for (from, to) in from.chunks(S::N).zip(to.chunks_mut(S::N)) {
        let sum = s.add(s.load_part(from, 0.0), s.load_part(to, 0.0));
        s.store_part(to, sum);
    }
}

/// `to = from + bias`.
pub struct AddTo<'a> {
    pub from: &'a [f32],
    pub bias: f32,
    pub to: &'a mut [f32],
}

impl Kernel for AddTo<'_> {
    type Out = ();
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let bias = s.splat(self.bias);
        for (from, to) in self.from.chunks(S::N).zip(self.to.chunks_mut(S::N)) {
            s.store_part(to, s.add(s.load_part(from, 0.0), bias));
        }
    }
}
