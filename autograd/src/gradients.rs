//! The gradients that a sweep gives.

use crate::explain::Unreached;
use crate::graph::{Graph, Kind, Tape, Var};
use crate::parameters::Parameters;
use lethe_tensor::Tensor;
use std::collections::HashMap;
use std::rc::{Rc, Weak};

/// The gradients of leaves and of vectors of parameters. They know the tape that they belong to, and refuse a variable of another one.
///
/// # Examples
/// ```
/// use lethe_autograd::Tape;
/// use lethe_tensor::{Device, Tensor};
/// let tape = Tape::new();
/// let [x, unused] = [1.0f32, 2.0].map(|number| tape.leaf(&Tensor::new(&Device::cpu(), number)));
/// let gradients = tape.backward(&x.mul_scalar(3.0));
/// assert_eq!(gradients.of(&x).item::<f32>()?, 3.0);
/// assert!(gradients.get(&unused).is_none()); // none arrived,
/// assert_eq!(gradients.of(&unused).item::<f32>()?, 0.0); // which is a gradient of 0
/// # Ok::<(), lethe_tensor::DeviceError>(())
/// ```
pub struct Gradients {
    graph: Weak<Graph>,
    /// The node that was differentiated: nothing made after it can have a gradient.
    last: usize,
    /// The gradient of each leaf up to there, if one arrived.
    leaves: HashMap<usize, Option<Var>>,
    /// The node of each vector of parameters, and its gradient.
    vectors: Vec<(usize, Var)>,
    unreached: Vec<Unreached>,
}

impl Gradients {
    pub(crate) fn new(
        tape: &Tape,
        last: usize,
        mut reached: HashMap<usize, Var>,
        vectors: Vec<(usize, Var)>,
        unreached: Vec<Unreached>,
    ) -> Gradients {
        let nodes = tape.0.nodes();
        let leaves = (0..=last).filter(|i| nodes[*i].kind == Kind::Leaf).map(|i| (i, reached.remove(&i))).collect();
        Gradients { graph: Rc::downgrade(&tape.0), last, leaves, vectors, unreached }
    }

    /// The gradient of a leaf, or `None` if none reached it.
    ///
    /// # Panics
    /// If the variable is not a leaf of the tape that was swept: of an intermediate result no gradient is kept, a constant has none, and that of
    /// a parameter is a part of [`Gradients::vector`].
    #[track_caller]
    pub fn get(&self, leaf: &Var) -> Option<&Var> {
        let Some(node) = &leaf.node else {
            panic!(
                "a gradient was asked for a constant; only what Tape::leaf makes, and what is made of it, is tracked"
            )
        };
        assert!(Weak::ptr_eq(&node.graph, &self.graph), "a gradient was asked for a variable of another tape");
        let node = node.index;
        if let Some((_, vector)) = self.vectors.iter().find(|(of, _)| *of == node) {
            return Some(vector);
        }
        let is_later_leaf = || {
            let graph = self.graph.upgrade();
            node > self.last && graph.is_none_or(|graph| graph.nodes()[node].kind == Kind::Leaf)
        };
        match self.leaves.get(&node) {
            Some(gradient) => gradient.as_ref(),
            None if is_later_leaf() => None,
            None => panic!(
                "a gradient was asked for #{node} of the tape, which is no leaf: gradients are kept for what Tape::leaf makes, and, in \
                 Gradients::vector, for parameters"
            ),
        }
    }

    /// The gradient of a leaf; zeros if none reached it.
    ///
    /// # Panics
    /// As [`Gradients::get`].
    #[track_caller]
    pub fn of(&self, leaf: &Var) -> Var {
        self.get(leaf).cloned().unwrap_or_else(|| Var::constant(&leaf.tensor().zeros_like()))
    }

    /// The gradient of a vector of parameters, in the same layout; the padding is zero.
    ///
    /// # Panics
    /// If the parameters are not on the tape that was swept, or were put there after the sweep.
    #[track_caller]
    pub fn vector(&self, parameters: &Parameters) -> &Var {
        &self.vectors[self.set_of(parameters)].1
    }

    /// The same, taken out as the only handle, so that it can be updated in place.
    ///
    /// # Panics
    /// As [`Gradients::vector`].
    #[track_caller]
    pub fn into_vector(mut self, parameters: &Parameters) -> Tensor {
        let set = self.set_of(parameters);
        self.leaves.clear();
        self.vectors.swap_remove(set).1.tensor().clone()
    }

    /// The number of a set of parameters of this tape.
    #[track_caller]
    fn set_of(&self, parameters: &Parameters) -> usize {
        let Some(whole) = &parameters.vector().node else {
            panic!("the gradient of constant parameters was asked for; Tape::parameters makes tracked ones")
        };
        assert!(Weak::ptr_eq(&whole.graph, &self.graph), "the gradient of parameters of another tape was asked for");
        let set = self.vectors.iter().position(|(node, _)| *node == whole.index);
        set.unwrap_or_else(|| {
            panic!("the gradient of parameters was asked for that were put on the tape after the sweep")
        })
    }

    /// The parameters (but the frozen ones) that no gradient reached, each with the reason: what [`Tape::explain`] says before the sweep.
    pub fn unreached(&self) -> &[Unreached] {
        &self.unreached
    }
}
