//! One forward pass of a model, and one back.

use super::{Batch, Logits};
use lethe_autograd::{Mode, Parameters, Tape, Var};
use lethe_nn::{Forward, Pass, State, Theta};
use lethe_tensor::Tensor;

/// Logits on a tape of their own.
pub(super) struct Recorded {
    tape: Tape,
    params: Parameters,
    pub(super) logits: Var,
}

impl Recorded {
    /// ∇(seed · logits) in θ's layout.
    pub(super) fn pull_back(self, seed: &Tensor) -> Tensor {
        self.tape.sweep(&self.logits, &Var::constant(seed), Mode::Free).into_vector(&self.params)
    }
}

/// Logits that can be pulled back, and the state after the pass.
#[track_caller]
pub(super) fn record(theta: &Theta, state: &State, batch: &Batch, pass: Pass, model: Logits<'_>) -> (Recorded, State) {
    let tape = Tape::new();
    let params = tape.parameters(theta.values(), theta.layout());
    let (logits, state) = forward(&params, state, batch, pass, model);
    (Recorded { tape, params, logits }, state)
}

/// Logits alone, and the state after the pass: nothing is kept for a way back.
#[track_caller]
pub(super) fn infer(theta: &Theta, state: &State, batch: &Batch, pass: Pass, model: Logits<'_>) -> (Tensor, State) {
    let (logits, state) = forward(&theta.constants(), state, batch, pass, model);
    (logits.tensor().clone(), state)
}

#[track_caller]
fn forward(params: &Parameters, state: &State, batch: &Batch, pass: Pass, model: Logits<'_>) -> (Var, State) {
    let forward = Forward::new(params, state, pass);
    let logits = model(&forward, &Var::constant(&batch.inputs));
    (logits, forward.new_state())
}
