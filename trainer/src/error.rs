//! What can end a command.

use crate::bench::UnknownShape;
use crate::config::{ConfigError, Problem};
use crate::data::{DataError, LoaderError};
use crate::run::{CheckpointError, RunError};
use crate::words::count;
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
    /// A GPU is asked for, and this program cannot drive one.
    #[error("--device {device}: this program was built without its GPU back end; use --device cpu or auto")]
    NoGpuBackEnd {
        /// The device asked for.
        device: String,
    },
    /// A file or folder could not be written.
    #[error("{path}: cannot be written: {error}")]
    Write {
        /// Which.
        path: std::path::PathBuf,
        /// What the system said.
        error: std::io::Error,
    },
    /// A folder that an experiment needs holds a run of another config.
    #[error("{} holds a run of another config than this experiment's; remove it, or choose another --out", path.display())]
    OtherRun {
        /// The folder.
        path: std::path::PathBuf,
    },
    /// A picture could not be drawn.
    #[error("the picture {name} cannot be drawn: {what}")]
    Picture {
        /// Its name.
        name: String,
        /// What the library said.
        what: String,
    },
    /// No case of the benchmark has this shape.
    #[error(transparent)]
    Shape(#[from] UnknownShape),
    /// Cases of the benchmark could not be measured.
    #[error("{failed} of {} failed; their lines say why", count(*cases, "case"))]
    Bench {
        /// Those that failed.
        failed: usize,
        /// All that were asked for.
        cases: usize,
    },
    /// The model's vectors find no room.
    #[error(
        "the model has {parameters} parameters; to train it takes more than {gib} GiB, which this machine does not grant"
    )]
    TooLarge {
        /// Elements of θ.
        parameters: usize,
        /// What its vectors take.
        gib: usize,
    },
    /// A device computes wrong.
    #[error(
        "operations that are wrong on {device}: {failed} of {all}; please report the lines above, or the file of --json"
    )]
    Unsound {
        /// Operations that are wrong.
        failed: usize,
        /// All that were tried.
        all: usize,
        /// The device.
        device: String,
    },
    /// A model that was measured has diverged.
    #[error("the test loss is {loss}: the model has diverged; lower optim.lr or perturb.rho, or set optim.clip")]
    TestNotFinite {
        /// What it is.
        loss: f64,
    },
    /// A model that was to be saved has diverged; what was saved before it stays.
    #[error(
        "after update {update} `{tensor}` holds an infinity or NaN: the model has diverged, and no checkpoint of it is written; lower optim.lr or perturb.rho, or set optim.clip"
    )]
    Diverged {
        /// The first such tensor.
        tensor: String,
        /// The last update, counted from 0.
        update: u64,
    },
    /// A network of a collection has diverged.
    #[error(
        "the outputs of the network, or of one of its perturbations, are no numbers: it has diverged; lower perturb.rho or optim.lr"
    )]
    OutputsNotFinite,
    /// So far from θ the loss is infinite or none at all.
    #[error("the loss is {loss} at the distance {distance}: take a smaller --reach")]
    SliceNotFinite {
        /// How far.
        distance: f64,
        /// What it is.
        loss: f64,
    },
    /// The curvature of a loss is infinite or none at all.
    #[error(
        "the curvature of the loss is {value} in iteration {iteration}: the model has diverged, or its gradients exceed f32"
    )]
    SharpnessNotFinite {
        /// The iteration, from 1.
        iteration: usize,
        /// What was found.
        value: f64,
    },
    /// The first operation of an update that made a NaN or an infinity.
    #[error("update {update}: {anomaly}")]
    Anomaly {
        /// The update.
        update: u64,
        /// The operation.
        anomaly: Box<lethe_autograd::anomaly::Anomaly>,
    },
    /// A number of an update is infinite or none at all: θ would not move any more, or to nowhere.
    #[error(
        "the {what} of update {update} is {value}: lower optim.lr or perturb.rho, or set optim.clip; --detect-anomaly names the operation"
    )]
    NotFinite {
        /// The update.
        update: u64,
        /// The number's name.
        what: &'static str,
        /// What it is.
        value: f32,
    },
}

impl Error {
    /// 2 for a wrong config or wrong usage, 1 for anything else.
    pub fn exit_status(&self) -> u8 {
        match self {
            Error::Config(_) | Error::Problem(_) | Error::Shape(_) | Error::Data(DataError::Config(_)) => 2,
            _ => 1,
        }
    }
}
