//! The proof of every registered operation: its first and second derivatives against finite differences, the wrong rules that the checks
//! detect, and the error of each device against double precision.

mod mutants;
mod table;

pub use mutants::{Caught, Mutants};
pub use table::{Figures, Row, markdown, read};

use lethe_autograd::Mode;
use lethe_autograd::agreement::{self, Agreement, Disagreement};
use lethe_autograd::gradcheck::{GradcheckError, Report, gradcheck, gradgradcheck};
use lethe_autograd::registry::{Case, Operation};
use lethe_tensor::{DType, Device};

/// Checks the first and second derivatives of one case.
///
/// # Errors
/// If a derivative is wrong.
pub fn derivatives(case: &Case) -> Result<[Report; 2], GradcheckError> {
    let options = case.options();
    Ok([gradcheck(&case.run, &case.inputs, &options)?, gradgradcheck(&case.run, &case.inputs, &options)?])
}

/// The cases of an operation, alternately small and larger.
pub fn cases(op: &Operation, count: u64) -> impl Iterator<Item = Case> + '_ {
    (0..count).map(|seed| op.case(seed, 1 + (seed % 4) as usize))
}

/// The combined reports of all cases.
///
/// # Errors
/// What is wrong with the first failing case, and the case as code.
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

/// Compares values and gradients of all cases, with inputs stored in a float type on a device.
///
/// # Errors
/// What is wrong with the first failing case, and the case as code.
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
