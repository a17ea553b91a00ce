//! A plan of a program's own, from a closure for the CPU and a WGSL kernel for GPUs.

use std::fmt;
use std::sync::Arc;

use super::{Plan, Spec};
use crate::cpu;

/// What a custom plan does on the CPU.
pub type CpuClosure = Arc<dyn Fn(&[cpu::Input<'_>], &mut [cpu::Output<'_>]) + Send + Sync>;

/// A WGSL kernel of a program's own. It binds the plan's inputs at 0, 1, … (`read`) and then its outputs (`read_write`), all row-major, and
/// declares its parameters, if it has any, as `var<immediate> NAME: TYPE;`. It runs with wgpu's checks.
#[derive(Clone, Debug)]
pub struct CustomKernel {
    /// The entry point.
    pub entry: &'static str,
    /// The text.
    pub source: &'static str,
    /// The words of its parameters, at most 16.
    pub params: Vec<u32>,
    /// Workgroups. Where they are more than 65,535 they are folded into rows: group `w.y * num_workgroups.x + w.x` of all, and some beyond.
    pub workgroups: u64,
}

/// An operation that this workspace does not have. [`crate::execute`] runs it; an operation on variables with a derivative is made of it by
/// `Var::record`. Programs that need more (strides, several kernels) implement [`Plan`] and [`Run`](super::Run) themselves.
#[derive(Clone)]
pub struct Custom {
    /// The operation's name.
    pub name: &'static str,
    /// What it makes.
    pub outputs: Vec<Spec>,
    /// Floating-point operations.
    pub flops: u64,
    /// The least bytes to move.
    pub bytes: u64,
    /// What it does on the CPU.
    pub cpu: CpuClosure,
    /// What it does on a GPU; without one, running it there is an error at the next read.
    pub gpu: Option<CustomKernel>,
}

impl fmt::Debug for Custom {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Custom({} -> {:?})", self.name, self.outputs)
    }
}

impl Plan for Custom {
    fn name(&self) -> &'static str {
        self.name
    }
    fn outputs(&self) -> Vec<Spec> {
        self.outputs.clone()
    }
    fn flops(&self) -> u64 {
        self.flops
    }
    fn bytes(&self) -> u64 {
        self.bytes
    }
}
