//! What a case does on a device.

use lethe_tensor::{DeviceError, Tensor};

/// One call of a case: it does the work and returns the tensors that must live until the device is synchronised.
pub type Call = Box<dyn FnMut() -> Result<Vec<Tensor>, DeviceError> + Send>;

/// A case on a device, ready to be called.
pub struct Work {
    pub call: Call,
    /// The number of floating-point operations of a call; 0 if the case measures memory traffic.
    pub flops: f64,
    /// The number of bytes that a call must move; 0 if the case measures arithmetic.
    pub bytes: f64,
    /// The expected results, if the case is a step that is made once.
    pub step: Option<Step>,
}

/// A training step that is made once, at the initial parameters. Its call returns the loss there, the loss at the perturbed parameters, and the
/// squared norm of the update gradient.
#[derive(Clone, Copy)]
pub struct Step {
    /// The expected loss at the initial parameters, if it does not depend on the images.
    pub loss: Option<f32>,
}

impl Work {
    pub fn arithmetic(flops: f64, call: impl FnMut() -> Result<Vec<Tensor>, DeviceError> + Send + 'static) -> Work {
        Work { call: Box::new(call), flops, bytes: 0.0, step: None }
    }

    pub fn memory(bytes: f64, call: impl FnMut() -> Result<Vec<Tensor>, DeviceError> + Send + 'static) -> Work {
        Work { call: Box::new(call), flops: 0.0, bytes, step: None }
    }
}
