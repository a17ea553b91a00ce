//! What is known of every registered operation: its derivatives of both orders against finite differences, the wrong rules that the checks
//! notice, and how far each device is from doubles.

mod mutants;
mod table;

pub use mutants::{Caught, Mutants};
pub use table::{Figures, Row, markdown, read};

use lethe_autograd::Mode;
use lethe_autograd::agreement::{self, Agreement, Disagreement};
use lethe_autograd::gradcheck::{GradcheckError, Report, gradcheck, gradgradcheck};
use lethe_autograd::registry::{Case, Operation};
use lethe_tensor::{DType, Device};

/// Both orders of derivatives of one case.
///
/// # Errors
/// If one is wrong.
pub fn derivatives(case: &Case) -> Result<[Report; 2], GradcheckError> {
    let options = case.options();
    Ok([gradcheck(&case.run, &case.inputs, &options)?, gradgradcheck(&case.run, &case.inputs, &options)?])
}

/// The cases of an operation: small and larger ones in turn.
pub fn cases(op: &Operation, count: u64) -> impl Iterator<Item = Case> + '_ {
    (0..count).map(|seed| op.case(seed, 1 + (seed % 4) as usize))
}

/// The reports of all cases, added up.
///
/// # Errors
/// What is wrong with the first case that is, and the case as code.
pub fn all_derivatives(op: &Operation, count: u64) -> Result<[Report; 2], String> {
    let mut total = [Report::default(); 2];
    for case in cases(op, count) {
        let reports = derivatives(&case).map_err(|e| format!("{e}\n{}", case.description))?;
        for (sum, report) in total.iter_mut().zip(reports) {
            *sum = sum.and(report);
        }
    }
    Ok(total)
}

/// Values and gradients of all cases, their inputs stored in a float type on a device.
///
/// # Errors
/// What is wrong with the first case that is, and the case as code.
pub fn agreement_on(device: &Device, dtype: DType, op: &Operation, count: u64) -> Result<[Agreement; 2], String> {
    let mut total = [Agreement::default(); 2];
    let compare = |case: &Case| -> Result<[Agreement; 2], Disagreement> {
        Ok([agreement::values(op, case, device, dtype)?, agreement::gradients(op, case, device, dtype, Mode::Free)?])
    };
    for case in (0..count).map(|seed| op.case(seed, if seed % 2 == 0 { 8 } else { 3 })) {
        let seen = compare(&case).map_err(|e| format!("{e}\n{}", case.description))?;
        total = [total[0].and(seen[0]), total[1].and(seen[1])];
    }
    Ok(total)
}
