//! Rearranging, repeating and cutting: compositions of views, joins and reads by index.

use crate::graph::Var;
use lethe_tensor::{Tensor, collected};

impl Var {
    /// Elements moved `shift` places along an axis, those that leave it coming in at the other end.
    ///
    /// # Panics
    /// If the axis does not exist.
    #[track_caller]
    pub fn roll(&self, shift: isize, dim: isize) -> Var {
        let n = self.extent("roll", dim);
        let by = if n == 0 { 0 } else { shift.rem_euclid(n as isize) as usize };
        if by == 0 {
            return self.clone();
        }
        Var::concat(&[&self.slice(dim, n - by, n), &self.slice(dim, 0, n - by)], dim)
    }

    /// The whole tensor laid side by side `times[i]` times along axis i; further leading axes are added as needed.
    ///
    /// # Panics
    /// If `times` has fewer entries than there are axes.
    #[track_caller]
    pub fn repeat(&self, times: &[usize]) -> Var {
        assert!(times.len() >= self.rank(), "repeat: {times:?} names fewer axes than {:?} has", self.shape());
        let lead = times.len() - self.rank();
        let mut own = vec![1; lead];
        own.extend(self.shape());
        let split: Vec<usize> = own.iter().flat_map(|&n| [1, n]).collect();
        let wide: Vec<usize> = times.iter().zip(&own).flat_map(|(&t, &n)| [t, n]).collect();
        // The largest extent has no shape.
        let shape: Vec<usize> = times.iter().zip(&own).map(|(t, n)| t.saturating_mul(*n)).collect();
        self.reshape(&split).expand(&wide).reshape(&shape)
    }

    /// Every element of an axis `times` times, one after the other.
    ///
    /// # Panics
    /// If the axis does not exist.
    #[track_caller]
    pub fn repeat_interleave(&self, times: usize, dim: isize) -> Var {
        let n = self.extent("repeat_interleave", dim);
        let at = self.axis(dim);
        let mut wide = self.shape().to_vec();
        wide.insert(at + 1, times);
        let mut shape = self.shape().to_vec();
        shape[at] = n.saturating_mul(times); // the largest extent has no shape
        self.unsqueeze(at as isize + 1).expand(&wide).reshape(&shape)
    }

    /// Pieces of `size` elements of an axis, the last one shorter if need be; of an empty axis one empty piece.
    ///
    /// # Panics
    /// If the axis does not exist, or the size is 0.
    #[track_caller]
    pub fn split(&self, size: usize, dim: isize) -> Vec<Var> {
        assert!(size > 0, "split: pieces of 0 elements");
        let n = self.extent("split", dim);
        if n == 0 {
            return vec![self.clone()];
        }
        // A loop: a closure would not know the line of calling code.
        let mut pieces = vec![];
        for start in (0..n).step_by(size) {
            pieces.push(self.slice(dim, start, n.min(start + size)));
        }
        pieces
    }

    /// An axis cut into this many equal pieces.
    ///
    /// # Panics
    /// If the axis does not exist, or is not divisible.
    #[track_caller]
    pub fn chunk(&self, pieces: usize, dim: isize) -> Vec<Var> {
        let n = self.extent("chunk", dim);
        assert!(pieces > 0 && n.is_multiple_of(pieces), "chunk: {n} elements do not fall into {pieces} equal pieces");
        if n == 0 { vec![self.clone(); pieces] } else { self.split(n / pieces, dim) }
    }

    /// x with elements `start .. start + n` of an axis replaced by `src`, which has n there; each gets its part of dy.
    ///
    /// # Panics
    /// If the axis does not exist, `start + n` lies beyond its end, or `src` differs from x in type, in rank or on an axis other than `dim`.
    #[track_caller]
    pub fn slice_assign(&self, dim: isize, start: usize, src: &Var) -> Var {
        let (n, end) = (self.extent("slice_assign", dim), start.saturating_add(src.extent("slice_assign", dim)));
        assert!(end <= n, "slice_assign: elements {start} .. {end} of an axis of {n}");
        Var::concat(&[&self.slice(dim, 0, start), src, &self.slice(dim, end, n)], dim)
    }

    /// New elements before and after an axis that mirror those inside, without the edge: 2 1 | 0 1 2 | 1 0.
    ///
    /// # Panics
    /// If the axis does not exist, or is not longer than the padding.
    #[track_caller]
    pub fn pad_reflect(&self, dim: isize, before: usize, after: usize) -> Var {
        let n = self.extent("pad_reflect", dim);
        let most = before.max(after);
        assert!(most < n, "pad_reflect: {before} before and {after} after need an axis of more than {most}, not {n}");
        // The largest extent has no shape.
        let len = n.saturating_add(before).saturating_add(after);
        self.read_along("pad_reflect", dim, len, |i| (n - 1) - (n - 1).abs_diff(i.abs_diff(before)))
    }

    /// New elements before and after an axis that repeat its edges: 0 0 | 0 1 2 | 2 2.
    ///
    /// # Panics
    /// If the axis does not exist or is empty.
    #[track_caller]
    pub fn pad_edge(&self, dim: isize, before: usize, after: usize) -> Var {
        let n = self.extent("pad_edge", dim);
        assert!(n > 0, "pad_edge: the axis is empty and has no edge");
        // The largest extent has no shape.
        let len = n.saturating_add(before).saturating_add(after);
        self.read_along("pad_edge", dim, len, |i| i.saturating_sub(before).min(n - 1))
    }

    /// As many elements of an axis, each at its place; more than memory holds are refused before any is looked for.
    #[track_caller]
    pub(super) fn read_along(&self, op: &str, dim: isize, len: usize, place: impl Fn(usize) -> usize) -> Var {
        let n = self.extent(op, dim);
        let mut shape = self.shape().to_vec();
        shape[self.axis(dim)] = len;
        self.device().check_room(op, self.tensor().computed_type(), &shape);
        assert!(n as u64 <= 1 << 32, "{op}: an axis of {n} elements has more places than u32 names");
        let indices = collected(op, len, (0..len).map(|i| place(i) as u32));
        self.index_select(dim, &Tensor::from_slice(self.device(), &indices, &[len]))
    }

    /// The number of an axis that may be counted from the end.
    pub(super) fn axis(&self, dim: isize) -> usize {
        if dim < 0 { (dim + self.rank() as isize) as usize } else { dim as usize }
    }

    #[track_caller]
    pub(super) fn extent(&self, op: &str, dim: isize) -> usize {
        let Some(&extent) = self.shape().get(self.axis(dim)) else {
            panic!("{op}: there is no axis {dim} in {:?}", self.shape())
        };
        extent
    }
}
