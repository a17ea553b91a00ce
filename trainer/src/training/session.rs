//! Model, optimiser and step of a config on their way through the updates.

use super::state::{MODEL, UPDATES, description, named, vector};
use crate::analysis::collect::Ascent;
use crate::analysis::forgetting::Progress;
use crate::config::Config;
use crate::data::{ImageShape, Loader};
use crate::error::Error;
use crate::evaluation::{Evaluation, Network, evaluate};
use crate::experiment;
use crate::run::Checkpoint;
use lethe_autograd::Var;
use lethe_autograd::anomaly::{self, Anomaly};
use lethe_nn::{Forward, Model, State, Theta};
use lethe_optim::{Extragradient, LinearSchedule, Optimizer, RhoSchedule, ShrinkPerturb, StepOutput};
use lethe_tensor::{Device, Later, Tensor};
use serde::Serialize;
use std::collections::BTreeMap;

/// The note of a checkpoint that says how many steps the optimiser made.
const OPTIMIZER_STEPS: &str = "optimizer_steps";

/// A line of `metrics.jsonl` for an update.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct StepRecord {
    /// The update's number, from 0.
    pub update: u64,
    /// Its epoch.
    pub epoch: usize,
    /// The mean task loss at θ.
    pub loss: f32,
    /// The same at the perturbed parameters.
    pub perturbed_loss: f32,
    /// Correct images of the batch at θ, in percent.
    pub accuracy: f64,
    /// The learning rate.
    pub lr: f64,
    /// The size of the perturbation.
    pub rho: f64,
    /// The norm of the update gradient before clipping.
    pub grad_norm: f32,
}

/// Model, optimiser and step of a config, on the way through the updates.
pub struct Session<'a> {
    config: &'a Config,
    device: Device,
    model: Box<dyn Model>,
    theta: Theta,
    state: State,
    optimizer: Box<dyn Optimizer>,
    step: Extragradient,
    /// It holds where the run began, which is a function of the config: a run that is resumed begins there too.
    shrink: Option<ShrinkPerturb>,
    lr: LinearSchedule,
    rho: RhoSchedule,
    updates_per_epoch: u64,
    update: u64,
    detect_anomaly: bool,
}

/// An update whose numbers are on their way from the device.
pub struct Pending {
    update: u64,
    epoch: usize,
    pub(super) images: usize,
    /// Loss, perturbed loss, correct images, squared norm of the gradient.
    numbers: Later<f32>,
    /// The first operation that made a NaN or an infinity, where that is looked for.
    anomaly: Option<Anomaly>,
}

