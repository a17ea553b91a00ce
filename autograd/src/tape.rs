//! Recording on a tape, and the sweep over what was recorded.

use crate::anomaly;
use crate::gradients::Gradients;
use crate::graph::{InputGrads, Kind, Node, Set, Switch, Tape, Var};
use crate::parameters::Parameters;
use crate::params::{ParamId, ParamLayout};
use crate::segment::Segment;
use lethe_tensor::{Tensor, defer, store};
use std::collections::HashMap;
use std::sync::Arc;

/// What becomes of the tape in a sweep.
///
/// # Examples
/// ```
/// use lethe_autograd::{Mode, Tape, Var};
/// use lethe_tensor::{Device, Tensor};
/// let tape = Tape::new();
/// let x = tape.leaf(&Tensor::new(&Device::cpu(), 3.0));
/// let one = Var::constant(&Tensor::new(&Device::cpu(), 1.0));
/// let y = x.square() * &x;
/// let slope = tape.sweep(&y, &one, Mode::Record).of(&x);
/// assert_eq!(slope.item::<f32>()?, 27.0); // 3 x²
/// assert_eq!(tape.sweep(&slope, &one, Mode::Free).of(&x).item::<f32>()?, 18.0); // 6 x
/// # Ok::<(), lethe_tensor::DeviceError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Saved values are freed as the sweep passes; the tape cannot be swept again.
    Free,
    /// Saved values stay.
    Retain,
    /// They stay, and the sweep itself is recorded: its gradients can be differentiated.
    Record,
}

impl Tape {
    /// An empty tape.
    pub fn new() -> Tape {
        Tape::default()
    }

    /// A tracked input.
    #[track_caller]
    pub fn leaf(&self, tensor: &Tensor) -> Var {
        let node = Node::without_rule("leaf", tensor.shape(), Kind::Leaf);
        Var::at(tensor.clone(), &self.0, self.0.push(node))
    }

    /// A vector of parameters, tracked: a forward pass reads them from the result.
    ///
    /// # Panics
    /// If the vector does not have the layout's length.
    #[track_caller]
    pub fn parameters(&self, vector: &Tensor, layout: &Arc<ParamLayout>) -> Parameters {
        layout.check(vector);
        let var = self.leaf(vector);
        let mut sets = self.0.sets.borrow_mut();
        sets.push(Set { layout: layout.clone(), vector: var.clone() });
        Parameters::new(sets.len() - 1, var, layout.clone())
    }

    /// The number of recorded nodes.
    pub fn len(&self) -> usize {
        self.0.nodes.borrow().len()
    }

    /// The names of the recorded nodes, in order; leaves and parameters are among them.
    pub fn operations(&self) -> Vec<&'static str> {
        self.0.nodes.borrow().iter().map(|n| n.op).collect()
    }

    /// Whether nothing is recorded.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The gradients of a scalar; saved values are freed.
    ///
    /// # Panics
    /// As [`Tape::sweep`], and if `y` has more than one element.
    #[track_caller]
    pub fn backward(&self, y: &Var) -> Gradients {
        assert!(
            y.numel() == 1,
            "backward: a scalar is needed, this has shape {:?}; use sweep with a cotangent",
            y.shape()
        );
        self.sweep(y, &Var::constant(&Tensor::ones(y.device(), y.tensor().computed_type(), y.shape())), Mode::Free)
    }

    /// Pulls a cotangent of `y` back to every leaf and parameter.
    ///
    /// # Panics
    /// If the cotangent does not have y's shape, `y` is not on this tape, an operation without a derivative is reached, or an earlier sweep
    /// has freed what this one needs.
    #[track_caller]
    pub fn sweep(&self, y: &Var, cotangent: &Var, mode: Mode) -> Gradients {
        assert!(y.shape() == cotangent.shape(), "sweep: y {:?}, cotangent {:?}", y.shape(), cotangent.shape());
        let last = self.number_of("sweep", y);
        let _recording = Switch::to(&self.0.recording, mode == Mode::Record);
        Sweep::new(self, mode, last, cotangent).run(last)
    }
}

/// One pass over the tape, from a node back to the first.
struct Sweep<'a> {
    tape: &'a Tape,
    mode: Mode,
    /// What has arrived at each node so far.
    arrived: Vec<Option<Var>>,
    leaves: HashMap<usize, Var>,
    sets: Vec<SetGradient>,
    /// What was made again and is to be dropped again, once it has been passed.
    restored: Vec<Segment>,
}

/// The gradient of one vector of parameters, as it grows.
struct SetGradient {
    /// Not recorded: the vector itself, and the offsets that hold something.
    vector: Option<Tensor>,
    written: Vec<usize>,
    /// Recorded: the pieces, by offset.
    pieces: Vec<(usize, Var)>,
}

