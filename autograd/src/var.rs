//! The methods of [`Var`] itself: making one, asking what it is, and recording an operation.

use crate::graph::{Graph, InputGrads, Kind, Node, NodeRef, Var};
use lethe_tensor::{DType, Device, DeviceError, Element, Tensor};
use std::rc::Rc;

impl Var {
    /// A value that is not tracked.
    pub fn constant(tensor: &Tensor) -> Var {
        Var { tensor: tensor.clone(), node: None }
    }

    pub(crate) fn at(tensor: Tensor, graph: &Rc<Graph>, index: usize) -> Var {
        Var { tensor, node: Some(NodeRef { graph: Rc::downgrade(graph), index }) }
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
        self.node.is_some()
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
        vars.iter().any(|v| v.node.as_ref().and_then(|n| n.graph.upgrade()).is_some_and(|g| g.recording.get()))
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
        let mut graph: Option<Rc<Graph>> = None;
        for node in inputs.iter().filter_map(|v| v.node.as_ref()) {
            let this = node.graph.upgrade().unwrap_or_else(|| panic!("{op}: the tape of an input is gone"));
            assert!(graph.as_ref().is_none_or(|g| Rc::ptr_eq(g, &this)), "{op}: the inputs are on different tapes");
            graph = Some(this);
        }
        let Some(graph) = graph.filter(|g| g.recording.get()) else { return Var::constant(&tensor) };
        let node = Node {
            op,
            location: std::panic::Location::caller(),
            shape: tensor.shape().to_vec(),
            inputs: inputs.iter().map(|v| v.node.as_ref().map(|n| n.index)).collect(),
            result: keep.then(|| tensor.clone()),
            kind: if rule.is_some() { Kind::Operation } else { Kind::Opaque },
            rule,
        };
        Var::at(tensor, &graph, graph.push(node))
    }
}

/// The values as [`Tensor`] prints them, and the operation and node that they come from.
impl std::fmt::Display for Var {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        std::fmt::Display::fmt(&self.tensor, f)?;
        let Some(node) = &self.node else { return f.write_str(", constant") };
        match node.graph.upgrade() {
            Some(graph) => write!(f, ", node {} ({})", node.index, graph.nodes()[node.index].op),
            None => write!(f, ", node {} of a tape that is gone", node.index),
        }
    }
}

impl std::fmt::Debug for Var {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.node {
            Some(node) => write!(f, "Var(#{} {:?})", node.index, self.tensor),
            None => write!(f, "Var({:?})", self.tensor),
        }
    }
}
