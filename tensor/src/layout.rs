//! How a tensor's elements lie in its storage: shape, strides and offset, and the views that change only these.

/// Shape, strides and offset, in elements. Strides may be zero (broadcast) or negative (flipped).
///
/// # Examples
/// ```
/// use lethe_tensor::{Device, Tensor};
/// let x = Tensor::arange(&Device::cpu(), 6).reshape(&[2, 3]);
/// assert_eq!(x.transpose(0, 1).layout().strides, [1, 3]); // a view of the same elements
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layout {
    /// The extent of each axis.
    pub shape: Vec<usize>,
    /// The distance between neighbours along each axis.
    pub strides: Vec<isize>,
    /// The place of element (0, 0, …).
    pub offset: usize,
}

/// Row-major strides of a shape whose elements can be counted ([`numel`]).
pub fn contiguous_strides(shape: &[usize]) -> Vec<isize> {
    let mut strides = vec![1; shape.len()];
    for i in (1..shape.len()).rev() {
        strides[i - 1] = strides[i] * shape[i].max(1) as isize;
    }
    strides
}

/// The number of elements of a shape: 1 for the empty shape.
///
/// # Panics
/// If the product of the extents (those of 0 left out) is more than `isize::MAX`: nothing could be addressed by it.
#[track_caller]
pub fn numel(shape: &[usize]) -> usize {
    let product = shape.iter().filter(|n| **n > 0).try_fold(1usize, |product, n| product.checked_mul(*n));
    match product.filter(|n| isize::try_from(*n).is_ok()) {
        Some(_) if shape.contains(&0) => 0,
        Some(n) => n,
        None => panic!("a tensor of shape {shape:?} has more elements than can be addressed"),
    }
}

impl Layout {
    /// Row-major from the start of the storage.
    ///
    /// # Panics
    /// As [`numel`].
    #[track_caller]
    pub fn contiguous(shape: &[usize]) -> Layout {
        numel(shape);
        Layout { shape: shape.to_vec(), strides: contiguous_strides(shape), offset: 0 }
    }

    /// The number of elements.
    #[track_caller]
    pub fn numel(&self) -> usize {
        numel(&self.shape)
    }

    /// Whether the elements lie row-major without gaps, from `offset` on.
    pub fn is_contiguous(&self) -> bool {
        let mut expected = 1;
        self.numel() == 0
            || self.shape.iter().zip(&self.strides).rev().all(|(&n, &s)| {
                let fits = n == 1 || s == expected;
                expected *= n as isize;
                fits
            })
    }

    /// Axis `i` of the result is axis `dims[i]` of this layout. The caller has checked that `dims` is a permutation.
    pub fn permute(&self, dims: &[usize]) -> Layout {
        Layout {
            shape: dims.iter().map(|&d| self.shape[d]).collect(),
            strides: dims.iter().map(|&d| self.strides[d]).collect(),
            offset: self.offset,
        }
    }

    /// Elements `start, start + step, …` below `end` of one axis; `step` is positive.
    pub fn slice(&self, axis: usize, start: usize, end: usize, step: usize) -> Layout {
        let mut l = self.clone();
        l.shape[axis] = end.saturating_sub(start).div_ceil(step);
        if l.shape[axis] > 0 {
            l.offset = (l.offset as isize + start as isize * l.strides[axis]) as usize;
        }
        l.strides[axis] *= step as isize;
        l
    }

    /// The axis reversed.
    pub fn flip(&self, axis: usize) -> Layout {
        let mut l = self.clone();
        if l.shape[axis] > 0 {
            l.offset = (l.offset as isize + (l.shape[axis] as isize - 1) * l.strides[axis]) as usize;
        }
        l.strides[axis] = -l.strides[axis];
        l
    }

    /// Broadcast to `shape` by NumPy's rule, or `None` where it does not apply.
    pub fn expand(&self, shape: &[usize]) -> Option<Layout> {
        let lead = shape.len().checked_sub(self.shape.len())?;
        let mut strides = vec![0; shape.len()];
        for (i, (&n, &s)) in self.shape.iter().zip(&self.strides).enumerate() {
            strides[lead + i] = match (n, shape[lead + i]) {
                (a, b) if a == b => s,
                (1, _) => 0,
                _ => return None,
            };
        }
        Some(Layout { shape: shape.to_vec(), strides, offset: self.offset })
    }

