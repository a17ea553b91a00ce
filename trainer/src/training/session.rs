//! The training loop: batch after batch, update after update, and what is written on the way.

use crate::config::{Config, DataFacts};
use crate::data::{DataSplit, Loader, Preparation};
use crate::error::Error;
use crate::evaluation::{Evaluation, evaluate, upload};
use crate::experiment;
use crate::progress::Progress;
use crate::run::{Checkpoint, CheckpointError, Log, NamedTensor, RunFolder};
use lethe_autograd::{ParamLayout, Var};
use lethe_nn::{Forward, Model, State, Theta};
use lethe_optim::{Extragradient, LinearSchedule, Optimizer, RhoSchedule, StepOutput};
use lethe_tensor::{Device, Later, Tensor};
use serde::Serialize;
use std::sync::Arc;
use std::time::Instant;

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

/// A line of `metrics.jsonl` for an evaluation.
#[derive(Serialize)]
struct TestRecord {
    epoch: usize,
    test_accuracy: f64,
    test_loss: f64,
}

/// A line of `timing.jsonl`.
#[derive(Serialize)]
struct TimeRecord {
    epoch: usize,
    seconds: f64,
    images_per_second: f64,
}

/// `summary.json`.
#[derive(Serialize)]
pub struct Summary {
    /// Parameters of the model.
    pub parameters: usize,
    /// Updates made.
    pub updates: u64,
    /// The last measurement of the test set.
    pub test: Evaluation,
    /// Its accuracy, in percent.
    pub test_accuracy: f64,
}

/// What the config must fit.
pub fn facts(split: &DataSplit) -> DataFacts {
    DataFacts { images: split.train.shape, classes: split.train.classes, train: split.train.len() }
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
    lr: LinearSchedule,
    rho: RhoSchedule,
    update: u64,
}

/// An update whose numbers are on their way from the device.
pub struct Pending {
    update: u64,
    epoch: usize,
    images: usize,
    /// Loss, perturbed loss, correct images, squared norm of the gradient.
    numbers: Later<f32>,
}

/// Trains as a resolved config says and writes the run's folder.
///
/// # Errors
/// If data, device or folder fail, or the loss is no number any more.
pub fn train(
    config: &Config,
    split: DataSplit,
    device: &Device,
    run: &RunFolder,
    workers: usize,
) -> Result<Summary, Error> {
    let DataSplit { train, test } = split;
    let (images, classes) = (train.shape, train.classes);
    let prepare = Preparation::of(&config.data);
    let batch = config.train.batch;
    let augment = config.data.augment.clone();
    let loader = Loader::training(Arc::new(train), prepare, batch, workers, config.train.seed, augment);
    let test_loader = Loader::evaluation(Arc::new(test), prepare, batch.max(100), workers);
    let mut session = Session::new(config, images, classes, device, loader.batches());
    let (mut metrics, mut timing) = (run.metrics()?, run.timing()?);
    let mut progress = Progress::new(config.train.epochs, loader.images());
    let mut last = None;
    for epoch in 0..config.train.epochs {
        let start = Instant::now();
        // The numbers of an update are read when the next one is under way.
        let mut pending: Option<Pending> = None;
        for host in loader.epoch(epoch)? {
            let next = session.update(epoch, &upload(device, &host?));
            if let Some(done) = pending.replace(next) {
                session.report(done, &mut progress, &mut metrics)?;
            }
        }
        if let Some(done) = pending {
            session.report(done, &mut progress, &mut metrics)?;
        }
        let seconds = start.elapsed().as_secs_f64();
        timing.record(&TimeRecord { epoch, seconds, images_per_second: loader.images() as f64 / seconds })?;
        if config.train.is_due(config.train.eval_every, epoch) {
            let likelihood = experiment::task_loss(config).likelihood;
            let e = evaluate(&*session.model, &session.theta, &session.state, &test_loader, likelihood)?;
            metrics.record(&TestRecord { epoch, test_accuracy: e.accuracy(), test_loss: e.loss })?;
            progress.test(e.accuracy());
            last = Some(e);
        }
        if config.train.is_due(config.train.checkpoint_every, epoch) {
            run.save(&session.checkpoint()?)?;
        }
    }
    progress.finish();
    let test = last.expect("the last epoch is evaluated");
    let parameters = session.theta.layout().count();
    let summary = Summary { parameters, updates: session.update, test, test_accuracy: test.accuracy() };
    run.summarise(&summary)?;
    Ok(summary)
}

