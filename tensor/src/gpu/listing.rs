//! The kernels that elementwise expressions would become, written down instead of dispatched: for reading, and for compilers that look at
//! them without a GPU. Expressions are caught where they are evaluated, on any device.

use std::cell::RefCell;
use std::collections::BTreeMap;

use super::codegen::{Access, Program, Target};
use crate::dtype::DType;
use crate::layout::{Layout, numel};
use crate::plan::Elementwise;

thread_local! {
    static CAUGHT: RefCell<Option<BTreeMap<String, String>>> = const { RefCell::new(None) };
}

/// The WGSL of each expression that `f` evaluates in single precision or integers on this thread, once for each structure: operations, types,
/// and which strides of the operands are 0, 1 or other. The key describes the structure.
pub fn expressions(f: impl FnOnce()) -> BTreeMap<String, String> {
    CAUGHT.with(|c| c.replace(Some(BTreeMap::new())));
    f();
    CAUGHT.with(|c| c.take()).unwrap_or_default()
}

/// Keeps the kernel of an expression over inputs of these layouts, if [`expressions`] is running on this thread.
pub(crate) fn catch<'a>(plan: &Elementwise, layouts: impl Iterator<Item = &'a Layout>) {
    let wide = plan.expr.compute == DType::F64 || plan.dtypes.contains(&DType::F64);
    if wide || numel(&plan.shape) == 0 || CAUGHT.with(|c| c.borrow().is_none()) {
        return;
    }
    let access = |(layout, dtype): (&Layout, &DType)| {
        let (shape, strides) = layout.merged();
        Access { dtype: *dtype, at: 0, shape, strides }
    };
    let accesses: Vec<Access> = layouts.zip(&plan.dtypes).map(access).collect();
    let mut structure = format!("{:?} in {} to {}", plan.expr.nodes, plan.expr.compute, plan.dtype);
    for a in &accesses {
        let kinds: Vec<isize> = a.strides.iter().map(|s| (*s).clamp(-1, 2)).collect();
        structure += &format!(", {} {kinds:?}", a.dtype);
    }
    let targets = [Target { root: plan.expr.nodes.len() - 1, dtype: plan.dtype, at: 0, add: false }];
    let program = Program::new(&plan.expr, &accesses, &targets, (numel(&plan.shape), 0));
    CAUGHT.with(|c| {
        if let Some(caught) = &mut *c.borrow_mut() {
            caught.entry(structure).or_insert_with(|| program.source());
        }
    });
}
