//! Shrink and perturb (specification, section 5.2): before each update, θ and the state are moved a little towards their values at the
//! start of the run.

use crate::blocks::{by_block, table};
use lethe_nn::{State, Theta};
use lethe_tensor::{Tensor, store};

/// `x ← (1 − f_t) x + f_t x₀` for every number x of θ and of the state, where x₀ is its value at the start of the run. No noise is added, and
/// the optimiser's vectors stay. Frozen parameters stay as they are, to the bit.
///
/// # Examples
/// ```
/// # use lethe_nn::{Builder, Init, Theta};
/// # use lethe_optim::{ShrinkPerturb, ShrinkScaling};
/// # use lethe_tensor::Device;
/// # let mut b = Builder::new();
/// # let w = b.param("w", &[1], Init::Constant(4.0));
/// # let (start, mut state) = b.finish().init(&Device::cpu(), 0);
/// let shrink = ShrinkPerturb::new(0.25, ShrinkScaling::Constant, &start, &state); // θ is 4
/// let mut theta = Theta::new(start.values().mul_scalar(2.0), start.layout()); // training has led to 8
/// shrink.apply(&mut theta, &mut state, 0.1);
/// let w = theta.layout().view(theta.values(), w).item::<f32>()?;
/// assert_eq!(w, 7.0); // a quarter of the way back
/// # Ok::<(), lethe_tensor::DeviceError>(())
/// ```
pub struct ShrinkPerturb {
    factor: f64,
    scaling: ShrinkScaling,
    start: [Tensor; 2],
    /// 1 for each block of θ that may move, if one may not.
    free: Option<Tensor>,
}

/// How f_t comes from the factor f.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum ShrinkScaling {
    /// `f_t = f lr(t) / lr_max`.
    Lr {
        /// The largest rate.
        max: f64,
    },
    /// `f_t = f`.
    Constant,
}

impl ShrinkPerturb {
    /// Moves θ and the state towards the values that they have now, except for parameters that are now tagged as frozen.
    ///
    /// # Panics
    /// If the factor is not in [0, 1].
    #[track_caller]
    pub fn new(factor: f64, scaling: ShrinkScaling, theta: &Theta, state: &State) -> ShrinkPerturb {
        assert!((0.0..=1.0).contains(&factor), "shrink and perturb: the factor {factor} is not in [0, 1]");
        let holds = theta.layout().owned().any(|(_, p)| p.tags.frozen);
        let free = holds.then(|| {
            table(theta, |p| {
                let free = if p.tags.frozen { 0.0 } else { 1.0 };
                move |_| [free]
            })
            .gt_scalar(0.5)
        });
        ShrinkPerturb { factor, scaling, start: [theta.values().clone(), state.values().clone()], free }
    }

    /// f_t at a learning rate.
    pub fn factor_at(&self, lr: f64) -> f64 {
        match self.scaling {
            ShrinkScaling::Lr { max } => self.factor * lr / max,
            ShrinkScaling::Constant => self.factor,
        }
    }

    /// One step, before an update at the rate `lr`.
    pub fn apply(&self, theta: &mut Theta, state: &mut State, lr: f64) {
        let f = self.factor_at(lr);
        let [theta_0, state_0] = &self.start;
        // Written in place: if θ were a new vector after each update, a GPU would find all vectors elsewhere and bind them anew.
        let mut moved = between(theta.values(), theta_0, f);
        if let Some(free) = &self.free {
            let chosen = free.where_(&by_block(&moved), &by_block(theta.values()));
            moved = chosen.reshape(moved.shape()).force().clone();
        }
        store(&moved, theta.values_mut(), 0, false);
        *state = State::new(between(state.values(), state_0, f), state.layout());
    }
}

/// `(1 − f) x + f x₀` from the nearer end, so that f = 0 gives x and f = 1 gives x₀ to the bit, and a number at x₀ stays there: the two
/// weights of the formula as it stands, rounded, do not sum to 1, which f = 10⁻⁵ over a hundred thousand updates would show.
pub(crate) fn between(x: &Tensor, start: &Tensor, f: f64) -> Tensor {
    let way = start.sub(x);
    let moved = if f < 0.5 { x.add(&way.mul_scalar(f)) } else { start.sub(&way.mul_scalar(1.0 - f)) };
    moved.force().clone()
}
