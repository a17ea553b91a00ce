//! The graph that a tape records: its nodes, the handles to it ([`Tape`] and [`Var`]), and how a node is added. What is done with it (recording,
//! the sweep, explanations) is above.

use crate::params::{ParamId, ParamLayout};
use crate::segment::Segments;
use lethe_tensor::Tensor;
use std::cell::{Cell, Ref, RefCell};
use std::ops::Range;
use std::panic::Location;
use std::rc::{Rc, Weak};
use std::sync::Arc;

/// A record of operations. It belongs to one thread; clones are the same tape.
///
/// # Examples
/// ```
/// use lethe_autograd::Tape;
/// use lethe_tensor::{Device, Tensor};
/// let tape = Tape::new();
/// let x = tape.leaf(&Tensor::new(&Device::cpu(), [1.0, 2.0]));
/// let y = x.square().sum();
/// assert_eq!(tape.operations()[..2], ["leaf", "square"]);
/// assert_eq!(tape.backward(&y).of(&x).to_vec::<f32>()?, [2.0, 4.0]); // 2 x
/// # Ok::<(), lethe_tensor::DeviceError>(())
/// ```
#[derive(Clone, Default)]
pub struct Tape(pub(crate) Rc<Graph>);

/// A value of a computation. Untracked ones (constants) cost nothing beyond their tensor.
///
/// # Examples
/// ```
/// use lethe_autograd::{Tape, Var};
/// use lethe_tensor::{Device, Tensor};
/// let tape = Tape::new();
/// let x = tape.leaf(&Tensor::new(&Device::cpu(), 3.0));
/// let c = Var::constant(&Tensor::new(&Device::cpu(), 2.0));
/// let y = &x * &c + x.detach();
/// assert!(y.is_tracked() && !c.is_tracked());
/// assert_eq!(tape.backward(&y).of(&x).item::<f32>()?, 2.0); // 3 with the part that is detached
/// # Ok::<(), lethe_tensor::DeviceError>(())
/// ```
#[derive(Clone)]
pub struct Var {
    pub(crate) tensor: Tensor,
    /// The node that it is the result of; `None` for constants.
    pub(crate) node: Option<NodeRef>,
}

/// A node of a graph. The graph is not kept alive: it owns the rules, which hold variables.
#[derive(Clone)]
pub(crate) struct NodeRef {
    pub(crate) graph: Weak<Graph>,
    pub(crate) index: usize,
}

/// What a rule gives for each input: its gradient, or `None` where the input is not tracked. (For one that is, `None` stops the sweep with an
/// error.)
pub type InputGrads = Vec<Option<Var>>;

/// What a tape has recorded.
pub(crate) struct Graph {
    pub(crate) nodes: RefCell<Vec<Node>>,
    /// Off while a sweep that is not recorded runs its rules.
    pub(crate) recording: Cell<bool>,
    pub(crate) sets: RefCell<Vec<Set>>,
    /// The nodes whose rules were dropped, to be made again.
    pub(crate) segments: RefCell<Segments>,
    /// While a block is run again: those of its nodes that have not been made yet.
    pub(crate) replay: RefCell<Option<Range<usize>>>,
}

impl Default for Graph {
    fn default() -> Self {
        Graph {
            nodes: RefCell::default(),
            recording: Cell::new(true),
            sets: RefCell::default(),
            segments: RefCell::default(),
            replay: RefCell::default(),
        }
    }
}

/// One operation, leaf or parameter.
pub(crate) struct Node {
    pub(crate) op: &'static str,
    pub(crate) location: &'static Location<'static>,
    /// The result's shape.
    pub(crate) shape: Vec<usize>,
    /// The node of each input; `None` for constants.
    pub(crate) inputs: Vec<Option<usize>>,
    /// The result, if the rule asked for it.
    pub(crate) result: Option<Tensor>,
    /// `None`: no operation, one without a derivative, or one whose rule a sweep has used up.
    pub(crate) rule: Option<Box<dyn Fn(&Var, &Var) -> InputGrads>>,
    pub(crate) kind: Kind,
}

