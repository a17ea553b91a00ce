//! Views. Each rule is another view, or the sum or padding that undoes it.

use crate::graph::Var;

impl Var {
    /// The same elements in a new shape; `dx` is dy in the old one. One extent may be [`INFER`](lethe_tensor::INFER).
    ///
    /// # Panics
    /// If the numbers of elements differ.
    #[track_caller]
    pub fn reshape(&self, shape: &[usize]) -> Var {
        if shape == self.shape() {
            return self.clone();
        }
        let old = self.shape().to_vec();
        Var::record("reshape", &[self], self.tensor().reshape(shape), move |dy| vec![Some(dy.reshape(&old))])
    }

    /// Axis `i` of the result is axis `dims[i]`; `dx` is dy under the inverse permutation.
    ///
    /// # Panics
    /// If `dims` is not a permutation of the axes.
    #[track_caller]
    pub fn permute(&self, dims: &[usize]) -> Var {
        let mut inverse = vec![0; dims.len()];
        let y = self.tensor().permute(dims);
        dims.iter().enumerate().for_each(|(i, &d)| inverse[d] = i);
        Var::record("permute", &[self], y, move |dy| vec![Some(dy.permute(&inverse))])
    }

    /// Two axes exchanged; they may be counted from the end.
    ///
    /// # Panics
    /// If there is no such axis.
    #[track_caller]
    pub fn transpose(&self, a: isize, b: isize) -> Var {
        let y = self.tensor().transpose(a, b);
        Var::record("transpose", &[self], y, move |dy| vec![Some(dy.transpose(a, b))])
    }

    /// The last two axes exchanged.
    ///
    /// # Panics
    /// If there are fewer than two axes.
    #[track_caller]
    pub fn t(&self) -> Var {
        self.transpose(-2, -1)
    }

    /// Elements `start .. end` of an axis; `dx` is dy between zeros.
    ///
    /// # Panics
    /// If the range is not within the axis.
    #[track_caller]
    pub fn slice(&self, dim: isize, start: usize, end: usize) -> Var {
        self.slice_step(dim, start, end, 1)
    }

    /// Elements `start, start + step, …` below `end` of an axis.
    ///
    /// # Panics
    /// If the range is not within the axis, or the step is 0.
    #[track_caller]
    pub fn slice_step(&self, dim: isize, start: usize, end: usize, step: usize) -> Var {
        let y = self.tensor().slice_step(dim, start, end, step);
        let axis = if dim < 0 { (dim + self.rank() as isize) as usize } else { dim as usize };
        let extent = self.shape()[axis];
        Var::record("slice", &[self], y, move |dy| {
            let spread = dy.spread(axis, step);
            let used = spread.shape()[axis].min(extent - start);
            vec![Some(spread.slice(axis as isize, 0, used).pad(axis as isize, start, extent - start - used, 0.0))]
        })
    }

    /// `step − 1` zeros after every element of an axis.
    #[track_caller]
    fn spread(&self, axis: usize, step: usize) -> Var {
        if step == 1 {
            return self.clone();
        }
        let mut wide = self.shape().to_vec();
        wide.insert(axis + 1, 1);
        let mut shape = self.shape().to_vec();
        shape[axis] *= step;
        self.reshape(&wide).pad(axis as isize + 1, 0, step - 1, 0.0).reshape(&shape)
    }

    /// Axes reversed; `dx` is dy reversed.
    ///
    /// # Panics
    /// If there is no such axis.
    #[track_caller]
    pub fn flip(&self, dims: &[isize]) -> Var {
        let axes = dims.to_vec();
        Var::record("flip", &[self], self.tensor().flip(dims), move |dy| vec![Some(dy.flip(&axes))])
    }

    /// Broadcast to a shape; `dx` is dy summed over what was repeated.
    ///
    /// # Panics
    /// If NumPy's rule does not allow it.
    #[track_caller]
    pub fn expand(&self, shape: &[usize]) -> Var {
        let old = self.shape().to_vec();
        Var::record("expand", &[self], self.tensor().expand(shape), move |dy| vec![Some(dy.sum_to(&old))])
    }

    /// A new axis of one element before axis `dim` (or at the end).
    ///
    /// # Panics
    /// If `dim` is beyond the rank.
    #[track_caller]
    pub fn unsqueeze(&self, dim: isize) -> Var {
        let shape = self.tensor().unsqueeze(dim).shape().to_vec();
        self.reshape(&shape)
    }

    /// Without an axis of one element.
    ///
    /// # Panics
    /// If the axis does not have exactly one element.
    #[track_caller]
    pub fn squeeze(&self, dim: isize) -> Var {
        let shape = self.tensor().squeeze(dim).shape().to_vec();
        self.reshape(&shape)
    }
}
