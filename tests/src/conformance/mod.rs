//! Runs folders of reference cases: inputs, expected outputs and expected gradients, as `tests/vectors/README.md` describes them.
//!
//! A case is mapped to differentiable operations by `ops`, swept with the given cotangents, and compared by its own tolerances. What the
//! runner does not know (an operation, an attribute, an input, an output) makes a case unknown, never passed. This is no place for numerics:
//! what a case asks for is put together from what the packages offer.

mod case;
mod compare;
mod manifest;
mod models;
mod non_finite;
mod ops;
mod report;
mod symmetric;
mod vectors;
mod views;

pub use manifest::FolderError;
pub use non_finite::keeps_non_finite;
pub use report::{Outcome, Report};

use case::{Attrs, Case, Unknown};
use compare::{Tolerance, compare};
use lethe_autograd::{Mode, Tape, Var};
use lethe_tensor::{DType, Device, DeviceError, Tensor};
use manifest::{CaseRecord, Folder, Values};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

/// Runs every case of a folder on a device, computing in `F32`, or in `F64` on the CPU. Cases of NaN and infinity are skipped on a device that does
/// not keep these ([`keeps_non_finite`]).
///
/// # Errors
/// If the folder's manifest or a file that it names cannot be read, or the device fails.
pub fn run_folder(folder: &Path, device: &Device, dtype: DType) -> Result<Report, FolderError> {
    let folder = Folder::open(folder)?;
    let mut report = Report::default();
    let all = device.is_cpu() || keeps_non_finite(device)?;
    for record in &folder.cases {
        // An `edge` holds everywhere.
        let runs = all || !record.has_tag("nonfinite") || record.has_tag("edge");
        report.add(&record.name, if runs { run_case(&folder, record, device, dtype)? } else { Outcome::Skipped });
    }
    Ok(report)
}

/// Runs a case, with contiguous inputs and then, where there are any, with views.
fn run_case(folder: &Folder, record: &CaseRecord, device: &Device, dtype: DType) -> Result<Outcome, FolderError> {
    let with_views = record.inputs.iter().any(|i| i.view.is_some());
    for views in [false, true].into_iter().filter(|v| !v || with_views) {
        let run = Run { folder, record, device, dtype, views };
        let outcome = match catch_unwind(AssertUnwindSafe(|| run.outcome())) {
            Ok(outcome) => outcome?,
            Err(payload) => Outcome::Failed(format!("panicked: {}", message(&*payload))),
        };
        match outcome {
            Outcome::Passed => {}
            Outcome::Failed(why) if views => return Ok(Outcome::Failed(format!("with views: {why}"))),
            other => return Ok(other),
        }
    }
    Ok(Outcome::Passed)
}

/// The text of a panic.
fn message(payload: &(dyn std::any::Any + Send)) -> String {
    let text = payload.downcast_ref::<String>().map(String::as_str);
    text.or(payload.downcast_ref::<&str>().copied()).unwrap_or("without a message").into()
}

/// One run of one case.
struct Run<'a> {
    folder: &'a Folder,
    record: &'a CaseRecord,
    device: &'a Device,
    dtype: DType,
    views: bool,
}

/// A finding that ends a run.
enum Stop {
    Unknown(String),
    Failed(String),
    Folder(FolderError),
}

impl From<FolderError> for Stop {
    fn from(e: FolderError) -> Stop {
        Stop::Folder(e)
    }
}

impl From<Unknown> for Stop {
    fn from(u: Unknown) -> Stop {
        Stop::Unknown(u.0)
    }
}

impl From<DeviceError> for Stop {
    fn from(e: DeviceError) -> Stop {
        Stop::Failed(e.to_string())
    }
}

