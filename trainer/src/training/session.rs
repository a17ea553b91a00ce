//! The state of a training: model, optimiser and step of a config, and the updates.

use super::observer::{Observed, Progress, TrainedPerturbation};
use super::state::{LR_DECAYS, UPDATES, lr_decays, named, vector};
use crate::classes::Classes;
use crate::config::{Config, OnNonfinite};
use crate::data::Loader;
use crate::error::Error;
use crate::evaluation::{Evaluation, evaluate};
use crate::experiment::{self, Step};
use crate::groups::Groups;
use crate::network::Network;
use crate::run::{Checkpoint, CheckpointError, EMA};
use crate::shape::ImageShape;
use crate::weights::{self, Transfer};
use lethe_autograd::Var;
use lethe_autograd::anomaly::{self, Anomaly};
use lethe_nn::{Forward, Model, State, Theta};
use lethe_optim::{Optimizer, RhoSchedule, Samples, Schedule, ShrinkPerturb, StepOutput, WeightAverage};
use lethe_tensor::{Device, Later, Tensor, count_flops};
use serde::Serialize;

/// The checkpoint note with the number of the optimiser's steps.
const OPTIMIZER_STEPS: &str = "optimizer_steps";

/// The prefix of the names of the tensors that a run started from.
const START: &str = "start.";

/// A line of `metrics.jsonl` for an update.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct StepRecord {
    /// The number of the update, counted from 0.
    pub update: u64,
    /// Its epoch.
    pub epoch: usize,
    /// The mean task loss at θ.
    pub loss: f32,
    /// The same at the perturbed parameters.
    pub perturbed_loss: f32,
    /// The accuracy on the batch at θ, in percent.
    pub accuracy: f64,
    /// The learning rate.
    pub lr: f64,
    /// The radius of the perturbation.
    pub rho: f64,
    /// The norm of the update gradient before clipping.
    pub grad_norm: f32,
}

/// Model, optimiser and step of a config during training.
pub struct Session<'a> {
    config: &'a Config,
    images: ImageShape,
    classes: Classes,
    device: Device,
    model: Box<dyn Model>,
    theta: Theta,
    state: State,
    optimizer: Box<dyn Optimizer>,
    step: Step,
    /// Shrink and perturb, which holds the initial θ and state of the run.
    shrink: Option<ShrinkPerturb>,
    /// The moving average of θ and the state, if the config asks for it.
    average: Option<WeightAverage>,
    /// The initial θ and state, if checkpoints must contain them too.
    start: Option<(Theta, State)>,
    /// The initial weights that were loaded, if any.
    origin: Option<Transfer>,
    lr: Schedule,
    rho: RhoSchedule,
    /// The number of times that the learning rate was lowered since evaluations did not improve.
    lr_decays: u32,
    updates_per_epoch: u64,
    update: u64,
    detect_anomaly: bool,
}

/// An update whose results have not been read yet.
pub struct Pending {
    update: u64,
    pub(super) epoch: usize,
    pub(super) images: usize,
    /// Loss, perturbed loss, correct predictions, norm of the gradient.
    numbers: Later<f32>,
    /// Its floating-point operations.
    pub(super) flops: u64,
    /// The first operation that produced a NaN or an infinity, if that is searched for.
    anomaly: Option<Anomaly>,
}

