//! Reading and adding by index. Indices are never tracked.

use crate::graph::Var;
use lethe_tensor::Tensor;

impl Var {
    /// `out[i, j, …] = x[…, index[i, j, …], …]` on axis `dim`; `dx` adds dy at the places that were read.
    ///
    /// # Panics
    /// If the index and x differ in rank, or the index is larger than x on an axis other than `dim`.
    #[track_caller]
    pub fn gather(&self, dim: isize, index: &Tensor) -> Var {
        let y = self.tensor().gather(dim, index);
        let (shape, index) = (self.shape().to_vec(), index.clone());
        Var::record("gather", &[self], y, move |dy| {
            let zeros = Var::constant(&Tensor::zeros(dy.device(), dy.dtype(), &shape));
            vec![Some(zeros.scatter_add(dim, &index, dy))]
        })
    }

    /// `out = x; out[…, index, …] = src`; where src was put, dy goes to src and not to x. The index (`U32`) has src's shape and names no
    /// place twice.
    ///
    /// # Panics
    /// If x, the index and src differ in rank, or the index is larger than src on any axis or than x on an axis other than `dim`.
    #[track_caller]
    pub fn scatter(&self, dim: isize, index: &Tensor, src: &Var) -> Var {
        let zeros = self.tensor().zeros_like();
        let ones = Tensor::ones(self.device(), zeros.dtype(), src.shape());
        let put = zeros.scatter_add(dim, index, &ones).gt_scalar(0.0);
        self.masked_fill(&put, 0.0).scatter_add(dim, index, src)
    }

    /// The k largest elements along an axis, in descending order, and their places ([`Tensor::topk`]); each gives its dy back to its place.
    ///
    /// # Panics
    /// As [`Tensor::topk`].
    #[track_caller]
    pub fn topk(&self, k: usize, dim: isize) -> (Var, Tensor) {
        let (_, index) = self.tensor().topk(k, dim);
        (self.gather(dim, &index), index)
    }

    /// `out = x; out[…, index, …] += src`; `dx = dy`, `dsrc` reads dy at the index.
    ///
    /// # Panics
    /// If x, the index and src differ in rank, or the index is larger than src on any axis or than x on an axis other than `dim`.
    #[track_caller]
    pub fn scatter_add(&self, dim: isize, index: &Tensor, src: &Var) -> Var {
        let y = self.tensor().scatter_add(dim, index, src.tensor());
        let (shape, index) = (src.shape().to_vec(), index.clone());
        Var::record("scatter_add", &[self, src], y, move |dy| {
            let read = dy.gather(dim, &index);
            // Elements of src beyond the index were not used.
            let padded = shape.iter().enumerate().fold(read, |r, (i, &n)| {
                let extent = r.shape()[i];
                r.pad(i as isize, 0, n - extent, 0.0)
            });
            vec![Some(dy.clone()), Some(padded)]
        })
    }

    /// Elements of an axis by a 1-D index; `dx` adds dy at the places that were read.
    ///
    /// # Panics
    /// If the index does not have exactly one axis, or the axis does not exist or is empty.
    #[track_caller]
    pub fn index_select(&self, dim: isize, index: &Tensor) -> Var {
        let y = self.tensor().index_select(dim, index);
        let axis = if dim < 0 { dim + self.rank() as isize } else { dim };
        let (extent, index) = (self.shape()[axis as usize], index.clone());
        Var::record("index_select", &[self], y, move |dy| vec![Some(dy.index_sum(axis, &index, extent))])
    }

    /// Zeros of `extent` elements on the axis, plus this at a 1-D index; the derivative reads it back.
    #[track_caller]
    fn index_sum(&self, dim: isize, index: &Tensor, extent: usize) -> Var {
        let y = Tensor::index_sum(self.tensor(), dim, index, extent);
        let index = index.clone();
        Var::record("index_sum", &[self], y, move |dy| vec![Some(dy.index_select(dim, &index))])
    }

    /// Zeros of `extent` elements on an axis, plus this at these places.
    #[track_caller]
    pub(super) fn add_along(&self, dim: isize, indices: Vec<u32>, extent: usize) -> Var {
        self.index_sum(dim, &Tensor::from_slice(self.device(), &indices, &[indices.len()]), extent)
    }

    /// `out = x; out[…, index[j], …] += src[…, j, …]` for a 1-D index; `dx = dy`, `dsrc` reads dy at the index.
    ///
    /// # Panics
    /// If the axis does not exist, the index does not have exactly one axis, or src's shape is not x's with the index's length on axis `dim`.
    #[track_caller]
    pub fn index_add(&self, dim: isize, index: &Tensor, src: &Var) -> Var {
        let y = self.tensor().index_add(dim, index, src.tensor());
        let index = index.clone();
        Var::record("index_add", &[self, src], y, move |dy| vec![Some(dy.clone()), Some(dy.index_select(dim, &index))])
    }

    /// Rows of a table (this) [n, dim] at an index of any shape: an embedding [index…, dim].
    ///
    /// # Panics
    /// If the table does not have two axes.
    #[track_caller]
    pub fn embedding(&self, index: &Tensor) -> Var {
        assert!(self.rank() == 2, "embedding: the table {:?} needs two axes", self.shape());
        let rows = self.index_select(0, &index.reshape(&[index.numel()]));
        let shape: Vec<usize> = index.shape().iter().copied().chain([self.shape()[1]]).collect();
        rows.reshape(&shape)
    }
}
