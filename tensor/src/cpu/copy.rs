//! Views made contiguous, and conversions, on the CPU.

use super::{Input, Output, reference};
use crate::dtype::DType;
use crate::plan::Copy;
use half::{bf16, f16};

/// Runs the plan.
pub fn run(p: &Copy, inputs: &[Input<'_>], outputs: &mut [Output<'_>]) {
    macro_rules! to {
        ($from:ty) => {
            match p.to {
                DType::F32 => reference::copy::<$from, f32>(inputs, outputs),
                DType::F64 => reference::copy::<$from, f64>(inputs, outputs),
                DType::I32 => reference::copy::<$from, i32>(inputs, outputs),
                DType::U32 => reference::copy::<$from, u32>(inputs, outputs),
                DType::F16 => reference::copy::<$from, f16>(inputs, outputs),
                DType::BF16 => reference::copy::<$from, bf16>(inputs, outputs),
            }
        };
    }
    match p.from {
        DType::F32 => to!(f32),
        DType::F64 => to!(f64),
        DType::I32 => to!(i32),
        DType::U32 => to!(u32),
        DType::F16 => to!(f16),
        DType::BF16 => to!(bf16),
    }
}
