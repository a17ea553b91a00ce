//! Models: a vision transformer, residual networks, a perceptron.

mod mlp;
mod positions;
mod resnet;
mod vit;

pub use mlp::{MlpClassifier, MlpConfig};
pub use positions::{Positions, interpolate_positions};
pub use resnet::{BlockKind, ResNet, ResNetConfig, Stem};
pub use vit::{HeadNorm, Pooling, Vit, VitConfig};

use crate::build::Blueprint;
use crate::forward::Forward;
use crate::theta::{State, Theta};
use lethe_autograd::Var;
use lethe_tensor::Device;

/// A classifier of images (n, c, h, w): logits (n, classes).
pub trait Model: Send + Sync {
    /// The layouts, and how parameters are initialised.
    fn blueprint(&self) -> &Blueprint;

    /// The layouts, to be retagged or initialised differently.
    fn blueprint_mut(&mut self) -> &mut Blueprint;

    /// The layer that tells the classes apart, by the name of its level: what a model for other classes replaces.
    fn head(&self) -> String;

    /// The position embeddings, in a model whose shapes depend on the size of the images by them alone.
    fn positions(&self) -> Option<Positions> {
        None
    }

    /// Logits.
    ///
    /// # Panics
    /// If x does not have the shape that the model was built for.
    fn forward(&self, f: &Forward<'_>, x: &Var) -> Var;

    /// The initial θ, and the initial state beside it: a function of the seed alone.
    fn init(&self, device: &Device, seed: u64) -> (Theta, State) {
        self.blueprint().init(device, seed)
    }
}

/// The two accessors of a model that keeps its blueprint in a field.
macro_rules! blueprint {
    () => {
        fn blueprint(&self) -> &crate::build::Blueprint {
            &self.blueprint
        }
        fn blueprint_mut(&mut self) -> &mut crate::build::Blueprint {
            &mut self.blueprint
        }
    };
}
use blueprint;