impl<'a> Session<'a> {
    /// At the first update of a resolved config, for images of this shape.
    pub fn new(
        config: &'a Config,
        images: crate::data::ImageShape,
        classes: usize,
        device: &Device,
        updates_per_epoch: usize,
    ) -> Session<'a> {
        let model = experiment::model(config, images, classes);
        let (theta, state) = model.init(device, config.train.seed);
        let (lr, rho) = experiment::schedules(config, updates_per_epoch);
        Session {
            config,
            device: device.clone(),
            optimizer: experiment::optimizer(config, &theta),
            step: experiment::step(config, classes),
            model,
            theta,
            state,
            lr,
            rho,
            update: 0,
        }
    }

    /// One update. Nobody waits for the device.
    pub fn update(&mut self, epoch: usize, batch: &lethe_optim::Batch) -> Pending {
        let lr = self.lr.at(self.update);
        let rho = self.rho.at(lr);
        let Session { device, model, theta, state, step, update, optimizer, .. } = self;
        let (moved, numbers) = device.scope(|| {
            let forward = |f: &Forward<'_>, x: &Var| model.forward(f, x);
            let StepOutput { state, loss, perturbed_loss, correct, update, .. } =
                step.gradient(theta, state, batch, rho, *update, &forward);
            let norm2 = optimizer.step(theta, &update, lr);
            let numbers = [&loss, &perturbed_loss, &correct, &norm2].map(|t| t.reshape(&[1]));
            (state, Tensor::concat(&numbers.each_ref(), 0).to_vec_later())
        });
        device.submit();
        self.state = moved;
        self.update += 1;
        Pending { update: self.update - 1, epoch, images: batch.len(), numbers }
    }

    /// Waits for the numbers of an update, shows and records them.
    fn report(&self, done: Pending, progress: &mut Progress, metrics: &mut Log) -> Result<(), Error> {
        let images = done.images;
        let record = self.read(done)?;
        progress.step(record.loss, record.accuracy, images);
        Ok(metrics.record(&record)?)
    }

    /// Waits for the numbers of an update.
    ///
    /// # Errors
    /// If the device failed, or the loss is no number any more.
    pub fn read(&self, p: Pending) -> Result<StepRecord, Error> {
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
        let notes = [("updates", self.update), ("optimizer_steps", self.optimizer.steps())];
        let mut notes: std::collections::BTreeMap<String, String> =
            notes.map(|(k, v)| (k.to_owned(), v.to_string())).into();
        notes.insert("epochs".into(), self.config.train.epochs.to_string());
        notes.insert(MODEL.into(), description(self.config));
        Ok(Checkpoint { tensors, notes, ..Checkpoint::default() })
    }
}

/// The note that says which model a checkpoint is of: others may have tensors of the same names and shapes.
const MODEL: &str = "model";

fn description(config: &Config) -> String {
    serde_json::to_string(&config.model).expect("a section of the config can be written as JSON")
}

/// The parts of a vector under their names.
fn named(prefix: &str, layout: &ParamLayout, vector: &Tensor) -> Result<Vec<NamedTensor>, Error> {
    let values: Vec<f32> = vector.to_vec()?;
    let part = |p: &lethe_autograd::Param| NamedTensor {
        name: format!("{prefix}{}", p.name),
        shape: p.shape.clone(),
        data: values[p.range()].to_vec(),
    };
    Ok(layout.owned().map(|(_, p)| part(p)).collect())
}

/// A vector put together from a checkpoint's tensors.
fn vector(checkpoint: &Checkpoint, layout: &ParamLayout, device: &Device) -> Result<Tensor, CheckpointError> {
    let mut values = vec![0f32; layout.len()];
    for (_, p) in layout.owned() {
        values[p.range()].copy_from_slice(checkpoint.tensor(&p.name, &p.shape)?);
    }
    Ok(Tensor::from_slice(device, &values, &[layout.len()]))
}

/// Measures the test set with a run's checkpoint.
///
/// # Errors
/// If the checkpoint does not fit the config's model, or data or device fail.
pub fn evaluate_run(
    config: &Config,
    checkpoint: &Checkpoint,
    split: DataSplit,
    device: &Device,
    workers: usize,
) -> Result<Evaluation, Error> {
    checkpoint.expect(MODEL, &description(config))?;
    let model = experiment::model(config, split.train.shape, split.train.classes);
    let (layout, state_layout) = (model.blueprint().layout(), model.blueprint().state_layout());
    let theta = Theta::new(vector(checkpoint, layout, device)?, layout);
    let state = State::new(vector(checkpoint, state_layout, device)?, state_layout);
    let loader =
        Loader::evaluation(Arc::new(split.test), Preparation::of(&config.data), config.train.batch.max(100), workers);
    evaluate(&*model, &theta, &state, &loader, experiment::task_loss(config).likelihood)
}
