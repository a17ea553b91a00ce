//! Indexing by positions and ranges: `x.i((.., 0, 1..3))`.

use crate::tensor::Tensor;
use std::ops::{Range, RangeFrom, RangeFull, RangeInclusive, RangeTo, RangeToInclusive};

/// What an index says of one axis. Positions may be negative: counted from the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Index {
    /// One position; the axis disappears.
    At(isize),
    /// The elements from the first position up to, but without, the second; `None`: from the start, to the end.
    Range(Option<isize>, Option<isize>),
    /// A new axis of one element here.
    NewAxis,
    /// As many full ranges as there are axes left.
    Ellipsis,
}

/// In an index: a new axis of one element.
#[derive(Clone, Copy, Debug)]
pub struct NewAxis;

/// In an index: all axes that are not indexed explicitly.
#[derive(Clone, Copy, Debug)]
pub struct Ellipsis;

impl From<NewAxis> for Index {
    fn from(_: NewAxis) -> Index {
        Index::NewAxis
    }
}

impl From<Ellipsis> for Index {
    fn from(_: Ellipsis) -> Index {
        Index::Ellipsis
    }
}

impl From<RangeFull> for Index {
    fn from(_: RangeFull) -> Index {
        Index::Range(None, None)
    }
}

/// The position after an inclusive end; after −1 the axis ends.
fn behind(end: isize) -> Option<isize> {
    (end != -1).then_some(end + 1)
}

macro_rules! positions {
    ($($t:ty)*) => { $(
        impl From<$t> for Index {
            fn from(i: $t) -> Index {
                Index::At(i as isize)
            }
        }
        impl From<Range<$t>> for Index {
            fn from(r: Range<$t>) -> Index {
                Index::Range(Some(r.start as isize), Some(r.end as isize))
            }
        }
        impl From<RangeFrom<$t>> for Index {
            fn from(r: RangeFrom<$t>) -> Index {
                Index::Range(Some(r.start as isize), None)
            }
        }
        impl From<RangeTo<$t>> for Index {
            fn from(r: RangeTo<$t>) -> Index {
                Index::Range(None, Some(r.end as isize))
            }
        }
        impl From<RangeInclusive<$t>> for Index {
            fn from(r: RangeInclusive<$t>) -> Index {
                Index::Range(Some(*r.start() as isize), behind(*r.end() as isize))
            }
        }
        impl From<RangeToInclusive<$t>> for Index {
            fn from(r: RangeToInclusive<$t>) -> Index {
                Index::Range(None, behind(r.end as isize))
            }
        }
    )* };
}
positions! { i32 isize usize }

/// What indexes a tensor: a position, a range, or a tuple of up to eight of them, [`NewAxis`] and [`Ellipsis`] among them.
pub trait Indices {
    /// The entries, from the first axis on.
    fn entries(self) -> Vec<Index>;
}

impl<T: Into<Index>> Indices for T {
    fn entries(self) -> Vec<Index> {
        vec![self.into()]
    }
}

impl Indices for &[Index] {
    fn entries(self) -> Vec<Index> {
        self.to_vec()
    }
}

macro_rules! tuples {
    ($(($($t:ident)+))*) => { $(
        impl<$($t: Into<Index>),+> Indices for ($($t,)+) {
            fn entries(self) -> Vec<Index> {
                #[allow(non_snake_case)]
                let ($($t,)+) = self;
                vec![$($t.into()),+]
            }
        }
    )* };
}
tuples! { (A) (A B) (A B C) (A B C D) (A B C D E) (A B C D E F) (A B C D E F G) (A B C D E F G H) }

/// An index in elementary views: the axes to be cut, with their ranges, and the shape after that.
#[derive(Debug, PartialEq, Eq)]
pub struct Cuts {
    /// (axis, start, end) of each axis that is not kept whole.
    pub slices: Vec<(usize, usize, usize)>,
    /// The shape once positions have lost their axes and new axes have come.
    pub shape: Vec<usize>,
}

impl Cuts {
    /// The views that an index asks for of a tensor of this shape.
    ///
    /// # Panics
    /// If a position or range lies outside its axis, there are more entries than axes, or more than one ellipsis.
    #[track_caller]
    pub fn of(shape: &[usize], entries: &[Index]) -> Cuts {
        let named = entries.iter().filter(|e| matches!(e, Index::At(_) | Index::Range(..))).count();
        assert!(named <= shape.len(), "i: {named} positions and ranges for the {} axes of {shape:?}", shape.len());
        let ellipses = entries.iter().filter(|e| **e == Index::Ellipsis).count();
        assert!(ellipses <= 1, "i: an index holds one ellipsis at most, this one {ellipses}");
        let mut cuts = Cuts { slices: vec![], shape: vec![] };
        let mut axis = 0;
        for entry in entries {
            match *entry {
                Index::NewAxis => cuts.shape.push(1),
                Index::Ellipsis => {
                    let rest = shape.len() - named;
                    cuts.shape.extend(&shape[axis..axis + rest]);
                    axis += rest;
                }
                Index::At(i) => {
                    let at = position(shape, axis, i);
                    cuts.slices.push((axis, at, at + 1));
                    axis += 1;
                }
                Index::Range(start, end) => {
                    let (start, end) = bounds(shape, axis, start, end);
                    if (start, end) != (0, shape[axis]) {
                        cuts.slices.push((axis, start, end));
                    }
                    cuts.shape.push(end - start);
                    axis += 1;
                }
            }
        }
        cuts.shape.extend(&shape[axis..]);
        cuts
    }
}

