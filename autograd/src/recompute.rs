//! Rematerialisation: memory of activations traded for a second forward pass.

use crate::graph::{Graph, Kind, Node, SAME, Switch, Var};
use crate::segment::Segment;
use std::ops::Range;

/// `block(inputs)`, without keeping the values between: the backward pass runs the block again when it gets there. Of a chain of blocks, only their
/// inputs and one block's values are held at a time, for the price of another forward pass.
///
/// Values and gradients have the same bits as without, provided that the block computes the same twice: what it draws must be a function of a key
/// (as in [`Var::dropout`]), and what it writes elsewhere is written twice. Parameters and other variables may be captured. In a sweep in
/// [`crate::Mode::Record`] the recomputed values stay, so that second derivatives are exact, but no memory is saved.
///
/// The inputs and the result are evaluated ([`lethe_tensor::Tensor::force`]). Where an elementwise expression would otherwise go on across the
/// block's border, it may round otherwise than without: a product and a sum of one kernel are one rounding.
///
/// Without a tracked input, nothing is recorded and the block runs once. PyTorch calls this a checkpoint.
///
/// ```
/// use lethe_autograd::{Tape, Var, recompute};
/// use lethe_tensor::{Device, Tensor};
///
/// let gradient = |of: &dyn Fn(&Var) -> Var| {
///     let tape = Tape::new();
///     let x = tape.leaf(&Tensor::from_slice(&Device::cpu(), &[0.5f32, 1.0], &[2]));
///     tape.backward(&of(&x).sum()).of(&x).to_vec::<f32>()
/// };
/// let plain = gradient(&|x| x.exp().sin().tanh())?;
/// let recomputed = gradient(&|x| recompute(&[x], |inputs| inputs[0].exp().sin().tanh()))?;
/// assert_eq!(recomputed, plain); // to the bit
/// # Ok::<(), lethe_tensor::DeviceError>(())
/// ```
///
/// # Panics
/// In the backward pass, if the block does something else than the first time.
#[doc(alias = "checkpoint")]
#[track_caller]
pub fn recompute(inputs: &[&Var], block: impl Fn(&[Var]) -> Var + 'static) -> Var {
    let inputs: Vec<Var> = inputs.iter().map(|v| (*v).clone()).collect();
    // Both passes begin and end with numbers, so that they make the same kernels.
    inputs.iter().for_each(|v| _ = v.tensor().force());
    let graph = inputs.iter().find_map(|v| v.node.as_ref()?.graph.upgrade()).filter(|g| g.recording.get());
    let start = graph.as_ref().map_or(0, |g| g.next());
    let run = move || {
        let y = block(&inputs);
        y.tensor().force();
        y
    };
    let y = run();
    if let Some(graph) = graph {
        graph.drop_rules(Segment { nodes: start..graph.next(), run: Box::new(move || _ = run()) });
    }
    y
}

impl Graph {
    /// Drops the rules of a segment and all that they hold.
    pub(crate) fn drop_rules(&self, segment: Segment) {
        let part = |n: &mut Node| (n.rule.take(), n.result.take());
        let dropped: Vec<_> = self.nodes.borrow_mut()[segment.nodes.clone()].iter_mut().map(part).collect();
        drop(dropped);
        self.segments.borrow_mut().add(segment);
    }

    /// Makes the rule of a node again, if it was dropped, with those of its segment; where a segment lies within another, it comes after it. Gives
    /// these segments.
    pub(crate) fn restore(&self, node: usize) -> Vec<Segment> {
        let mut restored = vec![];
        let lacks = || {
            let nodes = self.nodes.borrow();
            nodes[node].kind == Kind::Operation && nodes[node].rule.is_none()
        };
        while lacks() {
            let Some(segment) = self.segments.borrow_mut().take(node) else { break };
            self.run_again(&segment);
            restored.push(segment);
        }
        restored
    }

    fn run_again(&self, segment: &Segment) {
        struct Replaying<'a>(&'a Graph, Option<Range<usize>>);
        impl Drop for Replaying<'_> {
            fn drop(&mut self) {
                self.0.replay.replace(self.1.take());
            }
        }
        let _recording = Switch::to(&self.recording, true);
        let _replaying = Replaying(self, self.replay.replace(Some(segment.nodes.clone())));
        (segment.run)();
        let mut rest = self.replay.borrow().clone().into_iter().flatten();
        let nodes = self.nodes.borrow();
        if let Some(i) = rest.find(|i| !matches!(nodes[*i].kind, Kind::Parameter(..))) {
            let Node { op, location, .. } = nodes[i];
            panic!("recompute: the block did not get to {op} at {location} the second time; {SAME}");
        }
    }
}
