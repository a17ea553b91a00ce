//! θ, all parameters of a model as one vector, and the state beside it.

use lethe_autograd::{ParamLayout, Parameters};
use lethe_tensor::{Device, DeviceError, Tensor};
use std::sync::Arc;

/// All parameters of a model as one flat vector, with the layout that names its parts.
///
/// # Examples
/// ```
/// use lethe_nn::{Builder, Init};
/// use lethe_tensor::Device;
/// let mut b = Builder::new();
/// let weight = b.param("weight", &[2, 3], Init::Constant(0.5));
/// b.param("bias", &[2], Init::Constant(0.0));
/// let (theta, _) = b.finish().init(&Device::cpu(), 0);
/// assert_eq!(theta.layout().count(), 8);
/// assert_eq!(theta.values().shape(), [128]); // every parameter starts at a multiple of 64
/// assert_eq!(theta.layout().view(theta.values(), weight).to_vec::<f32>()?, [0.5; 6]);
/// # Ok::<(), lethe_tensor::DeviceError>(())
/// ```
#[derive(Clone)]
pub struct Theta {
    values: Tensor,
    layout: Arc<ParamLayout>,
}

impl Theta {
    /// A vector of a layout.
    ///
    /// # Panics
    /// If the lengths differ.
    #[track_caller]
    pub fn new(values: Tensor, layout: &Arc<ParamLayout>) -> Theta {
        assert!(
            values.shape() == [layout.len()],
            "θ has shape {:?}, its layout {} elements",
            values.shape(),
            layout.len()
        );
        Theta { values, layout: layout.clone() }
    }

    /// The vector.
    pub fn values(&self) -> &Tensor {
        &self.values
    }

    /// The vector, to be updated in place.
    pub fn values_mut(&mut self) -> &mut Tensor {
        &mut self.values
    }

    /// The layout.
    pub fn layout(&self) -> &Arc<ParamLayout> {
        &self.layout
    }

    /// `θ + scale · direction`, as a new vector; `scale` is a scalar on the device, so that nothing is read back. The direction has θ's
    /// elements, in any shape.
    ///
    /// # Panics
    /// If the direction does not have as many elements as θ.
    #[track_caller]
    pub fn step_along(&self, direction: &Tensor, scale: &Tensor) -> Theta {
        let moved = self.values.reshape(direction.shape()).add(&direction.mul(scale));
        Theta { values: moved.reshape(self.values.shape()), layout: self.layout.clone() }
    }

    /// The parameters for inference, without a tape.
    pub fn constants(&self) -> Parameters {
        Parameters::constant(&self.values, &self.layout)
    }

    /// The same on another device.
    ///
    /// # Errors
    /// If the device that it comes from failed.
    pub fn to_device(&self, device: &Device) -> Result<Theta, DeviceError> {
        Ok(Theta { values: self.values.to_device(device)?, layout: self.layout.clone() })
    }
}

/// State that is not trained: running statistics, in a vector of their own layout. A forward pass in training mode returns the new state.
///
/// # Examples
/// ```
/// use lethe_nn::{Builder, State};
/// use lethe_tensor::{Device, Tensor};
/// let mut b = Builder::new();
/// let mean = b.state("running_mean", &[2], 0.0);
/// let (_, state) = b.finish().init(&Device::cpu(), 0);
/// let moved = state.with(&[(mean, Tensor::new(&Device::cpu(), [1.0, 2.0]))]);
/// let read = |state: &State| state.layout().view(state.values(), mean).to_vec::<f32>();
/// assert_eq!(read(&moved)?, [1.0, 2.0]);
/// assert_eq!(read(&state)?, [0.0, 0.0]); // the old state is as it was
/// # Ok::<(), lethe_tensor::DeviceError>(())
/// ```
#[derive(Clone)]
pub struct State {
    values: Tensor,
    layout: Arc<ParamLayout>,
}

impl State {
    /// A vector of a layout.
    ///
    /// # Panics
    /// If the lengths differ.
    #[track_caller]
    pub fn new(values: Tensor, layout: &Arc<ParamLayout>) -> State {
        assert!(
            values.shape() == [layout.len()],
            "state has shape {:?}, its layout {} elements",
            values.shape(),
            layout.len()
        );
        State { values, layout: layout.clone() }
    }

    /// The vector.
    pub fn values(&self) -> &Tensor {
        &self.values
    }

    /// The layout.
    pub fn layout(&self) -> &Arc<ParamLayout> {
        &self.layout
    }

    /// The state with some parts replaced; parts not named stay.
    pub fn with(&self, parts: &[(lethe_autograd::ParamId, Tensor)]) -> State {
        if parts.is_empty() {
            return self.clone();
        }
        let pieces: Vec<(usize, Tensor)> = self
            .layout
            .iter()
            .map(|(id, p)| {
                let new = parts.iter().rev().find(|(changed, _)| *changed == id).map(|(_, t)| t.clone());
                (p.offset, new.unwrap_or_else(|| self.layout.view(&self.values, id)))
            })
            .collect();
        let pieces: Vec<(usize, &Tensor)> = pieces.iter().map(|(o, t)| (*o, t)).collect();
        State { values: Tensor::assemble(&pieces, self.layout.len()), layout: self.layout.clone() }
    }

    /// The same on another device.
    ///
    /// # Errors
    /// If the device that it comes from failed.
    pub fn to_device(&self, device: &Device) -> Result<State, DeviceError> {
        Ok(State { values: self.values.to_device(device)?, layout: self.layout.clone() })
    }
}
