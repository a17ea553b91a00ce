//! One forward pass: where layers read their parameters, and leave their new state.

use crate::theta::State;
use lethe_autograd::{ParamId, Parameters, Var, recompute};
use lethe_tensor::Tensor;
use lethe_tensor::random::Draw;
use std::cell::{Cell, RefCell};
use std::rc::Rc;

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
///
/// # Examples
/// ```
/// use lethe_nn::{Pass, Statistics};
/// let first = Pass::train(7, 0, 0); // seed 7, update 0, slice 0
/// let second = first.frozen();
/// assert_eq!(second.dropout, first.dropout); // the same masks,
/// assert_eq!(second.statistics, Statistics::BatchFrozen); // and running values stay
/// assert_eq!(Pass::evaluate().dropout, None);
/// ```
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
///
/// # Examples
/// ```
/// # use lethe_autograd::Tape;
/// # use lethe_nn::{Builder, Forward, Init, Pass};
/// # use lethe_tensor::Device;
/// let mut b = Builder::new();
/// let scale = b.param("scale", &[2], Init::Constant(3.0));
/// let (theta, state) = b.finish().init(&Device::cpu(), 0);
/// let tape = Tape::new();
/// let params = tape.parameters(theta.values(), theta.layout());
/// let f = Forward::new(&params, &state, Pass::train(0, 0, 0));
/// let y = f.param(scale).square().sum();
/// let gradient = tape.backward(&y).into_vector(&params); // a vector of θ's layout
/// assert_eq!(theta.layout().view(&gradient, scale).to_vec::<f32>()?, [6.0, 6.0]);
/// # Ok::<(), lethe_tensor::DeviceError>(())
/// ```
pub struct Forward<'a> {
    params: &'a Parameters,
    state: &'a State,
    pass: Pass,
    moved: Rc<RefCell<Vec<(ParamId, Tensor)>>>,
}

impl<'a> Forward<'a> {
    /// A pass over parameters and state.
    pub fn new(params: &'a Parameters, state: &'a State, pass: Pass) -> Forward<'a> {
        Forward { params, state, pass, moved: Rc::default() }
    }

    /// One parameter.
    #[track_caller]
    pub fn param(&self, id: ParamId) -> Var {
        self.params.get(id)
    }

    /// A parameter that a layer may lack, recorded at the line that calls, as by [`Forward::param`].
    #[track_caller]
    #[expect(clippy::manual_map, reason = "a closure would be recorded at this line")]
    pub fn optional_param(&self, id: Option<ParamId>) -> Option<Var> {
        match id {
            Some(id) => Some(self.param(id)),
            None => None,
        }
    }

    /// One part of the state, as it was before the pass.
    pub fn state(&self, id: ParamId) -> Tensor {
        self.state.layout().view(self.state.values(), id)
    }

    /// Leaves a new value for a part of the state.
    pub fn move_state(&self, id: ParamId, value: Tensor) {
        self.moved.borrow_mut().push((id, value));
    }

    /// `block(inputs)`, whose values the tape does not keep: the backward pass computes them again when it gets there, with the same bits
    /// ([`lethe_autograd::recompute`], which says what it costs and saves). Dropout draws the same masks, and running statistics move once. The block
    /// is kept until then; layers are small, and are cloned into it.
    ///
    /// ```
    /// # use lethe_autograd::{Tape, Var};
    /// # use lethe_nn::layers::{EncoderLayer, TransformerConfig};
    /// # use lethe_nn::{Builder, Forward, Layer, Pass};
    /// # use lethe_tensor::{DType, Device, Tensor};
    /// # let mut b = Builder::new();
    /// let layer = EncoderLayer::new(&mut b, &TransformerConfig::new(8, 2));
    /// # let (theta, state) = b.finish().init(&Device::cpu(), 0);
    /// # let tape = Tape::new();
    /// # let params = tape.parameters(theta.values(), theta.layout());
    /// # let f = Forward::new(&params, &state, Pass::train(0, 0, 0));
    /// # let x = Var::constant(&Tensor::ones(&Device::cpu(), DType::F32, &[2, 3, 8]));
    /// let block = layer.clone();
    /// let y = f.recompute(&[&x], move |f, inputs| block.forward(f, &inputs[0]));
    /// # tape.backward(&y.sum());
    /// ```
    #[track_caller]
    pub fn recompute(&self, inputs: &[&Var], block: impl Fn(&Forward<'_>, &[Var]) -> Var + 'static) -> Var {
        let (params, state, pass) = (self.params.clone(), self.state.clone(), self.pass);
        // The first run leaves its new state here, all others nowhere.
        let moved = Cell::new(Some(self.moved.clone()));
        let inputs: Vec<&Var> = inputs.iter().copied().chain([self.params.vector()]).collect();
        recompute(&inputs, move |inputs| {
            let f = Forward { params: &params, state: &state, pass, moved: moved.take().unwrap_or_default() };
            block(&f, &inputs[..inputs.len() - 1])
        })
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
