//! Checks whether a device computes correctly: every registered operation and its gradient, on random cases, against double precision on the CPU.

use lethe_autograd::Mode;
use lethe_autograd::agreement::{self, Agreement};
use lethe_autograd::registry::{Case, Operation, large_operations, operations};
use lethe_tensor::{DType, Device};
use serde::Serialize;

/// The result for one operation.
#[derive(Clone, Debug, Serialize)]
pub struct Finding {
    /// The operation's name.
    pub operation: &'static str,
    /// The number of elements of results and gradients that were compared.
    pub compared: usize,
    /// The largest error of a value, in units of f32 rounding times the value's condition.
    pub values: f64,
    /// The same for gradients.
    pub gradients: f64,
    /// The largest error of both, relative to what is allowed.
    pub worst: f64,
    /// What was wrong, with the case as code; `None` if everything was correct.
    pub failure: Option<String>,
}

/// All results, and the device they belong to.
#[derive(Clone, Debug, Serialize)]
pub struct Checkup {
    /// This program's version.
    pub version: &'static str,
    /// All devices of the machine, with one or more lines each, as `lethe devices` lists them.
    pub machine: Vec<String>,
    /// The device that was checked.
    pub device: String,
    /// The number of cases per operation.
    pub cases: u64,
    /// A result for each operation.
    pub findings: Vec<Finding>,
}

impl Checkup {
    /// The number of operations that are wrong.
    pub fn failed(&self) -> usize {
        self.findings.iter().filter(|f| f.failure.is_some()).count()
    }
}

/// Checks a device with this number of cases per operation; `seen` is called with each result as soon as it is known.
pub fn examine(device: &Device, cases: u64, mut seen: impl FnMut(&Finding)) -> Vec<Finding> {
    let find = |op: Operation| {
        // Alternates small and larger shapes, with one that fills a kernel's large tiles.
        let random = (0..cases).map(|seed| op.case(seed, if seed % 2 == 0 { 8 } else { 3 }));
        let large = large_operations().filter(|large| large.name == op.name).map(|large| large.case(0, 1));
        let finding = examine_one(&op, device, random.chain(large));
        seen(&finding);
        finding
    };
    operations().map(find).collect()
}

fn examine_one(op: &Operation, device: &Device, cases: impl Iterator<Item = Case>) -> Finding {
    let (mut values, mut gradients) = (Agreement::default(), Agreement::default());
    let mut failure = None;
    for case in cases {
        let compared = agreement::values(op, &case, device, DType::F32)
            .and_then(|v| Ok((v, agreement::gradients(op, &case, device, DType::F32, Mode::Free)?)));
        match compared {
            Ok((v, g)) => (values, gradients) = (values.and(v), gradients.and(g)),
            Err(error) => {
                failure = Some(format!("{error}\n{}", case.description));
                break;
            }
        }
    }
    Finding {
        operation: op.name,
        compared: values.compared + gradients.compared,
        values: values.roundings,
        gradients: gradients.roundings,
        worst: values.worst.max(gradients.worst),
        failure,
    }
}
