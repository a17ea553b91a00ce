//! One forward pass of a model, and one back.

use super::batch::Batch;
use lethe_autograd::{Mode, Parameters, Tape, Var};
use lethe_nn::{Forward, Pass, State, Theta};
use lethe_tensor::Tensor;

/// A model: its output for inputs, such as logits.
pub type Outputs<'a> = &'a dyn Fn(&Forward<'_>, &Var) -> Var;

/// A model's output on a tape of its own.
pub(super) struct Recorded {
    tape: Tape,
    params: Parameters,
    pub(super) output: Var,
}

impl Recorded {
    /// ∇(cotangent · output) in θ's layout.
    #[track_caller]
    pub(super) fn pull_back(self, cotangent: &Tensor) -> Tensor {
        self.tape.sweep(&self.output, &Var::constant(cotangent), Mode::Free).into_vector(&self.params)
    }
}

/// An output that can be pulled back, and the state after the pass.
#[track_caller]
pub(super) fn record(theta: &Theta, state: &State, batch: &Batch, pass: Pass, model: Outputs<'_>) -> (Recorded, State) {
    let tape = Tape::new();
    let params = tape.parameters(theta.values(), theta.layout());
    let (output, state) = forward(&params, state, batch, pass, model);
    (Recorded { tape, params, output }, state)
}

/// The output alone, and the state after the pass: nothing is kept for a backward pass.
#[track_caller]
pub(super) fn infer(theta: &Theta, state: &State, batch: &Batch, pass: Pass, model: Outputs<'_>) -> (Tensor, State) {
    let (output, state) = forward(&theta.constants(), state, batch, pass, model);
    (output.tensor().clone(), state)
}

#[track_caller]
fn forward(params: &Parameters, state: &State, batch: &Batch, pass: Pass, model: Outputs<'_>) -> (Var, State) {
    let forward = Forward::new(params, state, pass);
    let output = model(&forward, &Var::constant(&batch.inputs));
    (output, forward.new_state())
}