impl Run<'_> {
    fn outcome(&self) -> Result<Outcome, FolderError> {
        match self.check() {
            Ok(()) => Ok(Outcome::Passed),
            Err(Stop::Unknown(what)) => Ok(Outcome::Unknown(what)),
            Err(Stop::Failed(why)) => Ok(Outcome::Failed(why)),
            Err(Stop::Folder(e)) => Err(e),
        }
    }

    fn check(&self) -> Result<(), Stop> {
        let (record, tape) = (self.record, Tape::new());
        let mut inputs = vec![];
        for input in &record.inputs {
            let tensor = self.input(input)?;
            let tracked = record.grads.iter().any(|g| g.arg == input.arg);
            inputs.push((input.arg.clone(), if tracked { tape.leaf(&tensor) } else { Var::constant(&tensor) }));
        }
        let case = Case::new(&record.op, Attrs::new(&record.attrs), inputs, self.device, self.dtype);
        let outputs = ops::run(&case)?;
        case.all_read()?;
        let output = |name: &str| {
            let found = outputs.iter().find(|(n, _)| n == name).map(|(_, v)| v);
            found.ok_or_else(|| Unknown(format!("output {name}")))
        };
        for expected in &record.outputs {
            let actual = output(&expected.name)?;
            self.compare(&expected.name, actual.tensor(), &expected.tensor, record.tolerance(self.device.is_cpu()))?;
        }
        self.check_gradients(&tape, &case, &output)
    }

    /// Pulls every cotangent back on its own, and adds what arrives.
    fn check_gradients<'v>(
        &self,
        tape: &Tape,
        case: &Case<'_>,
        output: &impl Fn(&str) -> Result<&'v Var, Unknown>,
    ) -> Result<(), Stop> {
        let record = self.record;
        let mut sweeps = vec![];
        for cotangent in &record.cotangents {
            let y = output(&cotangent.name)?;
            let dy = self.folder.values(&record.file, &cotangent.tensor)?.tensor(self.device, self.dtype);
            if y.is_tracked() {
                sweeps.push(tape.sweep(y, &Var::constant(&dy), Mode::Retain));
            }
        }
        for expected in &record.grads {
            let leaf = case.var(&expected.arg)?;
            let zero = leaf.tensor().zeros_like();
            let total = sweeps.iter().filter_map(|s| s.get(&leaf)).map(|g| g.tensor().clone());
            let total = total.reduce(|a, b| a.add(&b)).unwrap_or(zero);
            let name = format!("gradient of {}", expected.arg);
            self.compare(&name, &total, &expected.tensor, record.grad_tolerance(self.device.is_cpu()))?;
        }
        Ok(())
    }

    fn input(&self, input: &manifest::InputRecord) -> Result<Tensor, FolderError> {
        let values = |name: &str| self.folder.values(&self.record.file, name);
        let upload = |v: &Values| v.tensor(self.device, self.dtype);
        Ok(match &input.view {
            Some(view) if self.views => views::apply(&upload(values(&view.base)?), &view.steps),
            _ => upload(values(&input.tensor)?),
        })
    }

    fn compare(&self, name: &str, actual: &Tensor, expected: &str, tolerance: Tolerance) -> Result<(), Stop> {
        let expected = self.folder.values(&self.record.file, expected)?;
        let same_type = expected.is_float() == actual.dtype().is_float();
        if actual.shape() != expected.shape || !same_type {
            let found = format!("{} {:?}", actual.dtype(), actual.shape());
            return Err(Stop::Failed(format!("{name}: is {found}, expected shape {:?}", expected.shape)));
        }
        let actual = match actual.dtype() {
            DType::F32 => actual.to_vec::<f32>()?.into_iter().map(f64::from).collect(),
            // Expected values are rounded to f32, those beyond it infinite.
            DType::F64 => actual.to_vec::<f64>()?.into_iter().map(|x| f64::from(x as f32)).collect(),
            DType::U32 => actual.to_vec::<u32>()?.into_iter().map(f64::from).collect::<Vec<_>>(),
            DType::I32 => actual.to_vec::<i32>()?.into_iter().map(f64::from).collect(),
            other => return Err(Stop::Failed(format!("{name}: results in {other} are not compared"))),
        };
        compare(&actual, &expected.data, tolerance).map_err(|why| Stop::Failed(format!("{name}: {why}")))
    }
}
