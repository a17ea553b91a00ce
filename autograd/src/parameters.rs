//! A vector of parameters on a tape.

use crate::graph::{Kind, Node, Var};
use crate::params::{ParamId, ParamLayout};
use lethe_tensor::Tensor;
use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;

/// A vector of parameters on a tape: what a forward pass reads them from. The tape is not kept alive.
///
/// # Examples
/// ```
/// # use lethe_autograd::{ParamLayout, Parameters, Tags, Tape};
/// # use lethe_tensor::{DType, Device, Tensor};
/// # let mut layout = ParamLayout::new();
/// let w = layout.add("w", &[64], Tags::default());
/// # let layout = layout.into();
/// let theta = Tensor::full(&Device::cpu(), DType::F32, &[64], 3.0);
/// let tape = Tape::new();
/// let parameters = tape.parameters(&theta, &layout);
/// let y = (parameters.get(w) * parameters.get(w)).sum(); // each use adds to the gradient
/// assert_eq!(tape.backward(&y).into_vector(&parameters).to_vec::<f32>()?, [6.0; 64]);
/// assert!(!Parameters::constant(&theta, &layout).get(w).is_tracked()); // for inference
/// # Ok::<(), lethe_tensor::DeviceError>(())
/// ```
#[derive(Clone)]
pub struct Parameters {
    /// The number of this set on its tape.
    set: usize,
    vector: Var,
    layout: Arc<ParamLayout>,
    views: Rc<RefCell<HashMap<usize, Var>>>,
}

impl Parameters {
    pub(crate) fn new(set: usize, vector: Var, layout: Arc<ParamLayout>) -> Parameters {
        Parameters { set, vector, layout, views: Rc::default() }
    }

    /// Parameters without a tape, for inference: nothing is recorded.
    ///
    /// # Panics
    /// If the vector does not have the layout's length.
    #[track_caller]
    pub fn constant(vector: &Tensor, layout: &Arc<ParamLayout>) -> Parameters {
        layout.check(vector);
        Parameters::new(0, Var::constant(vector), layout.clone())
    }

    /// The whole vector.
    pub fn vector(&self) -> &Var {
        &self.vector
    }

    /// The layout.
    pub fn layout(&self) -> &Arc<ParamLayout> {
        &self.layout
    }

    /// One parameter. Each use on a tape adds to the same gradient.
    ///
    /// # Panics
    /// If the parameters were put on a tape that is gone.
    #[track_caller]
    pub fn get(&self, id: ParamId) -> Var {
        if let Some(view) = self.views.borrow().get(&id.0) {
            return view.clone();
        }
        let view = self.layout.view(self.vector.tensor(), id);
        let var = match &self.vector.node {
            Some(whole) if !self.layout.get(id).tags.frozen => {
                let Some(graph) = whole.graph.upgrade() else { panic!("the tape of these parameters is gone") };
                let node = Node::without_rule("parameter", view.shape(), Kind::Parameter(self.set, id));
                let index = graph.push(node);
                Var::at(view, &graph, index)
            }
            _ => Var::constant(&view),
        };
        self.views.borrow_mut().insert(id.0, var.clone());
        var
    }
}