impl<'a> Session<'a> {
    /// The session of a resolved config before its first update, for images of this shape and these classes.
    ///
    /// # Errors
    /// If the machine does not have the memory for the model's vectors, or the initial weights cannot be loaded.
    pub fn new(
        config: &'a Config,
        images: ImageShape,
        classes: &Classes,
        device: &Device,
        updates_per_epoch: usize,
    ) -> Result<Session<'a>, Error> {
        let model = built(config, images, classes.len())?;
        let seed = config.train.seed;
        let Some(init) = &config.init else {
            let start = model.init(device, seed);
            return Ok(Session::at(config, model, start, device, (images, classes), updates_per_epoch));
        };
        let (theta, state, transfer) = weights::transfer(init, &config.model, &*model, classes, seed)?;
        let start = (theta.to_device(device)?, state.to_device(device)?);
        let session = Session::at(config, model, start, device, (images, classes), updates_per_epoch);
        Ok(Session { origin: Some(transfer), ..session })
    }

    /// The session at a checkpoint of this config.
    ///
    /// # Errors
    /// As [`Session::new`], and if the checkpoint has a different model, different classes, or a different optimiser.
    pub fn resumed(
        config: &'a Config,
        images: ImageShape,
        classes: &Classes,
        device: &Device,
        updates_per_epoch: usize,
        checkpoint: &Checkpoint,
    ) -> Result<Session<'a>, Error> {
        checkpoint.expect_classes(classes)?;
        checkpoint.expect_model(&config.model)?;
        let model = built(config, images, classes.len())?;
        let blueprint = model.blueprint();
        let vectors = |prefix: &str| -> Result<_, CheckpointError> {
            let (layout, state_layout) = (blueprint.layout(), blueprint.state_layout());
            let theta = Theta::new(vector(prefix, checkpoint, layout, device)?, layout);
            Ok((theta, State::new(vector(prefix, checkpoint, state_layout, device)?, state_layout)))
        };
        let start = if keeps_start(config) { vectors(START)? } else { model.init(device, config.train.seed) };
        let now = vectors("")?;
        let average = config.train.ema.map(|_| vectors(EMA)).transpose()?;
        let mut session = Session::at(config, model, start, device, (images, classes), updates_per_epoch);
        let names = session.optimizer.state().into_iter().map(|(name, _)| format!("{name}."));
        let moments = names.map(|name| vector(&name, checkpoint, now.0.layout(), device)).collect::<Result<_, _>>()?;
        session.optimizer.restore(moments, checkpoint.number(OPTIMIZER_STEPS)?);
        (session.theta, session.state) = now;
        let averaged = config.train.ema.zip(average);
        session.average = averaged.map(|(decay, (theta, state))| WeightAverage::new(decay, &theta, &state));
        session.update = checkpoint.number(UPDATES)?;
        session.lower_lr(lr_decays(checkpoint)?);
        Ok(session)
    }

    /// The session before its first update, from these initial weights.
    fn at(
        config: &'a Config,
        model: Box<dyn Model>,
        (theta, state): (Theta, State),
        device: &Device,
        (images, classes): (ImageShape, &Classes),
        updates_per_epoch: usize,
    ) -> Session<'a> {
        let (lr, rho) = experiment::schedules(config, updates_per_epoch, 0);
        Session {
            config,
            device: device.clone(),
            optimizer: experiment::optimizer(config, &theta),
            step: experiment::step(config, classes.len(), device),
            images,
            classes: classes.clone(),
            shrink: experiment::shrink(config, &theta, &state),
            average: config.train.ema.map(|decay| WeightAverage::new(decay, &theta, &state)),
            start: keeps_start(config).then(|| (theta.clone(), state.clone())),
            model,
            theta,
            state,
            origin: None,
            lr,
            rho,
            lr_decays: 0,
            updates_per_epoch: updates_per_epoch as u64,
            update: 0,
            detect_anomaly: false,
        }
    }

    /// From now on checks every result of every operation, so that the first NaN or infinity is reported with its operation. Slow.
    pub fn detect_anomaly(&mut self) {
        self.detect_anomaly = true;
    }

    /// From now on the learning rate is that after this number of decays of a plateau schedule.
    pub fn lower_lr(&mut self, decays: u32) {
        self.lr_decays = decays;
        (self.lr, self.rho) = experiment::schedules(self.config, self.updates_per_epoch as usize, decays);
    }

    /// What was loaded as initial weights, if anything.
    pub fn origin(&self) -> Option<&Transfer> {
        self.origin.as_ref()
    }

    /// The number of updates made.
    pub fn updates(&self) -> u64 {
        self.update
    }

    /// The number of complete epochs.
    pub fn epochs(&self) -> usize {
        (self.update / self.updates_per_epoch) as usize
    }

    /// The number of updates made in the epoch that is not complete yet.
    pub fn updates_in_epoch(&self) -> usize {
        (self.update % self.updates_per_epoch) as usize
    }

    /// The number of the model's parameters.
    pub fn parameters(&self) -> usize {
        self.theta.layout().count()
    }

    /// The number of vectors that the optimiser keeps beside θ.
    pub fn optimizer_vectors(&self) -> usize {
        self.optimizer.state().len()
    }

    /// Evaluates the current model on all images of a loader.
    ///
    /// # Errors
    /// As [`evaluate`].
    pub fn evaluate(&self, loader: &Loader) -> Result<Evaluation, Error> {
        self.evaluation_of(self.network(), loader)
    }

    /// The same of the moving average, if there is one.
    ///
    /// # Errors
    /// As [`evaluate`].
    pub fn evaluate_average(&self, loader: &Loader) -> Result<Option<Evaluation>, Error> {
        let Some(average) = &self.average else { return Ok(None) };
        let network = Network { model: &*self.model, theta: average.theta(), state: average.state() };
        self.evaluation_of(network, loader).map(Some)
    }

    fn evaluation_of(&self, network: Network<'_>, loader: &Loader) -> Result<Evaluation, Error> {
        let likelihood = experiment::task_loss(self.config).likelihood;
        Ok(evaluate(network, loader, likelihood)?.evaluation())
    }

    /// The current model.
    pub fn network(&self) -> Network<'_> {
        Network { model: &*self.model, theta: &self.theta, state: &self.state }
    }

    /// The perturbation of the last update.
    pub fn ascent(&self) -> TrainedPerturbation {
        let last = self.update.saturating_sub(1);
        TrainedPerturbation { step: self.step.clone(), rho: self.rho.at(last, self.lr.at(last)) }
    }

    /// The number of epochs and updates done.
    pub fn progress(&self) -> Progress {
        Progress { epochs: self.epochs(), updates: self.update }
    }

    /// What an observer sees now.
    pub fn observed(&self) -> Observed<'_> {
        Observed { network: self.network(), ascent: self.ascent(), progress: self.progress() }
    }

    /// Makes one update, without waiting for the device. One that is not finite moves nothing, if the config asks to skip such updates.
    pub fn update(&mut self, epoch: usize, batch: &dyn Samples) -> Pending {
        let lr = self.lr.at(self.update);
        let rho = self.rho.at(self.update, lr);
        let skips = self.skips();
        let Session { device, model, theta, state, step, shrink, average, update, optimizer, detect_anomaly, .. } =
            self;
        let mut run = || {
            if let Some(shrink) = shrink {
                shrink.apply(theta, state, lr);
            }
            let forward = |f: &Forward<'_>, x: &Var| model.forward(f, x);
            let StepOutput { state: mut moved, loss, perturbed_loss, correct, update: mut grad, .. } =
                step.gradient(theta, state, batch, rho, *update, &forward);
            if skips {
                // The optimiser moves nothing if the norm of its gradient is not finite.
                grad = is_finite(&loss.add(&perturbed_loss)).where_(&grad, &grad.scalar_like(f64::NAN)).force().clone();
            }
            let norm = optimizer.step(theta, &grad, lr);
            if skips {
                let values = is_finite(&norm).where_(moved.values(), state.values()).force().clone();
                moved = State::new(values, moved.layout());
            }
            if let Some(average) = average {
                average.update(theta, &moved, *update);
            }
            let correct = correct.expect("a loss of classes counts correct images");
            let numbers = [&loss, &perturbed_loss, &correct, &norm].map(|t| t.reshape(&[1]));
            (moved, Tensor::concat(&numbers.each_ref(), 0).to_vec_later())
        };
        // The watch is set inside the scope, since it observes the operations of the computing thread.
        let watched = || if *detect_anomaly { anomaly::watch(&mut run) } else { (run(), None) };
        let (((moved, numbers), anomaly), flops) = device.scope(|| count_flops(watched));
        device.submit();
        self.state = moved;
        self.update += 1;
        Pending { update: self.update - 1, epoch, images: batch.count(), numbers, flops, anomaly }
    }

    /// Whether updates that are not finite are skipped.
    pub fn skips(&self) -> bool {
        self.config.train.on_nonfinite == OnNonfinite::Skip
    }

    /// Waits for the results of an update.
    ///
    /// # Errors
    /// If the device failed, or a result is not finite.
    pub fn read(&self, p: Pending) -> Result<StepRecord, Error> {
        if let Some(anomaly) = p.anomaly {
            return Err(Error::Anomaly { update: p.update, anomaly: Box::new(anomaly) });
        }
        let numbers = p.numbers.wait()?;
        let [loss, perturbed_loss, correct, norm] = numbers[..] else { unreachable!("four numbers were requested") };
        let what = [("loss", loss), ("perturbed loss", perturbed_loss), ("norm of the gradient", norm)];
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
            rho: self.rho.at(p.update, lr),
            grad_norm: norm,
        })
    }

    /// θ, the state and the optimiser's vectors, with one tensor per parameter.
    ///
    /// # Errors
    /// If the device failed.
    pub fn checkpoint(&self) -> Result<Checkpoint, Error> {
        let mut tensors = named("", self.theta.layout(), self.theta.values())?;
        tensors.extend(named("", self.state.layout(), self.state.values())?);
        if let Some((theta, state)) = &self.start {
            tensors.extend(named(START, theta.layout(), theta.values())?);
            tensors.extend(named(START, state.layout(), state.values())?);
        }
        if let Some(average) = &self.average {
            tensors.extend(named(EMA, average.theta().layout(), average.theta().values())?);
            tensors.extend(named(EMA, average.state().layout(), average.state().values())?);
        }
        for (name, vector) in self.optimizer.state() {
            tensors.extend(named(&format!("{name}."), self.theta.layout(), vector)?);
        }
        let notes = [(UPDATES, self.update), (OPTIMIZER_STEPS, self.optimizer.steps())];
        let notes = notes.map(|(k, v)| (k.to_owned(), v.to_string())).into();
        let mut checkpoint = Checkpoint { tensors, notes, ..Checkpoint::default() };
        if self.lr_decays > 0 {
            checkpoint.notes.insert(LR_DECAYS.to_owned(), self.lr_decays.to_string());
        }
        checkpoint.note_config(self.config);
        checkpoint.note_classes(&self.classes);
        checkpoint.note_images(self.images);
        Ok(checkpoint)
    }
}

