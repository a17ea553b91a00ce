//! Further operations with a number, made of registered ones.

use crate::graph::Var;

impl Var {
    /// x − c.
    ///
    /// # Panics
    /// If the elements are not floats.
    #[track_caller]
    pub fn sub_scalar(&self, c: f64) -> Var {
        self.add_scalar(-c)
    }

    /// x / c, rounded once.
    ///
    /// # Panics
    /// If the elements are not floats.
    #[track_caller]
    pub fn div_scalar(&self, c: f64) -> Var {
        self.div(&Var::constant(&self.tensor().scalar_like(c)))
    }

    /// c / x.
    ///
    /// # Panics
    /// If the elements are not floats.
    #[track_caller]
    pub fn rdiv_scalar(&self, c: f64) -> Var {
        Var::constant(&self.tensor().scalar_like(c)).div(self)
    }

    /// max(x, c), as [`Var::clamp`] without an upper end.
    ///
    /// # Panics
    /// As [`Var::clamp`].
    #[track_caller]
    pub fn clamp_min(&self, c: f64) -> Var {
        self.clamp(c, f64::INFINITY)
    }

    /// min(x, c), as [`Var::clamp`] without a lower end.
    ///
    /// # Panics
    /// As [`Var::clamp`].
    #[track_caller]
    pub fn clamp_max(&self, c: f64) -> Var {
        self.clamp(f64::NEG_INFINITY, c)
    }
}

#[cfg(test)]
mod tests {
    use crate::graph::Tape;
    use lethe_tensor::{Device, Tensor};

    #[test]
    fn numbers_on_either_side_have_their_gradients() {
        let tape = Tape::new();
        let x = tape.leaf(&Tensor::new(&Device::cpu(), [1.0, 4.0]));
        let y = (&x - 0.5) / 2.0 + 8.0 / &x + x.clamp_min(2.0) - x.clamp_max(2.0);
        assert_eq!(y.to_vec::<f32>().unwrap(), [0.25 + 8.0 + 2.0 - 1.0, 1.75 + 2.0 + 4.0 - 2.0]);
        let dx = tape.backward(&y.sum()).of(&x).to_vec::<f32>().unwrap();
        assert_eq!(dx, [0.5 - 8.0 - 1.0, 0.5 - 0.5 + 1.0]);
    }
}
