//! The errors that end a command.

use crate::bench::UnknownShape;
use crate::config::{ConfigError, Problem};
use crate::data::{DataError, LoaderError};
use crate::download::DownloadError;
use crate::run::{CheckpointError, RunError};
use crate::stop::Signal;
use crate::sweep::SweepError;
use crate::words::{Brief, count};
use lethe_tensor::DeviceError;

/// A failure, with the exit status that scripts see.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The config, or a `--set` argument, is wrong.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The config does not fit the data.
    #[error(transparent)]
    Problem(#[from] Problem),
    /// Data cannot be found or read.
    #[error(transparent)]
    Data(#[from] DataError),
    /// A data set could not be downloaded.
    #[error(transparent)]
    Download(#[from] DownloadError),
    /// A batch could not be made.
    #[error(transparent)]
    Loader(#[from] LoaderError),
    /// The run folder cannot be used.
    #[error(transparent)]
    Run(#[from] RunError),
    /// A checkpoint cannot be used.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// The device failed.
    #[error(transparent)]
    Device(#[from] DeviceError),
    /// A GPU was requested, and this program was built without GPU support.
    #[error("--device {device}: this program was built without its GPU back end; use --device cpu or auto")]
    NoGpuBackEnd {
        /// The device asked for.
        device: String,
    },
    /// A file or folder could not be written.
    #[error("{path}: cannot be written: {error}")]
    Write {
        /// Its path.
        path: std::path::PathBuf,
        /// The system's error.
        error: std::io::Error,
    },
    /// A run folder that an experiment needs holds a run with a different config.
    #[error("{} holds a run with another config than this experiment's; remove it, or choose another --out", path.display())]
    OtherRun {
        /// The folder.
        path: std::path::PathBuf,
    },
    /// A sweep cannot begin, or some of its runs failed.
    #[error(transparent)]
    Sweep(#[from] SweepError),
    /// A picture could not be drawn.
    #[error("the picture {name} cannot be drawn: {what}")]
    Picture {
        /// Its name.
        name: String,
        /// The library's error.
        what: String,
    },
    /// No case of the benchmark has this shape.
    #[error(transparent)]
    Shape(#[from] UnknownShape),
    /// Cases of the benchmark could not be measured.
    #[error("{failed} of {} failed; their lines say why", count(*cases, "case"))]
    Bench {
        /// The number that failed.
        failed: usize,
        /// The number of cases run.
        cases: usize,
    },
    /// The model's vectors do not fit in memory.
    #[error(
        "the model has {parameters} parameters; training it takes more than {gib} GiB of memory, which this machine does not have"
    )]
    TooLarge {
        /// The number of elements of θ.
        parameters: usize,
        /// The memory that its vectors take.
        gib: usize,
    },
    /// A device computes wrong results.
    #[error(
        "{failed} of {all} operations give wrong results on {device}; please report the lines above, or the file written by --json"
    )]
    Unsound {
        /// The number of operations with wrong results.
        failed: usize,
        /// The number of operations checked.
        all: usize,
        /// The device.
        device: String,
    },
    /// A model that was evaluated has diverged.
    #[error("the test loss is {loss}: the model has diverged; lower optim.lr or perturb.rho, or set optim.clip")]
    TestNotFinite {
        /// Its value.
        loss: f64,
    },
    /// A model that was to be saved has diverged; earlier checkpoints are kept.
    #[error(
        "after update {update}, `{tensor}` contains an infinity or a NaN: the model has diverged, and no checkpoint \
         of it is written; lower optim.lr or perturb.rho, or set optim.clip"
    )]
    Diverged {
        /// The first such tensor.
        tensor: String,
        /// The last update, counted from 0.
        update: u64,
    },
    /// A network of a collection has diverged.
    #[error(
        "the outputs of the network, or of one of its perturbations, are not finite: it has diverged; lower perturb.rho or optim.lr"
    )]
    OutputsNotFinite,
    /// At this distance from θ the loss is infinite or NaN.
    #[error("the loss is {loss} at distance {} from the parameters; use a smaller --reach", Brief(distance))]
    SliceNotFinite {
        /// The distance.
        distance: f64,
        /// Its value.
        loss: f64,
    },
    /// The curvature of a loss is infinite or NaN.
    #[error(
        "the curvature of the loss is {value} in iteration {iteration}: the model has diverged, or its gradients exceed f32"
    )]
    SharpnessNotFinite {
        /// The iteration, from 1.
        iteration: usize,
        /// The value found.
        value: f64,
    },
    /// The first operation of an update that produced a NaN or an infinity.
    #[error("update {update}: {anomaly}")]
    Anomaly {
        /// The update.
        update: u64,
        /// The operation.
        anomaly: Box<lethe_autograd::anomaly::Anomaly>,
    },
    /// A signal asked to stop; what was made until then is saved.
    #[error("stopped by {signal}; {how}")]
    Stopped {
        /// The signal.
        signal: Signal,
        /// How to continue.
        how: String,
    },
    /// A GPU cannot make the first update of a training.
    #[error("{device} cannot train this model: {what}; use a smaller model or batch size, or --device cpu")]
    BeyondDevice {
        /// The device.
        device: String,
        /// What it refused.
        what: String,
    },
    /// The system does not tell of signals.
    #[error("cannot ask the system to report signals: {0}")]
    Signals(std::io::Error),
    /// More updates in a row than may be skipped were not finite.
    #[error(
        "the {what} of update {update} is {value}, and the {} before it {} skipped: the model has diverged; lower optim.lr or perturb.rho, \
         set optim.clip, or raise train.max_skipped; --detect-anomaly names the operation",
        count(*skipped, "update"),
        if *skipped == 1 { "was" } else { "were" }
    )]
    TooManySkipped {
        /// The number of updates skipped before.
        skipped: u64,
        /// The update.
        update: u64,
        /// The name of the quantity.
        what: &'static str,
        /// Its value.
        value: f32,
    },
    /// A quantity of an update is infinite or NaN, so that training cannot continue.
    #[error(
        "the {what} of update {update} is {value}: lower optim.lr or perturb.rho, or set optim.clip; --detect-anomaly names the operation"
    )]
    NotFinite {
        /// The update.
        update: u64,
        /// The name of the quantity.
        what: &'static str,
        /// Its value.
        value: f32,
    },
}

impl Error {
    /// 2 for a wrong config or wrong usage, 128 plus its number after a signal, 1 for anything else.
    pub fn exit_status(&self) -> u8 {
        match self {
            Error::Config(_) | Error::Problem(_) | Error::Shape(_) => 2,
            Error::Data(DataError::Config(_)) | Error::Run(RunError::Config(_)) => 2,
            Error::Sweep(error) => error.exit_status(),
            Error::Download(error) if error.is_usage() => 2,
            Error::Stopped { signal, .. } => signal.exit_status(),
            _ => 1,
        }
    }
}
