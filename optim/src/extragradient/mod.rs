//! The extragradient step (specification, section 0): for every slice of the batch, ascend along a perturbation, take the gradient of the task there,
//! and average over slices. θ is never changed: the perturbed parameters are another vector.

mod perturbation;

pub use perturbation::Perturbation;

use lethe_autograd::{Mode, Parameters, Tape, Var};
use lethe_nn::loss::TaskLoss;
use lethe_nn::{Forward, Pass, State, Theta};
use lethe_tensor::{DType, Tensor};

/// Added to ‖p‖, so that a zero gradient gives a zero perturbation.
const EPS: f64 = 1e-12;

/// A batch on the device.
pub struct Batch {
    /// (n, …).
    pub inputs: Tensor,
    /// (n) `U32`.
    pub labels: Tensor,
}

impl Batch {
    /// The number of samples.
    pub fn len(&self) -> usize {
        self.labels.numel()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Samples `start .. end`.
    fn slice(&self, start: usize, end: usize) -> Batch {
        Batch { inputs: self.inputs.slice(0, start, end), labels: self.labels.slice(0, start, end) }
    }
}

/// What a step gives; every part stays on the device until it is read.
pub struct StepOutput {
    /// The update gradient, in θ's layout: the mean over slices.
    pub update: Tensor,
    /// The state after the step.
    pub state: State,
    /// The mean task loss at θ.
    pub loss: Tensor,
    /// The mean task loss at the perturbed parameters; without a perturbation, `loss`.
    pub perturbed_loss: Tensor,
    /// Correct predictions at θ, a sum over the batch.
    pub correct: Tensor,
}

/// A way to take the gradient of a batch.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Extragradient {
    /// Where the gradient is taken.
    pub perturbation: Perturbation,
    /// The loss of the task.
    pub loss: TaskLoss,
    /// m: samples of a slice; the whole batch if `None`.
    pub slice: Option<usize>,
    /// The key of dropout masks.
    pub seed: u64,
}

/// A first pass: logits on their tape.
struct Recorded {
    tape: Tape,
    params: Parameters,
    logits: Var,
}

impl Recorded {
    /// ∇(seed · logits) in θ's layout.
    fn pull_back(self, seed: &Tensor) -> Tensor {
        self.tape.sweep(&self.logits, &Var::constant(seed), Mode::Free).into_vector(&self.params)
    }
}

impl Extragradient {
    /// Plain gradients.
    pub fn none(loss: TaskLoss) -> Extragradient {
        Extragradient { perturbation: Perturbation::None, loss, slice: None, seed: 0 }
    }

    /// SAM along a perturbation.
    pub fn sam(perturbation: Perturbation, loss: TaskLoss) -> Extragradient {
        Extragradient { perturbation, ..Extragradient::none(loss) }
    }

    /// Slices of `m` samples each: m-SAM; without a perturbation, gradient accumulation.
    pub fn slices_of(self, m: usize) -> Extragradient {
        Extragradient { slice: Some(m), ..self }
    }

    /// The update gradient of a batch at θ, `rho` being the radius and `update` the number of this update (for dropout). `model` computes the logits of
    /// inputs. No value is read back.
    ///
    /// # Panics
    /// If the slice does not divide the batch, or the batch is empty.
    #[track_caller]
    pub fn gradient(
        &self,
        theta: &Theta,
        state: &State,
        batch: &Batch,
        rho: f64,
        update: u64,
        model: &dyn Fn(&Forward<'_>, &Var) -> Var,
    ) -> StepOutput {
        let n = batch.len();
        let m = self.slice.unwrap_or(n);
        assert!(n > 0 && m > 0 && n.is_multiple_of(m), "a batch of {n} does not fall into slices of {m}");
        let slices = n / m;
        let mut sum: Option<StepOutput> = None;
        for j in 0..slices {
            let pass = Pass::train(self.seed, update as u32, j as u32);
            let before = sum.as_ref().map_or(state, |s| &s.state);
            let one = self.slice_gradient(theta, before, &batch.slice(j * m, (j + 1) * m), rho, pass, model);
            sum = Some(match sum {
                None => one,
                Some(s) => StepOutput {
                    update: s.update.add(&one.update),
                    state: one.state,
                    loss: s.loss.add(&one.loss),
                    perturbed_loss: s.perturbed_loss.add(&one.perturbed_loss),
                    correct: s.correct.add(&one.correct),
                },
            });
        }
        let s = sum.expect("there is a slice");
        let mean = |t: &Tensor| if slices == 1 { t.clone() } else { t.mul_scalar(1.0 / slices as f64) };
        StepOutput { update: mean(&s.update), loss: mean(&s.loss), perturbed_loss: mean(&s.perturbed_loss), ..s }
    }

    /// Steps 1.1 to 1.12 of the specification, for one slice.
    #[track_caller]
    fn slice_gradient(
        &self,
        theta: &Theta,
        state: &State,
        batch: &Batch,
        rho: f64,
        pass: Pass,
        model: &dyn Fn(&Forward<'_>, &Var) -> Var,
    ) -> StepOutput {
        let (first, state) = run(theta, state, batch, pass, model);
        let (rows, seed) = self.task(&first.logits, &batch.labels);
        let loss = rows.mean(&[], false);
        let correct = correct(first.logits.tensor(), &batch.labels);
        let ascent = match self.perturbation {
            Perturbation::None => {
                let update = first.pull_back(&seed);
                return StepOutput { update, state, perturbed_loss: loss.clone(), loss, correct };
            }
            Perturbation::Steepest => first.pull_back(&seed),
            Perturbation::Obf(obf) => {
                let seed = obf.seed(first.logits.tensor(), &batch.labels);
                first.pull_back(&seed)
            }
        };
        // θᵖ = θ + ρ p / (‖p‖ + 1e-12)
        let norm = ascent.sum_squares(&[], false).sqrt().add_scalar(EPS);
        let perturbed = theta.step_along(&ascent, &norm.rdiv_scalar(rho));
        drop(ascent);
        let (second, _) = run(&perturbed, &state, batch, pass.frozen(), model);
        let (rows, seed) = self.task(&second.logits, &batch.labels);
        StepOutput { update: second.pull_back(&seed), state, loss, perturbed_loss: rows.mean(&[], false), correct }
    }

    /// The task loss of each row, and the gradient of its mean.
    fn task(&self, logits: &Var, labels: &Tensor) -> (Tensor, Tensor) {
        let (rows, grad) = logits.tensor().cross_entropy(labels, self.loss.likelihood, self.loss.smoothing);
        let n = rows.numel() as f64;
        (rows, grad.mul_scalar(1.0 / n))
    }
}

/// Logits on a tape of their own, and the state after the pass.
#[track_caller]
fn run(
    theta: &Theta,
    state: &State,
    batch: &Batch,
    pass: Pass,
    model: &dyn Fn(&Forward<'_>, &Var) -> Var,
) -> (Recorded, State) {
    let tape = Tape::new();
    let params = tape.parameters(theta.values(), theta.layout());
    let forward = Forward::new(&params, state, pass);
    let logits = model(&forward, &Var::constant(&batch.inputs));
    let state = forward.new_state();
    (Recorded { tape, params, logits }, state)
}

/// How many rows have their largest logit at the label.
fn correct(logits: &Tensor, labels: &Tensor) -> Tensor {
    let hits = logits.argmax(-1, false).eq(labels);
    let (one, zero) = (logits.scalar_like(1.0), logits.scalar_like(0.0));
    debug_assert!(hits.dtype() == DType::U32);
    hits.select(&one, &zero).sum(&[], false)
}