/// What a node is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A tracked input.
    Leaf,
    /// A parameter of a set, by the set's number.
    Parameter(usize, ParamId),
    /// An operation with a rule.
    Operation,
    /// An operation without a derivative.
    Opaque,
}

/// A vector of parameters on the tape.
pub(crate) struct Set {
    pub(crate) layout: Arc<ParamLayout>,
    pub(crate) vector: Var,
}

impl Set {
    /// The node of the whole vector.
    pub(crate) fn node(&self) -> usize {
        self.vector.node.as_ref().expect("a set's vector is a leaf").index
    }
}

impl Node {
    #[track_caller]
    pub(crate) fn without_rule(op: &'static str, shape: &[usize], kind: Kind) -> Node {
        let (location, shape) = (Location::caller(), shape.to_vec());
        Node { op, location, shape, inputs: vec![], result: None, rule: None, kind }
    }
}

impl Tape {
    /// The number of a variable's node.
    #[track_caller]
    pub(crate) fn number_of(&self, what: &str, y: &Var) -> usize {
        let Some(node) = &y.node else {
            panic!("{what}: y is not on this tape: nothing that it depends on is tracked")
        };
        assert!(std::ptr::eq(node.graph.as_ptr(), Rc::as_ptr(&self.0)), "{what}: y is on another tape");
        node.index
    }
}

/// What a block that is run again must do.
pub(crate) const SAME: &str = "what it does must depend on its inputs alone";

impl Graph {
    /// Adds a node and gives its number; while a block is run again, the node is there already and gets its rule back.
    #[track_caller]
    pub(crate) fn push(&self, node: Node) -> usize {
        if self.replay.borrow().is_some() {
            return self.put_back(node);
        }
        let mut nodes = self.nodes.borrow_mut();
        nodes.push(node);
        nodes.len() - 1
    }

    /// Gives the next node of the block that is run again its rule. Parameters make a node where they are read first; later the same one is found.
    #[track_caller]
    fn put_back(&self, new: Node) -> usize {
        let (mut nodes, mut rest) = (self.nodes.borrow_mut(), self.replay.borrow_mut());
        let rest = rest.as_mut().expect("a block is run again");
        let is_next = |i: &usize| new.kind == nodes[*i].kind || !matches!(nodes[*i].kind, Kind::Parameter(..));
        let Some(i) = rest.find(is_next) else {
            panic!("recompute: the block ended before {} {:?} the first time; {SAME}", new.op, new.shape)
        };
        let old = &mut nodes[i];
        let same = old.kind == new.kind && old.op == new.op && old.shape == new.shape && old.inputs == new.inputs;
        assert!(
            same,
            "recompute: {} {:?} of {:?} was {} {:?} of {:?} the first time; {SAME}",
            new.op, new.shape, new.inputs, old.op, old.shape, old.inputs
        );
        (old.rule, old.result) = (new.rule, new.result);
        i
    }

    /// The number of the next node.
    pub(crate) fn next(&self) -> usize {
        self.replay.borrow().as_ref().map_or(self.nodes.borrow().len(), |rest| rest.start)
    }

    pub(crate) fn nodes(&self) -> Ref<'_, Vec<Node>> {
        self.nodes.borrow()
    }

    /// The vectors of parameters, in order: the layout and the node of each.
    pub(crate) fn sets(&self) -> Vec<(Arc<ParamLayout>, usize)> {
        self.sets.borrow().iter().map(|set| (set.layout.clone(), set.node())).collect()
    }
}

/// Sets a flag until the end of a scope.
pub(crate) struct Switch<'a>(&'a Cell<bool>, bool);

impl<'a> Switch<'a> {
    pub(crate) fn to(flag: &'a Cell<bool>, value: bool) -> Switch<'a> {
        Switch(flag, flag.replace(value))
    }
}

impl Drop for Switch<'_> {
    fn drop(&mut self) {
        self.0.set(self.1);
    }
}
