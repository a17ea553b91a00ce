//! A batch, and what a step makes of it.

use lethe_nn::State;
use lethe_tensor::Tensor;
use lethe_tensor::random::{Draw, Philox};

/// The samples of an update, of which a step asks for a slice at a time: they need not find room on the device all at once.
pub trait Samples: Sync {
    /// How many there are.
    fn count(&self) -> usize;

    /// Samples `start .. end`, on the device.
    fn part(&self, start: usize, end: usize) -> Batch;
}

impl Samples for Batch {
    fn count(&self) -> usize {
        self.len()
    }

    #[track_caller]
    fn part(&self, start: usize, end: usize) -> Batch {
        self.slice(start, end)
    }
}

/// A batch on the device. The first axis of both tensors counts the samples; beyond it they have whatever shapes and types the model and its
/// objective take.
///
/// # Examples
/// ```
/// use lethe_optim::Batch;
/// use lethe_tensor::{Device, Tensor};
/// let (inputs, targets) = (Tensor::randn(&Device::cpu(), &[10, 4], 0), Tensor::arange(&Device::cpu(), 10));
/// let shuffled = Batch { inputs, targets }.shuffled(1);
/// let sizes: Vec<usize> = shuffled.batches(4).map(|batch| batch.len()).collect();
/// assert_eq!(sizes, [4, 4, 2]);
/// let mut order = shuffled.targets.to_vec::<u32>()?;
/// order.sort();
/// assert_eq!(order, (0..10).collect::<Vec<u32>>()); // every sample once
/// # Ok::<(), lethe_tensor::DeviceError>(())
/// ```
#[derive(Clone)]
pub struct Batch {
    /// (n, …), what the model is given.
    pub inputs: Tensor,
    /// (n, …), what its output is compared with: labels, numbers, tokens.
    pub targets: Tensor,
}

impl Batch {
    /// The number of samples.
    ///
    /// # Panics
    /// If inputs and targets differ in it.
    #[track_caller]
    pub fn len(&self) -> usize {
        let (inputs, targets) = (self.inputs.shape(), self.targets.shape());
        assert!(
            !inputs.is_empty() && inputs.first() == targets.first(),
            "a batch has as many targets as inputs along the first axis; these are inputs {inputs:?} and targets {targets:?}"
        );
        inputs[0]
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Samples `start .. end`.
    ///
    /// # Panics
    /// If the range is not within the samples.
    #[track_caller]
    pub fn slice(&self, start: usize, end: usize) -> Batch {
        Batch { inputs: self.inputs.slice(0, start, end), targets: self.targets.slice(0, start, end) }
    }

    /// The samples in an order drawn from `seed`: every order is as likely as any other.
    #[track_caller]
    pub fn shuffled(&self, seed: u64) -> Batch {
        /// Tells orders apart from whatever else is drawn under the seed.
        const STREAM: u32 = 0x5F1E;
        let mut random = Philox::new(Draw::new(seed, [STREAM, 0, 0]));
        let mut order: Vec<u32> = (0..self.len() as u32).collect();
        random.shuffle(&mut order);
        let order = Tensor::from_slice(self.inputs.device(), &order, &[order.len()]);
        Batch { inputs: self.inputs.index_select(0, &order), targets: self.targets.index_select(0, &order) }
    }

    /// Batches of `size` samples, in order; the last one holds what is left.
    ///
    /// # Panics
    /// If the size is 0.
    #[track_caller]
    pub fn batches(&self, size: usize) -> impl Iterator<Item = Batch> {
        assert!(size > 0, "{EMPTY_BATCHES}");
        self.clone().into_batches(size) // the tensors are shared
    }

    fn into_batches(self, size: usize) -> impl Iterator<Item = Batch> {
        let n = self.len();
        (0..n).step_by(size).map(move |start| self.slice(start, n.min(start + size)))
    }

    /// All batches of `count` epochs: in epoch k the samples stand in the order drawn from seed k, and [`Batch::batches`] cuts them.
    ///
    /// ```
    /// use lethe_optim::Batch;
    /// use lethe_tensor::{Device, Tensor};
    /// let numbers = Tensor::arange(&Device::cpu(), 10);
    /// let samples = Batch { inputs: numbers.clone(), targets: numbers };
    /// let sizes: Vec<usize> = samples.epochs(2, 4).map(|batch| batch.len()).collect();
    /// assert_eq!(sizes, [4, 4, 2, 4, 4, 2]);
    /// ```
    ///
    /// # Panics
    /// If the size is 0.
    #[track_caller]
    pub fn epochs(&self, count: u64, size: usize) -> impl Iterator<Item = Batch> {
        assert!(size > 0, "{EMPTY_BATCHES}");
        (0..count).flat_map(move |epoch| self.shuffled(epoch).into_batches(size))
    }

    /// Batches of exactly `size` samples, in order, as slices need them; what is left is left out (`drop_last` in PyTorch).
    ///
    /// ```
    /// use lethe_optim::Batch;
    /// use lethe_tensor::{DType, Device, Tensor};
    /// let zeros = Tensor::zeros(&Device::cpu(), DType::F32, &[10, 3]);
    /// let samples = Batch { inputs: zeros.clone(), targets: zeros };
    /// assert_eq!(samples.batches(4).map(|batch| batch.len()).collect::<Vec<_>>(), [4, 4, 2]);
    /// assert_eq!(samples.full_batches(4).map(|batch| batch.len()).collect::<Vec<_>>(), [4, 4]);
    /// ```
    ///
    /// # Panics
    /// If the size is 0.
    #[track_caller]
    pub fn full_batches(&self, size: usize) -> impl Iterator<Item = Batch> {
        self.batches(size).filter(move |batch| batch.len() == size)
    }
}

const EMPTY_BATCHES: &str = "batches of 0 samples never come to an end";

/// What a step gives; every part stays on the device until it is read.
///
/// # Examples
/// ```
/// use lethe_nn::layers::{Layer, Linear};
/// use lethe_nn::loss::TaskLoss;
/// use lethe_nn::Builder;
/// use lethe_optim::{Batch, Extragradient, Perturbation, StepOutput};
/// use lethe_tensor::{Device, Tensor};
/// let device = Device::cpu();
/// let mut b = Builder::new();
/// let line = Linear::new(&mut b, 4, 3);
/// let (theta, state) = b.finish().init(&device, 0);
/// let batch = Batch { inputs: Tensor::randn(&device, &[8, 4], 0), targets: Tensor::new(&device, [0u32, 1, 2, 0, 1, 2, 0, 1]) };
/// let sam = Extragradient::sam(Perturbation::Steepest, TaskLoss::cross_entropy());
/// let StepOutput { loss, perturbed_loss, correct, .. } =
///     sam.gradient(&theta, &state, &batch, 0.05, 0, &|f, x| line.forward(f, x));
/// assert!(perturbed_loss.item::<f32>()? > loss.item::<f32>()?); // the perturbation ascends the loss
/// assert!(correct.unwrap().item::<f32>()? <= 8.0);
/// # Ok::<(), lethe_tensor::DeviceError>(())
/// ```
pub struct StepOutput {
    /// The update gradient, in θ's layout: the mean over slices.
    pub update: Tensor,
    /// The state after the step.
    pub state: State,
    /// The mean loss at θ.
    pub loss: Tensor,
    /// The mean loss at the perturbed parameters; without a perturbation, `loss`.
    pub perturbed_loss: Tensor,
    /// Correct predictions at θ, a sum over the batch; `None` if the loss does not count them.
    pub correct: Option<Tensor>,
}
