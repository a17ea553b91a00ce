//! Elements of any strides, brought into a run of floats: what the elementwise interpreters do with inputs that they cannot read in place.

use super::Input;
use super::levels::{Level, dispatch_at};
use super::simd::{Kernel, Simd};
use crate::dtype::{DType, Element};
use crate::layout::Layout;
use half::{bf16, f16};

/// A layout with neighbouring axes joined, so that the innermost runs are as long as they can be.
#[derive(Debug)]
pub struct Strided {
    shape: Vec<usize>,
    strides: Vec<isize>,
    offset: isize,
}

impl Strided {
    /// The joined axes of a layout.
    pub fn new(layout: &Layout) -> Strided {
        let (mut shape, mut strides) = layout.merged();
        if shape.is_empty() {
            (shape, strides) = (vec![1], vec![0]);
        }
        Strided { shape, strides, offset: layout.offset as isize }
    }

    /// Elements `at .. at + n` in row-major order, as runs of one stride each.
    #[inline(always)]
    pub fn runs(&self, at: usize, n: usize) -> Runs<'_> {
        let mut index = vec![0; self.shape.len()];
        let (mut offset, mut rest) = (self.offset, at);
        for axis in (0..index.len()).rev() {
            index[axis] = rest % self.shape[axis];
            rest /= self.shape[axis];
            offset += index[axis] as isize * self.strides[axis];
        }
        Runs { of: self, index, offset, left: n }
    }
}

/// Iterator of [`Strided::runs`].
pub struct Runs<'a> {
    of: &'a Strided,
    index: Vec<usize>,
    offset: isize,
    left: usize,
}

/// `count` elements at `offset`, `offset + stride`, …
pub struct Run {
    /// The first one's offset in the storage.
    pub offset: isize,
    /// From one to the next.
    pub stride: isize,
    /// How many.
    pub count: usize,
}

impl Iterator for Runs<'_> {
    type Item = Run;
    #[inline(always)]
    fn next(&mut self) -> Option<Run> {
        if self.left == 0 {
            return None;
        }
        let inner = self.index.len() - 1;
        let stride = self.of.strides[inner];
        let count = (self.of.shape[inner] - self.index[inner]).min(self.left);
        let run = Run { offset: self.offset, stride, count };
        self.left -= count;
        self.index[inner] += count;
        self.offset += count as isize * stride;
        let mut axis = inner;
        while self.index[axis] == self.of.shape[axis] && axis > 0 {
            self.offset += self.of.strides[axis - 1] - self.of.strides[axis] * self.of.shape[axis] as isize;
            self.index[axis] = 0;
            axis -= 1;
            self.index[axis] += 1;
        }
        Some(run)
    }
}

/// Elements `at ..` of an input, converted by `convert` to what `out` holds.
#[inline(always)]
pub fn gather<T: Element, U: Copy>(x: &[T], from: &Strided, at: usize, out: &mut [U], convert: impl Fn(T) -> U) {
    let mut rest = out;
    for run in from.runs(at, rest.len()) {
        let (out, tail) = rest.split_at_mut(run.count);
        rest = tail;
        match run.stride {
            0 => out.fill(convert(x[run.offset as usize])),
            1 => {
                let x = &x[run.offset as usize..][..run.count];
                out.iter_mut().zip(x).for_each(|(o, x)| *o = convert(*x));
            }
            _ => {
                for (i, o) in out.iter_mut().enumerate() {
                    *o = convert(x[(run.offset + i as isize * run.stride) as usize]);
                }
            }
        }
    }
}

/// The loop for one element type.
struct Gather<'a, T> {
    x: &'a [T],
    from: &'a Strided,
    at: usize,
    out: &'a mut [f32],
}

impl<T: Element> Kernel for Gather<'_, T> {
    type Out = ();
    #[inline(always)]
    fn run<S: Simd>(self, _: S) {
        gather(self.x, self.from, self.at, self.out, |x| x.to_f64() as f32);
    }
}

/// Runs `$body` with `$x` bound to the whole storage of an input, whatever its type.
macro_rules! storage_of {
    ($input:expr, $x:ident => $body:expr) => {
        match $input.dtype {
            DType::F32 => {
                let $x = $input.storage::<f32>();
                $body
            }
            DType::F64 => {
                let $x = $input.storage::<f64>();
                $body
            }
            DType::I32 => {
                let $x = $input.storage::<i32>();
                $body
            }
            DType::U32 => {
                let $x = $input.storage::<u32>();
                $body
            }
            DType::F16 => {
                let $x = $input.storage::<f16>();
                $body
            }
            DType::BF16 => {
                let $x = $input.storage::<bf16>();
                $body
            }
        }
    };
}

/// Elements `at ..` of an input as `f32`.
pub fn load(level: Level, input: &Input<'_>, from: &Strided, at: usize, out: &mut [f32]) {
    storage_of!(input, x => dispatch_at(level, Gather { x, from, at, out }))
}

/// Elements `at ..` of an input as `f64`: exact for every type.
pub fn load_wide(input: &Input<'_>, from: &Strided, at: usize, out: &mut [f64]) {
    storage_of!(input, x => gather(x, from, at, out, Element::to_f64))
}

/// The element at this offset of an input's storage.
pub fn load_one(input: &Input<'_>, offset: usize) -> f64 {
    storage_of!(input, x => x[offset].to_f64())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_visit_the_places_of_a_layout_from_any_start() {
        let base = Layout::contiguous(&[4, 6, 5]);
        let layouts = [
            base.clone(),
            base.permute(&[2, 0, 1]),
            base.flip(1).slice(2, 1, 5, 2),
            base.slice(1, 2, 3, 1).expand(&[4, 3, 5]).unwrap(),
            Layout::contiguous(&[1, 1]).expand(&[3, 4]).unwrap(),
            Layout::contiguous(&[]),
        ];
        for l in layouts {
            let offsets: Vec<isize> = l.offsets().map(|p| p as isize).collect();
            let strided = Strided::new(&l);
            for at in 0..offsets.len() {
                for n in [1, 2, 7, offsets.len() - at] {
                    let n = n.min(offsets.len() - at);
                    let got: Vec<isize> = strided
                        .runs(at, n)
                        .flat_map(|r| (0..r.count).map(move |i| r.offset + i as isize * r.stride))
                        .collect();
                    assert_eq!(got, offsets[at..at + n], "{l:?} from {at}");
                }
            }
        }
    }
}
