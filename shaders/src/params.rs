//! How a kernel gets its parameters: immediates where the device has them, a uniform buffer elsewhere.

const IMMEDIATE: &str = "var<immediate> p: Params;";
const UNIFORM: &str = "@group(1) @binding(0) var<uniform> p: Params;";

/// How a kernel reads `p: Params`, a struct of at most 64 bytes of 4-byte scalars. Both forms read the same bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ParamsForm {
    /// `var<immediate> p: Params;`, as the kernel files have it.
    Immediate,
    /// `@group(1) @binding(0) var<uniform> p: Params;`, for devices without immediates. A struct of scalars is laid out in the
    /// uniform address space as in any other.
    Uniform,
}

impl ParamsForm {
    /// `source` with its parameters declared in this form. A source that declares none stays as it is.
    pub fn apply(self, source: &str) -> String {
        match self {
            Self::Immediate => source.to_string(),
            Self::Uniform => source.replace(IMMEDIATE, UNIFORM),
        }
    }
}
