//! Activation functions that are made of others. Those with a derivative of their own are in `elementwise`.

use crate::graph::Var;

impl Var {
    /// max(x, 0) + slope · min(x, 0); `dx = dy` where x > 0, else `slope dy`.
    ///
    /// # Panics
    /// If the elements are not floats.
    #[track_caller]
    pub fn leaky_relu(&self, slope: f64) -> Var {
        self.positive().where_(self, &self.mul_scalar(slope))
    }

    /// x where x > 0, else x · slope, for slopes that are learnt: they broadcast to x.
    ///
    /// # Panics
    /// If the slopes do not broadcast to x's shape, or differ from x in type or device.
    #[track_caller]
    pub fn prelu(&self, slope: &Var) -> Var {
        // The side that is not taken is made of 0: an infinite x times a slope's gradient of 0 would be NaN.
        let negative = self.positive().where_(&Var::constant(&self.tensor().scalar_like(0.0)), self);
        self.positive().where_(self, &(&negative * slope))
    }

    /// x held within [0, 6]; the slope is 0 at 0, as that of [`Var::relu`], and 1 at 6.
    ///
    /// # Panics
    /// If the elements are not floats.
    #[track_caller]
    pub fn relu6(&self) -> Var {
        self.relu().clamp(f64::NEG_INFINITY, 6.0)
    }

    /// x where x > 0, else α (eˣ − 1).
    ///
    /// # Panics
    /// If the elements are not floats.
    #[track_caller]
    pub fn elu(&self, alpha: f64) -> Var {
        // Where x is large eˣ would overflow: the side that is not taken must stay finite, since 0 · ∞ is no gradient.
        let negative = self.clamp(f64::NEG_INFINITY, 0.0).expm1().mul_scalar(alpha);
        self.positive().where_(self, &negative)
    }

    /// x where x > 0, else α (e^(x/α) − 1): ELU with a continuous derivative.
    ///
    /// # Panics
    /// If the elements are not floats.
    #[track_caller]
    pub fn celu(&self, alpha: f64) -> Var {
        let negative = self.clamp(f64::NEG_INFINITY, 0.0).mul_scalar(1.0 / alpha).expm1().mul_scalar(alpha);
        self.positive().where_(self, &negative)
    }

    /// λ · ELU(x) with α = 1.6733 and λ = 1.0507, of which mean 0 and variance 1 are a fixed point (Klambauer et al. 2017).
    ///
    /// # Panics
    /// If the elements are not floats.
    #[track_caller]
    pub fn selu(&self) -> Var {
        const ALPHA: f64 = 1.673_263_242_354_377_2;
        const LAMBDA: f64 = 1.050_700_987_355_480_5;
        self.elu(ALPHA).mul_scalar(LAMBDA)
    }

    /// x σ(x): SiLU, or Swish.
    ///
    /// # Panics
    /// If the elements are not floats.
    #[track_caller]
    pub fn silu(&self) -> Var {
        self * &self.sigmoid()
    }

    /// x tanh(ln(1 + eˣ)).
    ///
    /// # Panics
    /// If the elements are not floats.
    #[track_caller]
    pub fn mish(&self) -> Var {
        self * &self.softplus().tanh()
    }

    /// x/2 · (1 + tanh u) with u = √(2/π) (x + 0.044715 x³): the approximate GELU, as x σ(2u), which loses no digits for negative x.
    ///
    /// # Panics
    /// If the elements are not floats.
    #[track_caller]
    pub fn gelu_tanh(&self) -> Var {
        let held = self.clamp(-32.0, 32.0); // beyond, σ(2u) is 0 or 1 in every float, and x³ may be infinite
        let cubic = (&held.square() * &held).mul_scalar(0.044715);
        let twice = (&held + &cubic).mul_scalar((8.0 / std::f64::consts::PI).sqrt());
        self * &twice.sigmoid()
    }

    /// ln σ(x), without underflow.
    ///
    /// # Panics
    /// If the elements are not floats.
    #[track_caller]
    pub fn log_sigmoid(&self) -> Var {
        self.neg().softplus().neg()
    }

    /// x / (1 + |x|); `dx = dy / (1 + |x|)²`.
    ///
    /// # Panics
    /// If the elements are not floats.
    #[track_caller]
    pub fn softsign(&self) -> Var {
        let x = self.clone();
        let y = self.tensor().div(&self.tensor().abs().add_scalar(1.0));
        Var::record("softsign", &[self], y, move |dy| {
            let divisor = x.abs().add_scalar(1.0); // twice: its square may be infinite
            vec![Some(&(dy / &divisor) / &divisor)]
        })
    }

    /// x/6 + ½ held within [0, 1]; at both bounds the slope is that inside.
    ///
    /// # Panics
    /// If the elements are not floats.
    #[track_caller]
    pub fn hard_sigmoid(&self) -> Var {
        // Held within bounds before it is scaled: ±3 are numbers of every float, so that the kinks are where they are said to be.
        self.clamp(-3.0, 3.0).add_scalar(3.0).mul_scalar(1.0 / 6.0)
    }

    /// x · hard_sigmoid(x).
    ///
    /// # Panics
    /// If the elements are not floats.
    #[track_caller]
    pub fn hard_swish(&self) -> Var {
        self * &self.hard_sigmoid()
    }

    /// x held within [−1, 1]; at both bounds the slope is 1.
    ///
    /// # Panics
    /// If the elements are not floats.
    #[track_caller]
    pub fn hard_tanh(&self) -> Var {
        self.clamp(-1.0, 1.0)
    }

    /// a σ(b) for the two halves of an axis: the gated linear unit.
    ///
    /// # Panics
    /// If the axis does not exist or is odd.
    #[track_caller]
    pub fn glu(&self, dim: isize) -> Var {
        let halves = self.chunk(2, dim);
        &halves[0] * &halves[1].sigmoid()
    }

    /// Where x > 0.
    fn positive(&self) -> Var {
        Var::constant(&self.tensor().gt_scalar(0.0))
    }
}
