//! One forward pass: where layers read their parameters, and leave their new state.

use crate::theta::State;
use lethe_autograd::{ParamId, Parameters, Var};
use lethe_tensor::Tensor;
use lethe_tensor::random::Draw;
use std::cell::RefCell;

/// Where normalisation takes its statistics from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Statistics {
    /// The batch; running values move.
    Batch,
    /// The batch; running values stay: the second pass of an extragradient step.
    BatchFrozen,
    /// The running values.
    Running,
}

/// What kind of pass this is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pass {
    /// Where normalisation takes its statistics from.
    pub statistics: Statistics,
    /// The key of dropout masks: (seed, update, slice). `None`: nothing is dropped. Both passes of an extragradient step carry the same
    /// key, so they see the same masks.
    pub dropout: Option<(u64, u32, u32)>,
}

impl Pass {
    /// Training.
    pub fn train(seed: u64, update: u32, slice: u32) -> Pass {
        Pass { statistics: Statistics::Batch, dropout: Some((seed, update, slice)) }
    }

    /// Evaluation.
    pub fn evaluate() -> Pass {
        Pass { statistics: Statistics::Running, dropout: None }
    }

    /// The same pass, leaving running values as they are.
    pub fn frozen(self) -> Pass {
        Pass { statistics: Statistics::BatchFrozen, ..self }
    }
}

/// A forward pass under way.
pub struct Forward<'a> {
    params: &'a Parameters,
    state: &'a State,
    pass: Pass,
    moved: RefCell<Vec<(ParamId, Tensor)>>,
}

impl<'a> Forward<'a> {
    /// A pass over parameters and state.
    pub fn new(params: &'a Parameters, state: &'a State, pass: Pass) -> Forward<'a> {
        Forward { params, state, pass, moved: RefCell::default() }
    }

    /// One parameter.
    #[track_caller]
    pub fn param(&self, id: ParamId) -> Var {
        self.params.get(id)
    }

    /// One part of the state, as it was before the pass.
    pub fn state(&self, id: ParamId) -> Tensor {
        self.state.layout().view(self.state.values(), id)
    }

    /// Leaves a new value for a part of the state.
    pub fn move_state(&self, id: ParamId, value: Tensor) {
        self.moved.borrow_mut().push((id, value));
    }

    /// The pass.
    pub fn pass(&self) -> Pass {
        self.pass
    }

    /// The draw of a dropout layer, if anything is dropped in this pass.
    pub fn draw(&self, layer: u32) -> Option<Draw> {
        /// Tells dropout apart from whatever else is drawn under the seed.
        const STREAM: u32 = 1 << 31;
        self.pass.dropout.map(|(seed, update, slice)| Draw::new(seed, [STREAM | layer, update, slice]))
    }

    /// The state after the pass.
    pub fn new_state(&self) -> State {
        self.state.with(&self.moved.borrow())
    }
}
