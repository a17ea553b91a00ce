//! The extragradient step (specification, section 0): for every slice of the batch, ascend along a perturbation, take the gradient of the loss there,
//! and average over slices. θ is never changed: the perturbed parameters are another vector.
//!
//! A step is a choice of objective × perturbation × geometry × update, each in a file of its own; the objectives are those of `lethe_nn::loss`, or
//! the program's own. In memory it holds θ, θ + ε, one gradient and the sum of the slices' updates, and for GSAM the perturbing gradient as well.

mod batch;
mod geometry;
mod pass;
mod perturbation;
mod random;
mod surrogate_gap;

pub use batch::{Batch, Samples, StepOutput};
pub use geometry::{Adaptive, Direction, Geometry, Scale, Scope};
pub use pass::Outputs;
pub use perturbation::Perturbation;
pub use random::random_direction;
pub use surrogate_gap::{Backup, SurrogateGap};

use lethe_autograd::Var;
use lethe_nn::loss::{Obf, Objective, TaskLoss};
use lethe_nn::{Pass, State, Theta};
use lethe_tensor::{Tensor, store};
use pass::{infer, record};

/// A way to take the gradient of a batch, for a loss `L` and a perturbation that may ascend an objective `P` of its own. Both are
/// [objectives](Objective): those of `lethe_nn::loss`, or closures over the model's output and the targets.
///
/// # Examples
/// ```
/// # use lethe_autograd::Var;
/// # use lethe_nn::loss::Mse;
/// # use lethe_nn::{Builder, Forward, Init};
/// # use lethe_optim::{Batch, Extragradient, Perturbation};
/// # use lethe_tensor::{Device, Tensor};
/// # let mut b = Builder::new();
/// # let w = b.param("w", &[1], Init::Constant(1.0));
/// # let (theta, state) = b.finish().init(&Device::cpu(), 0);
/// let [inputs, targets] = [[[1.0f32], [2.0]], [[0.0], [0.0]]].map(|rows| Tensor::new(&Device::cpu(), rows));
/// let batch = Batch { inputs, targets };
/// let model = |f: &Forward<'_>, x: &Var| x * &f.param(w); // w is 1
/// let step = Extragradient::sam(Perturbation::Steepest, Mse).gradient(&theta, &state, &batch, 0.1, 0, &model);
/// assert!((step.loss.item::<f32>()? - 2.5).abs() < 1e-5); // 2.5 w²
/// assert!((step.perturbed_loss.item::<f32>()? - 3.025).abs() < 1e-5); // at 1.1, a step of 0.1 uphill
/// assert!((theta.layout().view(&step.update, w).item::<f32>()? - 5.5).abs() < 1e-5); // 5 w there; 5 at θ
/// # Ok::<(), lethe_tensor::DeviceError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Extragradient<L = TaskLoss, P = Obf> {
    /// The direction in which a slice perturbs θ.
    pub perturbation: Perturbation<P>,
    /// The norm in which the radius ρ is measured: SAM's or ASAM's.
    pub geometry: Geometry,
    /// GSAM's correction of the update gradient, if any.
    pub surrogate_gap: Option<SurrogateGap>,
    /// The samples on which the update gradient is taken.
    pub update_on: UpdateOn,
    /// The loss that is descended.
    pub loss: L,
    /// m: samples of a slice; the whole batch if `None`.
    pub slice: Option<usize>,
    /// The key of dropout masks and random directions.
    pub seed: u64,
}

/// The samples on which the update gradient at a slice's perturbation ε(S_j) is taken; K slices make the batch S.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "lowercase"))]
pub enum UpdateOn {
    /// The slice itself: `1/K Σ_j ∇L(S_j)|θ+ε(S_j)`, the meaning of m-sharpness.
    #[default]
    Slice,
    /// The whole batch, as equation (4) of the paper is written: `1/K Σ_j ∇L(S)|θ+ε(S_j)`, at K times the cost for K slices. It is computed
    /// slice by slice, so that it needs no more memory, and batch norm's statistics are a slice's in both passes.
    Batch,
}

/// Which slice of which update: with the seed, the key of its dropout masks and of its random direction.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SliceIndex {
    /// The number of the update.
    pub update: u64,
    /// The number of the slice in it.
    pub slice: usize,
}

