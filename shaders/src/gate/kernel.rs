//! What the gate looks at, what it allows, and what it says.

use naga::Module;
use naga::valid::ModuleInfo;
use std::fmt;

/// Storage buffers a kernel may bind: what every WebGPU implementation grants.
pub const MAX_STORAGE_BUFFERS: usize = 8;
/// Bytes of workgroup memory a kernel may use.
pub const MAX_WORKGROUP_BYTES: u32 = 16 * 1024;
/// Invocations of a workgroup.
pub const MAX_INVOCATIONS: u32 = 256;
/// Bytes of `Params`.
pub const MAX_PARAMS_BYTES: u32 = 64;

/// What a kernel that passed uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Report {
    /// Storage buffers bound.
    pub storage_buffers: usize,
    /// Bytes of workgroup memory.
    pub workgroup_bytes: u32,
    /// Invocations of a workgroup.
    pub invocations: u32,
    /// Bytes of `Params`; 0 if it has none.
    pub params_bytes: u32,
    /// Length of the SPIR-V, in words.
    pub spirv_words: usize,
}

/// Why a kernel did not pass: the rule or stage, and what was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GateError(String);

impl GateError {
    pub(super) fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }
}

impl fmt::Display for GateError {
    fn fmt(&self, out: &mut fmt::Formatter) -> fmt::Result {
        out.write_str(&self.0)
    }
}

impl std::error::Error for GateError {}

/// A kernel with its constants put in, as far as the rules look at it.
pub(super) struct Kernel<'a> {
    pub(super) module: &'a Module,
    pub(super) info: &'a ModuleInfo,
    pub(super) entry: &'a str,
}