/// The model of a resolved config, if its vectors fit in memory and the config's groups fit its parameters.
fn built(config: &Config, images: ImageShape, classes: usize) -> Result<Box<dyn Model>, Error> {
    let model = experiment::model(config, images, classes);
    let layout = model.blueprint().layout();
    Groups::of(config).check(layout)?;
    check_memory(layout.len(), config)?;
    Ok(model)
}

/// Whether the number of a tensor with one element is neither infinite nor NaN: 1 or 0, `[1]`.
fn is_finite(x: &Tensor) -> Tensor {
    x.reshape(&[1]).abs().le_scalar(f64::from(f32::MAX))
}

/// Whether checkpoints must contain the initial weights: if shrink and perturb needs them and they do not follow from the config, since the file that
/// they were loaded from may be gone.
fn keeps_start(config: &Config) -> bool {
    config.shrink.is_some() && config.init.is_some()
}

/// Checks that θ, its gradient and perturbation, the optimiser's vectors and the other vectors of the config fit in memory; otherwise the allocator
/// would abort the program.
fn check_memory(parameters: usize, config: &Config) -> Result<(), Error> {
    const VECTORS: usize = 6;
    let decomposed = config.perturb.ascent().is_some_and(|ascent| ascent.gsam_xi > 0.0);
    let also = [decomposed, config.shrink.is_some(), config.train.ema.is_some()];
    let vectors = VECTORS + also.into_iter().filter(|also| *also).count();
    let elements = parameters.saturating_mul(vectors);
    let granted = Vec::<f32>::new().try_reserve_exact(elements).is_ok();
    if granted { Ok(()) } else { Err(Error::TooLarge { parameters, gib: elements / (1 << 28) }) }
}