/// The first half of a slice's step.
#[derive(Clone)]
pub struct Ascent {
    /// The direction of the perturbation, before any geometry, in θ's layout; without a perturbation, the loss's gradient. It may be replaced by
    /// a different one.
    pub p: Tensor,
    /// The model's output at θ.
    pub output: Tensor,
    /// The state after the pass at θ, the only one that moves it.
    pub state: State,
    /// The mean loss at θ.
    pub loss: Tensor,
    /// Correct predictions at θ; `None` if the loss does not count them.
    pub correct: Option<Tensor>,
}

impl<L> Extragradient<L> {
    /// Plain gradients of a loss.
    pub fn none(loss: L) -> Extragradient<L> {
        Extragradient::new(Perturbation::None, loss)
    }

    /// SAM along a perturbation: [`Perturbation::Steepest`], [`Perturbation::Random`] or, of classes, [`Perturbation::obf`].
    pub fn sam(perturbation: Perturbation, loss: L) -> Extragradient<L> {
        Extragradient::new(perturbation, loss)
    }
}

impl<L, P> Extragradient<L, P> {
    /// A step that ascends an objective of its own before it descends the loss.
    pub fn ascending(objective: P, loss: L) -> Extragradient<L, P> {
        Extragradient::new(Perturbation::Ascend(objective), loss)
    }

    fn new(perturbation: Perturbation<P>, loss: L) -> Extragradient<L, P> {
        let (geometry, update_on) = Default::default();
        Extragradient { perturbation, geometry, surrogate_gap: None, update_on, loss, slice: None, seed: 0 }
    }

    /// Slices of `m` samples each, which must divide every batch ([`Batch::full_batches`]): m-SAM; without a perturbation, gradient accumulation.
    pub fn slices_of(self, m: usize) -> Extragradient<L, P> {
        Extragradient { slice: Some(m), ..self }
    }
}

impl<L: Objective, P: Objective> Extragradient<L, P> {
    /// The update gradient of a batch at θ, `rho` being the radius and `update` the number of this update (for dropout and random directions).
    /// `model` computes the output for inputs. No value is read back.
    ///
    /// # Panics
    /// If the slice does not divide the batch, the batch is empty, or an objective does not take what the model or the batch gives.
    #[track_caller]
    pub fn gradient(
        &self,
        theta: &Theta,
        state: &State,
        batch: &dyn Samples,
        rho: f64,
        update: u64,
        model: Outputs<'_>,
    ) -> StepOutput {
        let n = batch.count();
        let m = self.slice.unwrap_or(n);
        assert!(n > 0 && m > 0 && n.is_multiple_of(m), "a batch of {n} does not fall into slices of {m}");
        let slices = n / m;
        let mut sum: Option<StepOutput> = None;
        for slice in 0..slices {
            let index = SliceIndex { update, slice };
            let before = sum.as_ref().map_or(state, |s| &s.state);
            let samples = batch.part(slice * m, (slice + 1) * m);
            let ascent = self.ascent(theta, before, &samples, index, model);
            let one = self.descend(theta, ascent, (batch, &samples), rho, index, model);
            sum = Some(match sum {
                None => one,
                Some(mut s) => {
                    store(&one.update, &mut s.update, 0, true);
                    StepOutput {
                        update: s.update,
                        state: one.state,
                        loss: s.loss.add(&one.loss),
                        perturbed_loss: s.perturbed_loss.add(&one.perturbed_loss),
                        correct: s.correct.zip(one.correct).map(|(a, b)| a.add(&b)),
                    }
                }
            });
        }
        let s = sum.expect("there is a slice");
        let mean = |t: &Tensor| if slices == 1 { t.clone() } else { t.mul_scalar(1.0 / slices as f64) };
        StepOutput { update: mean(&s.update), loss: mean(&s.loss), perturbed_loss: mean(&s.perturbed_loss), ..s }
    }

    /// The perturbed parameters θ + ε of one slice, without the gradient there; θ itself without a perturbation. The pass is one of training, with
    /// the state as it is.
    #[track_caller]
    pub fn perturbed(
        &self,
        theta: &Theta,
        state: &State,
        slice: &Batch,
        rho: f64,
        index: SliceIndex,
        model: Outputs<'_>,
    ) -> Theta {
        match self.perturbation {
            Perturbation::None => theta.clone(),
            _ => self.geometry.direction(theta, self.ascent(theta, state, slice, index, model).p).step_from(theta, rho),
        }
    }

