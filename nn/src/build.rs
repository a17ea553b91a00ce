//! Building a model: layers register parameters, and keep the ids that they get.

use crate::init::Init;
use crate::theta::{State, Theta};
use lethe_autograd::{ParamId, ParamLayout, Tags};
use lethe_tensor::{DType, Device, Tensor, collected};
use std::sync::Arc;

/// Collects the parameters and the other state of a model, with names that follow the model's levels.
///
/// # Examples
/// ```
/// use lethe_nn::Builder;
/// use lethe_nn::layers::Linear;
/// let mut b = Builder::new();
/// for level in ["encoder", "decoder"] {
///     b.within(level, |b| Linear::new(b, 3, 2));
/// }
/// let blueprint = b.finish();
/// let names: Vec<&str> = blueprint.layout().iter().map(|(_, p)| &*p.name).collect();
/// assert_eq!(names, ["encoder.weight", "encoder.bias", "decoder.weight", "decoder.bias"]);
/// ```
#[derive(Clone, Debug, Default)]
pub struct Builder {
    prefix: String,
    layout: ParamLayout,
    inits: Vec<Init>,
    state: ParamLayout,
    state_inits: Vec<f64>,
    dropouts: u32,
}

impl Builder {
    /// An empty model.
    pub fn new() -> Builder {
        Builder::default()
    }

    /// Runs `f` one level deeper: names in it start with `name` and a dot.
    pub fn within<T>(&mut self, name: &str, f: impl FnOnce(&mut Builder) -> T) -> T {
        let length = self.prefix.len();
        self.prefix.push_str(name);
        self.prefix.push('.');
        let result = f(self);
        self.prefix.truncate(length);
        result
    }

    /// A parameter. Parameters with at most one axis are not decayed.
    ///
    /// # Panics
    /// If the name is taken.
    #[track_caller]
    pub fn param(&mut self, name: &str, shape: &[usize], init: Init) -> ParamId {
        self.param_tagged(name, shape, init, Tags { decayed: shape.len() > 1, ..Tags::default() })
    }

    /// A parameter with tags of its own.
    ///
    /// # Panics
    /// If the name is taken.
    #[track_caller]
    pub fn param_tagged(&mut self, name: &str, shape: &[usize], init: Init, tags: Tags) -> ParamId {
        self.inits.push(init);
        self.layout.add(&format!("{}{name}", self.prefix), shape, tags)
    }

    /// A second name for the elements of a parameter: a tied weight.
    ///
    /// # Panics
    /// If the name is taken, or the sizes differ.
    #[track_caller]
    pub fn tie(&mut self, name: &str, shape: &[usize], to: ParamId) -> ParamId {
        self.inits.push(Init::Constant(0.0)); // never drawn: the elements are the other's
        self.layout.tie(&format!("{}{name}", self.prefix), shape, to)
    }

    /// State that is not trained, such as running statistics.
    ///
    /// # Panics
    /// If the name is taken.
    #[track_caller]
    pub fn state(&mut self, name: &str, shape: &[usize], value: f64) -> ParamId {
        self.state_inits.push(value);
        self.state.add(&format!("{}{name}", self.prefix), shape, Tags::default())
    }

    /// A number for a dropout layer, by which its mask differs from others'.
    pub fn dropout(&mut self) -> u32 {
        self.dropouts += 1;
        self.dropouts
    }

    /// The finished layouts and initialisers.
    pub fn finish(self) -> Blueprint {
        Blueprint {
            layout: Arc::new(self.layout),
            inits: self.inits,
            state: Arc::new(self.state),
            state_inits: self.state_inits,
        }
    }
}

/// The layouts of a model's vectors, and how they are initialised.
#[derive(Clone, Debug)]
pub struct Blueprint {
    layout: Arc<ParamLayout>,
    inits: Vec<Init>,
    state: Arc<ParamLayout>,
    state_inits: Vec<f64>,
}

impl Blueprint {
    /// The layout of θ.
    pub fn layout(&self) -> &Arc<ParamLayout> {
        &self.layout
    }

    /// The layout of the other state.
    pub fn state_layout(&self) -> &Arc<ParamLayout> {
        &self.state
    }

    /// Both vectors with their initial values.
    ///
    /// # Panics
    /// If the device cannot hold them, or the host has no memory to draw them in.
    #[track_caller]
    pub fn init(&self, device: &Device, seed: u64) -> (Theta, State) {
        let zeros = |n: usize| {
            device.check_room("init", DType::F32, &[n]);
            collected("init", n, std::iter::repeat_n(0f32, n))
        };
        let mut theta = zeros(self.layout.len());
        for (id, p) in self.layout.owned() {
            self.inits[id.0].fill(&mut theta[p.range()], seed, id.0);
        }
        let mut state = zeros(self.state.len());
        for (id, p) in self.state.iter() {
            state[p.range()].fill(self.state_inits[id.0] as f32);
        }
        let vector = |v: &[f32]| Tensor::from_slice(device, v, &[v.len()]);
        (Theta::new(vector(&theta), &self.layout), State::new(vector(&state), &self.state))
    }

    /// The layout of θ, to be retagged: frozen parameters, groups.
    pub fn layout_mut(&mut self) -> &mut ParamLayout {
        Arc::make_mut(&mut self.layout)
    }
}