impl<'a> Session<'a> {
    /// At the first update of a resolved config, for images of this shape.
    ///
    /// # Errors
    /// If the machine has not the memory for the model's vectors.
    pub fn new(
        config: &'a Config,
        images: ImageShape,
        classes: usize,
        device: &Device,
        updates_per_epoch: usize,
    ) -> Result<Session<'a>, Error> {
        let model = experiment::model(config, images, classes);
        check_memory(model.blueprint().layout().len(), config)?;
        let (theta, state) = model.init(device, config.train.seed);
        let (lr, rho) = experiment::schedules(config, updates_per_epoch);
        Ok(Session {
            config,
            device: device.clone(),
            optimizer: experiment::optimizer(config, &theta),
            step: experiment::step(config, classes),
            shrink: experiment::shrink(config, &theta, &state),
            model,
            theta,
            state,
            lr,
            rho,
            updates_per_epoch: updates_per_epoch as u64,
            update: 0,
            detect_anomaly: false,
        })
    }

    /// Looks at every result of every operation from now on, so that the first NaN or infinity is reported with its operation: slow.
    pub fn detect_anomaly(&mut self) {
        self.detect_anomaly = true;
    }

    /// Goes on where a checkpoint of this config was written.
    ///
    /// # Errors
    /// If the checkpoint is of another model, or of another optimiser.
    pub fn restore(&mut self, checkpoint: &Checkpoint) -> Result<(), Error> {
        checkpoint.expect(MODEL, &description(self.config))?;
        let (layout, state_layout) = (self.theta.layout(), self.state.layout());
        let part = |prefix: &str, layout| vector(prefix, checkpoint, layout, &self.device);
        let (theta, state) = (part("", layout)?, part("", state_layout)?);
        let names = self.optimizer.state().into_iter().map(|(name, _)| format!("{name}."));
        let moments = names.map(|name| part(&name, layout)).collect::<Result<_, _>>()?;
        (self.theta, self.state) = (Theta::new(theta, layout), State::new(state, state_layout));
        self.optimizer.restore(moments, checkpoint.number(OPTIMIZER_STEPS)?);
        self.update = checkpoint.number(UPDATES)?;
        Ok(())
    }

    /// Updates made.
    pub fn updates(&self) -> u64 {
        self.update
    }

    /// Epochs gone through whole.
    pub fn epochs(&self) -> usize {
        (self.update / self.updates_per_epoch) as usize
    }

    /// The number of the model's parameters.
    pub fn parameters(&self) -> usize {
        self.theta.layout().count()
    }

    /// Measures the model as it is on all that a loader gives.
    ///
    /// # Errors
    /// As [`evaluate`].
    pub fn evaluate(&self, loader: &Loader) -> Result<Evaluation, Error> {
        let likelihood = experiment::task_loss(self.config).likelihood;
        Ok(evaluate(self.network(), loader, likelihood)?.evaluation())
    }

    /// The model as it is now.
    pub fn network(&self) -> Network<'_> {
        Network { model: &*self.model, theta: &self.theta, state: &self.state }
    }

    /// The perturbation of the last update.
    pub fn ascent(&self) -> Ascent {
        Ascent { step: self.step, rho: self.rho.at(self.lr.at(self.update.saturating_sub(1))) }
    }

    /// How far the training is.
    pub fn progress(&self) -> Progress {
        Progress { epochs: self.epochs(), updates: self.update }
    }

    /// One update. Nobody waits for the device.
    pub fn update(&mut self, epoch: usize, batch: &lethe_optim::Batch) -> Pending {
        let lr = self.lr.at(self.update);
        let rho = self.rho.at(lr);
        let Session { device, model, theta, state, step, shrink, update, optimizer, detect_anomaly, .. } = self;
        let mut run = || {
            if let Some(shrink) = shrink {
                shrink.apply(theta, state, lr);
            }
            let forward = |f: &Forward<'_>, x: &Var| model.forward(f, x);
            let StepOutput { state, loss, perturbed_loss, correct, update, .. } =
                step.gradient(theta, state, batch, rho, *update, &forward);
            let norm2 = optimizer.step(theta, &update, lr);
            let numbers = [&loss, &perturbed_loss, &correct, &norm2].map(|t| t.reshape(&[1]));
            (state, Tensor::concat(&numbers.each_ref(), 0).to_vec_later())
        };
        // Watched inside the scope: it is the thread that computes whose operations are seen.
        let watched = || if *detect_anomaly { anomaly::watch(&mut run) } else { (run(), None) };
        let ((moved, numbers), anomaly) = device.scope(watched);
        device.submit();
        self.state = moved;
        self.update += 1;
        Pending { update: self.update - 1, epoch, images: batch.len(), numbers, anomaly }
    }

    /// Waits for the numbers of an update.
    ///
    /// # Errors
    /// If the device failed, or the loss is no number any more.
    pub fn read(&self, p: Pending) -> Result<StepRecord, Error> {
        if let Some(anomaly) = p.anomaly {
            return Err(Error::Anomaly { update: p.update, anomaly: Box::new(anomaly) });
        }
        let numbers = p.numbers.wait()?;
        let [loss, perturbed_loss, correct, norm2] = numbers[..] else { unreachable!("four numbers were asked for") };
        let what = [("loss", loss), ("perturbed loss", perturbed_loss), ("squared norm of the gradient", norm2)];
        if let Some((what, value)) = what.into_iter().find(|(_, value)| !value.is_finite()) {
            return Err(Error::NotFinite { update: p.update, what, value });
        }
        let lr = self.lr.at(p.update);
        Ok(StepRecord {
            update: p.update,
            epoch: p.epoch,
            loss,
            perturbed_loss,
            accuracy: 100.0 * f64::from(correct) / p.images as f64,
            lr,
            rho: self.rho.at(lr),
            grad_norm: norm2.sqrt(),
        })
    }

    /// θ, the state and the optimiser's vectors, a tensor a parameter.
    ///
    /// # Errors
    /// If the device failed.
    pub fn checkpoint(&self) -> Result<Checkpoint, Error> {
        let mut tensors = named("", self.theta.layout(), self.theta.values())?;
        tensors.extend(named("", self.state.layout(), self.state.values())?);
        for (name, vector) in self.optimizer.state() {
            tensors.extend(named(&format!("{name}."), self.theta.layout(), vector)?);
        }
        let notes = [(UPDATES, self.update), (OPTIMIZER_STEPS, self.optimizer.steps())];
        let mut notes: BTreeMap<String, String> = notes.map(|(k, v)| (k.to_owned(), v.to_string())).into();
        notes.insert(MODEL.into(), description(self.config));
        Ok(Checkpoint { tensors, notes, ..Checkpoint::default() })
    }
}

/// θ, its gradient and perturbation, the optimiser's vectors and what the config keeps beside them must find room; where they do not, the allocator
/// would end the program.
fn check_memory(parameters: usize, config: &Config) -> Result<(), Error> {
    const VECTORS: usize = 6;
    let decomposed = config.perturb.ascent().is_some_and(|ascent| ascent.gsam_xi > 0.0);
    let vectors = VECTORS + usize::from(decomposed) + usize::from(config.shrink.is_some());
    let elements = parameters.saturating_mul(vectors);
    let granted = Vec::<f32>::new().try_reserve_exact(elements).is_ok();
    if granted { Ok(()) } else { Err(Error::TooLarge { parameters, gib: elements / (1 << 28) }) }
}
