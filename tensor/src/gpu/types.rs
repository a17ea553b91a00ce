//! Element types in shaders.

use crate::dtype::DType;

/// The type that a shader holds elements in.
pub(crate) fn held_as(dtype: DType) -> &'static str {
    match dtype {
        DType::F32 => "f32",
        DType::I32 => "i32",
        DType::U32 | DType::F16 | DType::BF16 => "u32",
        DType::F64 => unreachable!("f64 tensors live on the CPU"),
    }
}