    /// Steps 1.1 and 1.2 of the update (specification, section 0): the direction of a slice's perturbation, from a pass at θ. A random one needs no
    /// backward pass, but the forward pass is run all the same: it updates the state.
    #[track_caller]
    pub fn ascent(&self, theta: &Theta, state: &State, slice: &Batch, index: SliceIndex, model: Outputs<'_>) -> Ascent {
        let (pass, targets) = (self.pass(index), &slice.targets);
        if matches!(self.perturbation, Perturbation::Random) {
            let (output, state) = infer(theta, state, slice, pass, model);
            let loss = self.loss.value(&Var::constant(&output), targets).tensor().reshape(&[]);
            let p = random_direction(theta, self.seed, index.update as u32, index.slice as u32);
            return Ascent { p, state, loss, correct: self.loss.correct(&output, targets), output };
        }
        let (first, state) = record(theta, state, slice, pass, model);
        let output = first.output.tensor().clone();
        let (loss, cotangent) = match &self.perturbation {
            Perturbation::Ascend(objective) => {
                let loss = self.loss.value(&Var::constant(&output), targets).tensor().reshape(&[]);
                (loss, objective.cotangent(&output, targets))
            }
            _ => self.loss.value_and_cotangent(&output, targets),
        };
        let correct = self.loss.correct(&output, targets);
        Ascent { p: first.pull_back(&cotangent), output, state, loss, correct }
    }

    /// Steps 1.3 to 1.12: perturbs θ along an ascent and gives the update gradient of that slice; `batch` and `slice` are all samples and those that
    /// the ascent was of.
    #[track_caller]
    pub fn descend(
        &self,
        theta: &Theta,
        ascent: Ascent,
        (batch, slice): (&dyn Samples, &Batch),
        rho: f64,
        index: SliceIndex,
        model: Outputs<'_>,
    ) -> StepOutput {
        let Ascent { p, state, loss, correct, .. } = ascent;
        if matches!(self.perturbation, Perturbation::None) {
            return StepOutput { update: p, state, perturbed_loss: loss.clone(), loss, correct };
        }
        let direction = self.geometry.direction(theta, p);
        let perturbed = direction.step_from(theta, rho);
        let kept = self.surrogate_gap.map(|gap| (gap, gap.backup(&direction)));
        drop(direction);
        let (gradient, perturbed_loss) = match self.update_on {
            UpdateOn::Slice => self.slope(&perturbed, &state, slice, index, model),
            UpdateOn::Batch => self.mean_slope(&perturbed, &state, (batch, slice.len()), index, model),
        };
        drop(perturbed);
        let update = match kept {
            Some((gap, c)) => gap.close(&c, &gradient),
            None => gradient,
        };
        StepOutput { update, state, loss, perturbed_loss, correct }
    }

    /// The gradient of the mean loss over a slice at the perturbed parameters, and that loss. Running statistics stay.
    #[track_caller]
    fn slope(
        &self,
        at: &Theta,
        state: &State,
        slice: &Batch,
        index: SliceIndex,
        model: Outputs<'_>,
    ) -> (Tensor, Tensor) {
        let (second, _) = record(at, state, slice, self.pass(index).frozen(), model);
        let (loss, cotangent) = self.loss.value_and_cotangent(second.output.tensor(), &slice.targets);
        (second.pull_back(&cotangent), loss)
    }

    /// The same over all slices of m samples of a batch, each with its own dropout masks.
    #[track_caller]
    fn mean_slope(
        &self,
        at: &Theta,
        state: &State,
        (batch, m): (&dyn Samples, usize),
        index: SliceIndex,
        model: Outputs<'_>,
    ) -> (Tensor, Tensor) {
        let slices = batch.count() / m;
        let slope = |slice: usize| {
            let samples = batch.part(slice * m, (slice + 1) * m);
            self.slope(at, state, &samples, SliceIndex { slice, ..index }, model)
        };
        let (mut gradient, mut loss) = slope(0);
        for slice in 1..slices {
            let (one, loss_there) = slope(slice);
            store(&one, &mut gradient, 0, true);
            loss = loss.add(&loss_there);
        }
        let share = 1.0 / slices as f64;
        (gradient.mul_scalar(share), loss.mul_scalar(share))
    }

    fn pass(&self, index: SliceIndex) -> Pass {
        Pass::train(self.seed, index.update as u32, index.slice as u32)
    }
}
