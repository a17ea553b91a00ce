//! A case: an operation applied to inputs that were drawn for it.

use super::views::View;
use crate::gradcheck::GradcheckOptions;
use crate::graph::{Tape, Var};
use lethe_tensor::{DType, Device, DeviceError, Tensor};

/// One application of an operation to inputs of its own.
pub struct Case {
    /// The inputs: `F64` on the CPU, or `U32` (indices, labels, masks). They may be views of any strides, or unevaluated.
    pub inputs: Vec<Tensor>,
    pub(super) drawn: Vec<Input>,
    /// Which of them are differentiated.
    pub differentiable: Vec<bool>,
    /// The operation. It may be run on inputs of another float type or device.
    pub run: Box<dyn Fn(&[Var]) -> Var>,
    /// The case as Rust code that runs: what a failing test prints.
    pub description: String,
}

/// What an input is a view of.
pub(super) struct Input {
    pub(super) base: Tensor,
    pub(super) view: View,
}

impl Case {
    /// The inputs on a device, floats stored in this type, and the same numbers as doubles on the CPU; all under the views of the case.
    ///
    /// # Errors
    /// If the device failed.
    pub fn stored(&self, device: &Device, dtype: DType) -> Result<(Vec<Tensor>, Vec<Tensor>), DeviceError> {
        let both = |Input { base, view }: &Input| {
            let is_float = base.dtype() == DType::F64;
            let low = if is_float { base.to_dtype(dtype) } else { base.clone() };
            let exact = if is_float { low.to_dtype(DType::F64) } else { low.clone() };
            Ok((view.of(&low.to_device(device)?), view.of(&exact)))
        };
        Ok(self.drawn.iter().map(both).collect::<Result<Vec<_>, DeviceError>>()?.into_iter().unzip())
    }

    /// Variables of these inputs (the case's own, or the same of another type or device): leaves of the tape where they are differentiated.
    pub fn on(&self, tape: &Tape, inputs: &[Tensor]) -> Vec<Var> {
        let var = |(t, d): (&Tensor, &bool)| if *d { tape.leaf(t) } else { Var::constant(t) };
        inputs.iter().zip(&self.differentiable).map(var).collect()
    }

    /// The result of these inputs, without a tape.
    pub fn value(&self, inputs: &[Tensor]) -> Tensor {
        (self.run)(&inputs.iter().map(Var::constant).collect::<Vec<_>>()).tensor().clone()
    }

    /// Options under which a gradient check differentiates what the case does.
    pub fn options(&self) -> GradcheckOptions {
        let constant = (0..self.inputs.len()).filter(|i| !self.differentiable[*i]).collect();
        GradcheckOptions { constant, ..GradcheckOptions::default() }
    }
}
