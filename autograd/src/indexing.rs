//! Indexing by positions and ranges, and sorting: made of differentiable views and reads.

use crate::graph::Var;
use lethe_tensor::{Cuts, Indices, Tensor};

impl Var {
    /// The part at these positions and ranges, as [`lethe_tensor::Tensor::i`]; `dx` is dy between zeros.
    ///
    /// # Panics
    /// If a position or range lies outside its axis, there are more entries than axes, or more than one ellipsis.
    #[track_caller]
    pub fn i(&self, index: impl Indices) -> Var {
        let cuts = Cuts::of(self.shape(), &index.entries());
        let mut part = self.clone();
        for (axis, start, end) in cuts.slices {
            part = part.slice(axis as isize, start, end);
        }
        part.reshape(&cuts.shape)
    }

    /// The elements along an axis in order, and the positions that they had ([`Tensor::sort`]); each gives its dy back to its position.
    ///
    /// # Panics
    /// As [`Tensor::sort`].
    #[track_caller]
    pub fn sort(&self, dim: isize, descending: bool) -> (Var, Tensor) {
        let order = self.tensor().argsort(dim, descending);
        (self.gather(dim, &order), order)
    }
}

#[cfg(test)]
mod tests {
    use crate::graph::{Tape, Var};
    use lethe_tensor::{Device, Tensor};

    #[test]
    fn the_gradient_goes_back_to_what_was_read() {
        let tape = Tape::new();
        let x = tape.leaf(&Tensor::new(&Device::cpu(), [[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]));
        let y = x.i((1, ..2)).square().sum();
        assert_eq!(y.item::<f32>().unwrap(), 41.0);
        let dx = tape.backward(&y).of(&x).to_vec::<f32>().unwrap();
        assert_eq!(dx, [0.0, 0.0, 0.0, 8.0, 10.0, 0.0]);
    }

    #[test]
    fn what_is_sorted_gives_its_gradient_back() {
        for descending in [false, true] {
            let tape = Tape::new();
            let x = tape.leaf(&Tensor::new(&Device::cpu(), [3.0, 1.0, 2.0]));
            let (sorted, order) = x.sort(0, descending);
            let weights = Var::from(Tensor::new(&Device::cpu(), [10.0, 20.0, 30.0]));
            let dx = tape.backward(&(sorted * weights).sum()).of(&x).to_vec::<f32>().unwrap();
            assert_eq!(dx, if descending { [10.0, 30.0, 20.0] } else { [30.0, 10.0, 20.0] }, "{order}");
        }
    }
}
