//! [`Var`]: a tensor, and its place on a tape if it is tracked.

use crate::tape::{Kind, Node, TapeInner};
use lethe_tensor::{DType, Device, DeviceError, Element, Tensor};
use std::rc::{Rc, Weak};

/// A value of a computation. Untracked ones (constants) cost nothing beyond their tensor.
#[derive(Clone)]
pub struct Var {
    tensor: Tensor,
    pub(crate) place: Option<Place>,
}

/// A node of a tape. The tape is not kept alive: it owns the rules, which hold variables.
#[derive(Clone)]
pub(crate) struct Place {
    pub(crate) tape: Weak<TapeInner>,
    pub(crate) node: usize,
}

/// What a rule gives for each input: its gradient, or `None` where the input is not tracked. (For one that is, `None` stops the sweep with an
/// error.)
pub type InputGrads = Vec<Option<Var>>;

impl Var {
    /// A value that is not tracked.
    pub fn constant(tensor: &Tensor) -> Var {
        Var { tensor: tensor.clone(), place: None }
    }

    pub(crate) fn at(tensor: Tensor, tape: &Rc<TapeInner>, node: usize) -> Var {
        Var { tensor, place: Some(Place { tape: Rc::downgrade(tape), node }) }
    }

    /// The value.
    pub fn tensor(&self) -> &Tensor {
        &self.tensor
    }

    /// The same value, no longer tracked: gradients stop here.
    pub fn detach(&self) -> Var {
        Var::constant(&self.tensor)
    }

    /// Whether gradients can flow to this value.
    pub fn is_tracked(&self) -> bool {
        self.place.is_some()
    }

    /// Its shape.
    pub fn shape(&self) -> &[usize] {
        self.tensor.shape()
    }

    /// Its number of axes.
    pub fn rank(&self) -> usize {
        self.tensor.rank()
    }

    /// Its number of elements.
    pub fn numel(&self) -> usize {
        self.tensor.numel()
    }

    /// Its element type.
    pub fn dtype(&self) -> DType {
        self.tensor.dtype()
    }

    /// Converted to another float type; 16-bit types are for storage, and whatever is done with them is computed in f32. The gradient keeps
    /// the type that this value is computed in.
    ///
    /// # Panics
    /// If the elements are not floats, or the device cannot hold the type.
    #[track_caller]
    pub fn to_dtype(&self, dtype: DType) -> Var {
        assert!(
            self.tensor.computed_type().is_float() && dtype.computed_as().is_float(),
            "to_dtype: {} to {dtype} has no derivative; convert the tensor",
            self.dtype()
        );
        let own = self.tensor.computed_type();
        Var::record("to_dtype", &[self], self.tensor.to_dtype(dtype), move |dy| vec![Some(dy.to_dtype(own))])
    }

    /// In the type that it is computed in.
    #[track_caller]
    pub(crate) fn widened(&self) -> Var {
        let computed = self.tensor.computed_type();
        if self.dtype() == computed { self.clone() } else { self.to_dtype(computed) }
    }

    /// Its device.
    pub fn device(&self) -> &Device {
        self.tensor.device()
    }

    /// The elements, row-major.
    ///
    /// # Errors
    /// If the device failed since the last read.
    pub fn to_vec<T: Element>(&self) -> Result<Vec<T>, DeviceError> {
        self.tensor.to_vec()
    }

    /// Whether what is now done with any of these is recorded: they are tracked, and their tape is recording.
    pub(crate) fn recorded(vars: &[&Var]) -> bool {
        vars.iter().any(|v| v.place.as_ref().and_then(|p| p.tape.upgrade()).is_some_and(|t| t.recording.get()))
    }

    /// A result of `inputs`, with the rule that pulls its cotangent back to them. The rule gives one entry for each input; entries of inputs
    /// that are not tracked are ignored. Nothing is recorded if no input is tracked.
    ///
    /// This is how operations from outside this package get a derivative. A rule is written in differentiable operations on `Var`s, and may
    /// capture inputs.
    ///
    /// # Panics
    /// If the inputs are on different tapes.
    #[track_caller]
    pub fn record(
        op: &'static str,
        inputs: &[&Var],
        tensor: Tensor,
        rule: impl Fn(&Var) -> InputGrads + 'static,
    ) -> Var {
        Var::record_node(op, inputs, tensor, false, Some(Box::new(move |dy: &Var, _: &Var| rule(dy))))
    }

    /// As [`Var::record`], for rules that need the result again: they get (cotangent, result).
    ///
    /// # Panics
    /// If the inputs are on different tapes.
    #[track_caller]
    pub fn record_with_result(
        op: &'static str,
        inputs: &[&Var],
        tensor: Tensor,
        rule: impl Fn(&Var, &Var) -> InputGrads + 'static,
    ) -> Var {
        Var::record_node(op, inputs, tensor, true, Some(Box::new(rule)))
    }

    /// A result that has no derivative. If a cotangent reaches it, the sweep stops with an error that names it: detach its inputs where that
    /// is meant.
    ///
    /// # Panics
    /// If the inputs are on different tapes.
    #[track_caller]
    pub fn record_opaque(op: &'static str, inputs: &[&Var], tensor: Tensor) -> Var {
        Var::record_node(op, inputs, tensor, false, None)
    }

    #[track_caller]
    fn record_node(
        op: &'static str,
        inputs: &[&Var],
        tensor: Tensor,
        keep: bool,
        rule: Option<Box<dyn Fn(&Var, &Var) -> InputGrads>>,
    ) -> Var {
        crate::anomaly::forward(op, std::panic::Location::caller(), inputs, &tensor);
        let mut tape: Option<Rc<TapeInner>> = None;
        for place in inputs.iter().filter_map(|v| v.place.as_ref()) {
            let this = place.tape.upgrade().unwrap_or_else(|| panic!("{op}: the tape of an input is gone"));
            assert!(tape.as_ref().is_none_or(|t| Rc::ptr_eq(t, &this)), "{op}: the inputs are on different tapes");
            tape = Some(this);
        }
        let Some(tape) = tape.filter(|t| t.recording.get()) else { return Var::constant(&tensor) };
        let node = Node {
            op,
            location: std::panic::Location::caller(),
            shape: tensor.shape().to_vec(),
            inputs: inputs.iter().map(|v| v.place.as_ref().map(|p| p.node)).collect(),
            result: keep.then(|| tensor.clone()),
            kind: if rule.is_some() { Kind::Operation } else { Kind::Opaque },
            rule,
        };
        Var::at(tensor, &tape, tape.push(node))
    }
}

/// The values as [`Tensor`] prints them, and the operation and node that they come from.
impl std::fmt::Display for Var {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        std::fmt::Display::fmt(&self.tensor, f)?;
        let Some(place) = &self.place else { return f.write_str(", constant") };
        match place.tape.upgrade() {
            Some(tape) => write!(f, ", node {} ({})", place.node, tape.nodes()[place.node].op),
            None => write!(f, ", node {} of a tape that is gone", place.node),
        }
    }
}

impl std::fmt::Debug for Var {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.place {
            Some(p) => write!(f, "Var(#{} {:?})", p.node, self.tensor),
            None => write!(f, "Var({:?})", self.tensor),
        }
    }
}