/// A position on an axis, from its start.
#[track_caller]
fn position(shape: &[usize], axis: usize, i: isize) -> usize {
    let n = shape[axis];
    let at = if i < 0 { i + n as isize } else { i };
    assert!((0..n as isize).contains(&at), "i: position {i} is not within axis {axis} of {n} elements ({shape:?})");
    at as usize
}

/// A range of an axis, from its start.
#[track_caller]
fn bounds(shape: &[usize], axis: usize, start: Option<isize>, end: Option<isize>) -> (usize, usize) {
    let n = shape[axis] as isize;
    let from_start = |i: isize| if i < 0 { i + n } else { i };
    let (first, last) = (start.map_or(0, from_start), end.map_or(n, from_start));
    let text = |i: Option<isize>| i.map_or(String::new(), |i| i.to_string());
    assert!(
        0 <= first && first <= last && last <= n,
        "i: the range {}..{} is not within axis {axis} of {n} elements ({shape:?})",
        text(start),
        text(end)
    );
    (first as usize, last as usize)
}

impl Tensor {
    /// The part at these positions and ranges, a view: `x.i(0)`, `x.i((.., -1))`, `x.i((Ellipsis, 1..3))`, `x.i((NewAxis, ..))`. A position
    /// takes its axis away, a range keeps it; negative numbers count from the end; axes not spoken of are kept whole.
    ///
    /// ```
    /// use lethe_tensor::{Device, Tensor};
    /// let x = Tensor::new(&Device::cpu(), [[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]);
    /// assert_eq!(x.i((.., 1..)).shape(), [2, 2]);
    /// assert_eq!(x.i((1, -1)).item::<f32>()?, 6.0);
    /// # Ok::<(), lethe_tensor::DeviceError>(())
    /// ```
    ///
    /// # Panics
    /// If a position or range lies outside its axis, there are more entries than axes, or more than one ellipsis.
    #[track_caller]
    pub fn i(&self, index: impl Indices) -> Tensor {
        let cuts = Cuts::of(self.shape(), &index.entries());
        let mut part = self.clone();
        for (axis, start, end) in cuts.slices {
            part = part.slice(axis as isize, start, end);
        }
        part.reshape(&cuts.shape)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_index_becomes_cuts_and_a_shape() {
        let cuts = |entries: Vec<Index>| Cuts::of(&[4, 5, 6], &entries);
        assert_eq!(cuts((.., 0, 1..3).entries()), Cuts { slices: vec![(1, 0, 1), (2, 1, 3)], shape: vec![4, 2] });
        assert_eq!(cuts((Ellipsis, -1).entries()), Cuts { slices: vec![(2, 5, 6)], shape: vec![4, 5] });
        assert_eq!(cuts((1..=2, NewAxis, ..-1).entries()).shape, [2, 1, 4, 6]);
        assert_eq!(cuts((-2.., ..=-1, 3..3).entries()).shape, [2, 5, 0]);
        assert_eq!(cuts(2.entries()).shape, [5, 6]);
        assert_eq!(cuts(vec![]).shape, [4, 5, 6]);
    }

    #[test]
    #[allow(clippy::reversed_empty_ranges)] // that is what is refused
    fn what_lies_outside_is_named() {
        let message = |entries: Vec<Index>| {
            let panic = std::panic::catch_unwind(|| Cuts::of(&[2, 3], &entries)).unwrap_err();
            panic.downcast_ref::<String>().cloned().unwrap()
        };
        assert_eq!(message((0, 3).entries()), "i: position 3 is not within axis 1 of 3 elements ([2, 3])");
        assert_eq!(message((.., -4).entries()), "i: position -4 is not within axis 1 of 3 elements ([2, 3])");
        assert_eq!(message((3..).entries()), "i: the range 3.. is not within axis 0 of 2 elements ([2, 3])");
        assert_eq!(message((.., 2..1).entries()), "i: the range 2..1 is not within axis 1 of 3 elements ([2, 3])");
        assert_eq!(message((0, 0, 0).entries()), "i: 3 positions and ranges for the 2 axes of [2, 3]");
        assert!(message((Ellipsis, Ellipsis).entries()).contains("one ellipsis at most"));
    }
}
