//! The rules of the house that naga does not know.

use super::kernel::{
    GateError, Kernel, MAX_INVOCATIONS, MAX_PARAMS_BYTES, MAX_STORAGE_BUFFERS, MAX_WORKGROUP_BYTES, Report,
};
use naga::{
    AddressSpace, BinaryOperator, Expression, Function, Handle, Literal, MathFunction, Module, ScalarKind, TypeInner,
};

fn broken<T>(text: String) -> Result<T, GateError> {
    Err(GateError::new(text))
}

/// What is seen in the text alone: extensions, which no kernel may need.
pub fn text(source: &str) -> Result<(), GateError> {
    match source.lines().find(|line| ["enable ", "requires "].iter().any(|word| line.trim_start().starts_with(word))) {
        Some(line) => broken(format!("`{}`: no kernel may need an extension", line.trim())),
        None => Ok(()),
    }
}

/// Counts storage buffers: group 0, no more than allowed, each used by the entry point, so that a layout can be made from the
/// declarations.
pub fn bindings(kernel: &Kernel) -> Result<usize, GateError> {
    let Kernel { module, info, entry } = *kernel;
    let Some(index) = module.entry_points.iter().position(|e| e.name == entry) else {
        return broken(format!("has no entry point {entry}"));
    };
    if module.entry_points.len() > 1 {
        return broken(format!("has {} entry points; one is allowed", module.entry_points.len()));
    }
    let used = info.get_entry_point(index);
    let mut count = 0;
    for (handle, variable) in module.global_variables.iter() {
        let AddressSpace::Storage { .. } = variable.space else { continue };
        let name = variable.name.as_deref().unwrap_or("?");
        if variable.binding.is_none_or(|binding| binding.group != 0) {
            return broken(format!("{name} is not in group 0"));
        }
        if used[handle].is_empty() {
            return broken(format!("declares {name}, which entry point {entry} does not use"));
        }
        count += 1;
    }
    if count > MAX_STORAGE_BUFFERS {
        return broken(format!("binds {count} storage buffers; {MAX_STORAGE_BUFFERS} are allowed"));
    }
    Ok(count)
}

/// Sizes, once the constants are known.
pub fn sizes(kernel: &Kernel) -> Result<Report, GateError> {
    let module = kernel.module;
    let Some(entry) = module.entry_points.iter().find(|e| e.name == kernel.entry) else {
        return broken(format!("has no entry point {}", kernel.entry));
    };
    let invocations = entry.workgroup_size.iter().product();
    if invocations > MAX_INVOCATIONS {
        return broken(format!("has {invocations} invocations a workgroup; {MAX_INVOCATIONS} are allowed"));
    }
    let size = |ty: Handle<naga::Type>| module.types[ty].inner.size(module.to_ctx());
    let of = |space: AddressSpace| module.global_variables.iter().filter(move |(_, v)| v.space == space);
    let workgroup_bytes = of(AddressSpace::WorkGroup).map(|(_, v)| size(v.ty)).sum();
    if workgroup_bytes > MAX_WORKGROUP_BYTES {
        return broken(format!("uses {workgroup_bytes} bytes of workgroup memory; {MAX_WORKGROUP_BYTES} are allowed"));
    }
    let params: Vec<_> = of(AddressSpace::Immediate).chain(of(AddressSpace::Uniform)).map(|(_, v)| v.ty).collect();
    let params_bytes = match params[..] {
        [] => 0,
        [ty] => params_size(module, ty)?,
        _ => return broken("declares Params more than once".into()),
    };
    Ok(Report { storage_buffers: 0, workgroup_bytes, invocations, params_bytes, spirv_words: 0 })
}

fn params_size(module: &Module, ty: Handle<naga::Type>) -> Result<u32, GateError> {
    let scalar = |ty: Handle<naga::Type>| matches!(module.types[ty].inner, TypeInner::Scalar(s) if s.width == 4);
    match &module.types[ty].inner {
        TypeInner::Struct { members, span } if members.iter().all(|member| scalar(member.ty)) => match *span {
            span if span > MAX_PARAMS_BYTES => {
                broken(format!("Params has {span} bytes; {MAX_PARAMS_BYTES} are allowed"))
            }
            span => Ok(span),
        },
        _ => broken("Params is not a struct of 4-byte scalars, which every address space lays out alike".into()),
    }
}

/// What functions do.
pub fn functions(module: &Module) -> Result<(), GateError> {
    if module.types.iter().any(|(_, ty)| matches!(ty.inner, TypeInner::Atomic(_))) {
        return broken("uses atomics: results would depend on timing".into());
    }
    let entries = module.entry_points.iter().map(|entry| &entry.function);
    for function in module.functions.iter().map(|(_, function)| function).chain(entries) {
        let name = function.name.as_deref().unwrap_or("an entry point");
        for (_, expression) in function.expressions.iter() {
            if let Some(what) = offence(function, expression) {
                return broken(format!("{name} {what}"));
            }
        }
    }
    Ok(())
}

fn offence(function: &Function, expression: &Expression) -> Option<&'static str> {
    match *expression {
        Expression::Binary { op: BinaryOperator::Equal | BinaryOperator::NotEqual, left, right }
            if same(function, left, right) =>
        {
            Some("compares a value with itself: compilers may assume that there is no NaN; test its bits")
        }
        Expression::Math { fun: MathFunction::Tanh, arg, .. }
            if !matches!(function.expressions[arg], Expression::Math { fun: MathFunction::Clamp, .. }) =>
        {
            Some("takes tanh of what is not clamp(…): on Metal it is NaN beyond 44")
        }
        Expression::As { expr, kind: ScalarKind::Float, convert: None } => match function.expressions[expr] {
            Expression::Literal(Literal::U32(bits)) if bits & 0x7f80_0000 == 0x7f80_0000 => {
                Some("makes an infinity or NaN: compilers may assume that there is none")
            }
            _ => None,
        },
        _ => None,
    }
}

/// Whether two expressions read the same thing.
fn same(function: &Function, a: Handle<Expression>, b: Handle<Expression>) -> bool {
    let both = |a, b| same(function, a, b);
    match (&function.expressions[a], &function.expressions[b]) {
        _ if a == b => true,
        (Expression::Load { pointer: a }, Expression::Load { pointer: b }) => both(*a, *b),
        (Expression::AccessIndex { base: a, index: i }, Expression::AccessIndex { base: b, index: j }) => {
            i == j && both(*a, *b)
        }
        (Expression::Access { base: a, index: i }, Expression::Access { base: b, index: j }) => {
            both(*a, *b) && both(*i, *j)
        }
        (Expression::FunctionArgument(a), Expression::FunctionArgument(b)) => a == b,
        (Expression::LocalVariable(a), Expression::LocalVariable(b)) => a == b,
        (Expression::GlobalVariable(a), Expression::GlobalVariable(b)) => a == b,
        _ => false,
    }
}
