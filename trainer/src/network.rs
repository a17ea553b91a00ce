//! A network on a device, and the batches that it is given.

use crate::data::Batch;
use lethe_autograd::Var;
use lethe_nn::{Forward, Model, Pass, State, Theta};
use lethe_optim::Samples;
use lethe_tensor::{Device, Tensor};

/// A model with its parameters and its state.
#[derive(Clone, Copy)]
pub struct Network<'a> {
    /// The model.
    pub model: &'a dyn Model,
    /// Its parameters.
    pub theta: &'a Theta,
    /// Its running statistics.
    pub state: &'a State,
}

impl Network<'_> {
    /// The device of its parameters.
    pub fn device(&self) -> &Device {
        self.theta.values().device()
    }

    /// Logits (n, classes) of inputs, in evaluation mode: with running statistics and without dropout.
    pub fn logits(&self, inputs: &Tensor) -> Var {
        let params = self.theta.constants();
        self.model.forward(&Forward::new(&params, self.state, Pass::evaluate()), &Var::constant(inputs))
    }
}

/// A batch on the host that is uploaded slice by slice.
pub struct HostBatch<'a> {
    /// The device that slices are uploaded to.
    pub device: &'a Device,
    /// The batch.
    pub batch: &'a Batch,
}

impl Samples for HostBatch<'_> {
    fn count(&self) -> usize {
        self.batch.labels.len()
    }

    #[track_caller]
    fn part(&self, start: usize, end: usize) -> lethe_optim::Batch {
        let Batch { images, labels, shape, mixture } = self.batch;
        let (n, pixels) = (end - start, shape.len());
        let images = &images[start * pixels..end * pixels];
        let targets = match mixture {
            None => Tensor::from_slice(self.device, &labels[start..end], &[n]),
            Some(mixture) => {
                Tensor::from_slice(self.device, &mixture.targets(labels, start, end), &[n, mixture.classes])
            }
        };
        lethe_optim::Batch {
            inputs: Tensor::from_slice(self.device, images, &[n, shape.channels, shape.height, shape.width]),
            targets,
        }
    }
}

/// Uploads a whole batch: images (n, c, h, w), and labels (n), or of mixed images distributions (n, classes).
pub fn upload(device: &Device, batch: &Batch) -> lethe_optim::Batch {
    HostBatch { device, batch }.part(0, batch.labels.len())
}