    /// The same elements in row-major order in a new shape without a copy, or `None` where one is needed.
    pub fn reshape(&self, shape: &[usize]) -> Option<Layout> {
        if self.is_contiguous() {
            return Some(Layout { offset: self.offset, ..Layout::contiguous(shape) });
        }
        let (old_shape, old_strides) = self.merged();
        let mut strides = vec![0; shape.len()];
        let (mut axis, mut left) = (old_shape.len(), 1usize); // `left`: how much of the current old axis is still to be cut
        let mut stride = 0;
        for (i, &n) in shape.iter().enumerate().rev() {
            if n == 1 {
                continue;
            }
            if left == 1 {
                axis = axis.checked_sub(1)?;
                (left, stride) = (old_shape[axis], old_strides[axis]);
            }
            if left % n != 0 {
                return None;
            }
            strides[i] = stride;
            stride *= n as isize;
            left /= n;
        }
        Some(Layout { shape: shape.to_vec(), strides, offset: self.offset })
    }

    /// Shape and strides with neighbouring axes joined wherever one stride serves both, and axes of one element dropped.
    pub fn merged(&self) -> (Vec<usize>, Vec<isize>) {
        let (mut shape, mut strides): (Vec<usize>, Vec<isize>) = (vec![], vec![]);
        for (&n, &s) in self.shape.iter().zip(&self.strides) {
            if n == 1 {
                continue;
            }
            match (shape.last_mut(), strides.last_mut()) {
                (Some(last), Some(stride)) if *stride == s * n as isize => {
                    *last *= n;
                    *stride = s;
                }
                _ => {
                    shape.push(n);
                    strides.push(s);
                }
            }
        }
        (shape, strides)
    }

    /// The offsets of all elements in the storage, in row-major order.
    pub fn offsets(&self) -> Offsets<'_> {
        Offsets { layout: self, index: vec![0; self.shape.len()], at: self.offset as isize, left: self.numel() }
    }
}

/// Iterator of [`Layout::offsets`].
pub struct Offsets<'a> {
    layout: &'a Layout,
    index: Vec<usize>,
    at: isize,
    left: usize,
}

impl Iterator for Offsets<'_> {
    type Item = usize;
    fn next(&mut self) -> Option<usize> {
        self.left = self.left.checked_sub(1)?;
        let here = self.at as usize;
        for axis in (0..self.index.len()).rev() {
            self.index[axis] += 1;
            self.at += self.layout.strides[axis];
            if self.index[axis] < self.layout.shape[axis] {
                break;
            }
            self.at -= self.layout.strides[axis] * self.layout.shape[axis] as isize;
            self.index[axis] = 0;
        }
        Some(here)
    }
}

/// The shape that `a` and `b` broadcast to, or `None`.
pub fn broadcast(a: &[usize], b: &[usize]) -> Option<Vec<usize>> {
    let rank = a.len().max(b.len());
    let at = |s: &[usize], i: usize| (i + s.len()).checked_sub(rank).map_or(1, |i| s[i]);
    (0..rank)
        .map(|i| match (at(a, i), at(b, i)) {
            (x, y) if x == y => Some(x),
            (1, y) => Some(y),
            (x, 1) => Some(x),
            _ => None,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reshape_of_a_permuted_layout_keeps_what_it_can() {
        let l = Layout::contiguous(&[4, 3, 2]).permute(&[1, 0, 2]);
        assert_eq!(l.reshape(&[3, 2, 2, 2]).unwrap().strides, [2, 12, 6, 1]);
        assert!(l.reshape(&[12, 2]).is_none());
        assert_eq!(l.offsets().collect::<Vec<_>>()[..4], [0, 1, 6, 7]);
    }

    #[test]
    fn contiguity_ignores_axes_of_one_element_and_empty_tensors() {
        assert!(Layout { shape: vec![1, 3], strides: vec![77, 1], offset: 5 }.is_contiguous());
        assert!(Layout { shape: vec![0, 3], strides: vec![1, 1], offset: 0 }.is_contiguous());
        assert!(!Layout { shape: vec![2, 3], strides: vec![0, 1], offset: 0 }.is_contiguous());
    }

    #[test]
    fn broadcasting_follows_numpy() {
        assert_eq!(broadcast(&[3, 1], &[2]), Some(vec![3, 2]));
        assert_eq!(broadcast(&[0], &[1]), Some(vec![0]));
        assert_eq!(broadcast(&[3], &[2]), None);
    }

    #[test]
    fn flipped_slices_start_at_the_right_place() {
        let l = Layout::contiguous(&[5]).slice(0, 1, 5, 2).flip(0);
        assert_eq!(l.offsets().collect::<Vec<_>>(), [3, 1]);
    }
}