impl<'a> Sweep<'a> {
    fn new(tape: &'a Tape, mode: Mode, last: usize, cotangent: &Var) -> Sweep<'a> {
        let mut arrived = vec![None; last + 1];
        arrived[last] = Some(cotangent.clone());
        let set = |_: &Set| SetGradient { vector: None, written: vec![], pieces: vec![] };
        let sets = tape.0.sets.borrow().iter().map(set).collect();
        Sweep { tape, mode, arrived, leaves: HashMap::new(), sets, restored: vec![] }
    }

    #[track_caller]
    fn run(mut self, last: usize) -> Gradients {
        for i in (0..=last).rev() {
            if self.arrived[i].is_some() {
                let restored = self.tape.0.restore(i);
                if self.mode == Mode::Retain {
                    self.restored.extend(restored);
                }
            }
            // The rule leaves the node while it runs: in a recorded sweep it adds nodes itself.
            let (rule, result) = {
                let mut nodes = self.tape.0.nodes.borrow_mut();
                let node = &mut nodes[i];
                let freed = self.mode == Mode::Free;
                (node.rule.take(), if freed { node.result.take() } else { node.result.clone() })
            };
            if let Some(dy) = self.arrived[i].take() {
                self.pass(i, &dy, rule.as_deref(), result);
            }
            if self.mode != Mode::Free {
                self.tape.0.nodes.borrow_mut()[i].rule = rule;
            }
            // Inner ones came after outer ones.
            while let Some(segment) = self.restored.pop_if(|s| s.nodes.start == i) {
                self.tape.0.drop_rules(segment);
            }
        }
        if self.mode == Mode::Free {
            self.tape.0.segments.borrow_mut().forget(last);
        }
        self.finish(last)
    }

    #[track_caller]
    fn pass(&mut self, i: usize, dy: &Var, rule: Option<&dyn Fn(&Var, &Var) -> InputGrads>, result: Option<Tensor>) {
        let (op, location, kind, inputs) = {
            let nodes = self.tape.0.nodes.borrow();
            let n = &nodes[i];
            (n.op, n.location, n.kind, n.inputs.clone())
        };
        match kind {
            Kind::Leaf => {
                self.leaves.insert(i, dy.clone());
                return;
            }
            Kind::Parameter(set, id) => return self.arrive_at_parameter(set, id, dy),
            Kind::Operation | Kind::Opaque => {}
        }
        let rule = match (rule, kind) {
            (Some(rule), _) => rule,
            (None, Kind::Opaque) => panic!("{op} at {location}: no derivative; detach its inputs if that is meant"),
            (None, _) => {
                panic!("{op} at {location}: an earlier sweep in Mode::Free freed the graph; use Mode::Retain there")
            }
        };
        let result = match result {
            Some(t) => Var::at(t, &self.tape.0, i),
            None => dy.clone(),
        };
        let grads = anomaly::backward(op, location, dy, || {
            let run = || if self.mode == Mode::Record { rule(dy, &result) } else { defer(|| rule(dy, &result)) };
            #[cfg(feature = "mutation")]
            return crate::mutation::rule(op, run);
            #[cfg(not(feature = "mutation"))]
            run()
        });
        assert!(
            grads.len() == inputs.len(),
            "{op}: the rule gives {} gradients for {} inputs",
            grads.len(),
            inputs.len()
        );
        for (number, (to, grad)) in inputs.iter().zip(grads).enumerate() {
            let Some(to) = *to else { continue };
            let grad = grad.unwrap_or_else(|| {
                panic!(
                    "{op} at {location}: its rule gives no gradient for input {number}, which is tracked; a \
                     gradient of 0 is zeros, and an input without a derivative is to be detached"
                )
            });
            self.accumulate(to, grad);
        }
    }

    /// The one place where gradients are added.
    fn accumulate(&mut self, to: usize, grad: Var) {
        let kind = self.tape.0.nodes.borrow()[to].kind;
        match kind {
            // Straight into the vector, while the last plan of the rule can still be given its destination.
            Kind::Parameter(set, id) if self.mode != Mode::Record => self.arrive_at_parameter(set, id, &grad),
            _ => {
                grad.tensor().run_deferred();
                let sum = match self.arrived[to].take() {
                    Some(old) => &old + &grad,
                    None => grad,
                };
                self.arrived[to] = Some(sum);
            }
        }
    }

    fn arrive_at_parameter(&mut self, set: usize, id: ParamId, grad: &Var) {
        let (layout, device, dtype) = {
            let sets = self.tape.0.sets.borrow();
            let vector = sets[set].vector.tensor();
            (sets[set].layout.clone(), vector.device().clone(), vector.dtype())
        };
        let offset = layout.get(id).offset;
        let state = &mut self.sets[set];
        if grad.numel() == 0 {
            return; // it shares its offset with the parameter after it
        }
        if self.mode == Mode::Record {
            match state.pieces.iter_mut().find(|(o, _)| *o == offset) {
                Some((_, old)) => *old = &*old + &grad.reshape(old.shape()),
                None => state.pieces.push((offset, grad.clone())),
            }
            return;
        }
        let vector = state.vector.get_or_insert_with(|| Tensor::zeros(&device, dtype, &[layout.len()]));
        let again = state.written.contains(&offset);
        store(grad.tensor(), vector, offset, again);
        state.written.push(offset);
    }

    fn finish(mut self, last: usize) -> Gradients {
        let states = std::mem::take(&mut self.sets);
        let mut vectors = vec![];
        for (set, state) in self.tape.0.sets.borrow().iter().zip(states) {
            let theta = set.vector.tensor();
            let mut vector = match (state.vector, state.pieces.is_empty()) {
                (Some(v), _) => Var::constant(&v),
                (None, true) => Var::constant(&theta.zeros_like()),
                (None, false) => {
                    let pieces: Vec<_> = state.pieces.iter().map(|(offset, piece)| (*offset, piece)).collect();
                    Var::assemble(&pieces, set.layout.len())
                }
            };
            // Uses of the whole vector, besides those of its parts.
            if let Some(whole) = self.leaves.remove(&set.node()) {
                vector = &vector + &whole;
            }
            vectors.push((set.node(), vector));
        }
        let unreached = self.tape.unreached(last);
        Gradients::new(self.tape, last, self.leaves, vectors, unreached)
    }
}
