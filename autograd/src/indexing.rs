//! Indexing by positions and ranges, made of differentiable views.

use crate::Var;
use lethe_tensor::{Cuts, Indices};

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
}

#[cfg(test)]
mod tests {
    use crate::Tape;
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
}
