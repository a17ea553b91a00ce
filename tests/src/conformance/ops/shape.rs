//! Data movement: views, joins, padding, reading and adding by index.

use crate::conformance::case::Found;
use crate::conformance::case::{Case, Unknown, one};
use lethe_autograd::Var;
use lethe_tensor::Tensor;

/// The family's operations.
pub fn run(case: &Case<'_>) -> Found {
    let a = &case.attrs;
    let x = || case.var("x");
    let joined = |f: fn(&[&Var], isize) -> Var| -> Result<Var, Unknown> {
        let parts = case.family("x");
        Ok(f(&parts.iter().map(|(_, v)| v).collect::<Vec<_>>(), a.axis("axis")?))
    };
    let y = match case.op {
        "reshape" => x()?.reshape(&a.usizes("shape")?),
        "permute" => x()?.permute(&a.usizes("dims")?),
        "expand" => x()?.expand(&a.usizes("shape")?),
        "flip" => x()?.flip(&a.axes("axes")?),
        "slice" => slice(case)?,
        "pad" => pad(case)?,
        "concat" => joined(Var::concat)?,
        "stack" => joined(Var::stack)?,
        _ => return index(case),
    };
    Ok(Some(one("out", y)))
}

/// Operations with an index.
fn index(case: &Case<'_>) -> Found {
    let axis = || case.attrs.axis("axis");
    let index = || case.tensor("index");
    let y = match case.op {
        "gather" => case.var("x")?.gather(axis()?, &index()?),
        "index_select" => case.var("x")?.index_select(axis()?, &index()?),
        "scatter_add" => case.var("x")?.scatter_add(axis()?, &index()?, &case.var("src")?),
        "index_add" => case.var("x")?.index_add(axis()?, &index()?, &case.var("src")?),
        "embedding" => case.var("weight")?.embedding(&index()?),
        _ => return Ok(None),
    };
    Ok(Some(one("out", y)))
}

fn slice(case: &Case<'_>) -> Result<Var, Unknown> {
    let triple = |v: &serde_json::Value| -> Option<[usize; 3]> { serde_json::from_value(v.clone()).ok() };
    let ranges = case.attrs.optional("ranges", |v| v.as_array()?.iter().map(triple).collect::<Option<Vec<_>>>())?;
    let ranges = ranges.ok_or_else(|| Unknown("no attribute ranges".into()))?;
    let x = case.var("x")?;
    Ok(ranges
        .iter()
        .enumerate()
        .fold(x, |x, (axis, &[start, end, step])| x.slice_step(axis as isize, start, end, step)))
}

/// Constant padding is an operation; the other modes read the edge or its reflection by index.
fn pad(case: &Case<'_>) -> Result<Var, Unknown> {
    let x = case.var("x")?;
    let value = case.attrs.f64_maybe("value")?.unwrap_or(0.0);
    let mode = case.attrs.optional("mode", serde_json::Value::as_str)?.unwrap_or("constant");
    let source: fn(isize, isize) -> isize = match mode {
        "constant" => |at, _| at,
        "edge" => |at, n| at.clamp(0, n - 1),
        "reflect" => |at, n| if at < 0 { -at } else { at.min(2 * (n - 1) - at) },
        mode => return case.unknown(format!("mode {mode}")),
    };
    let pads = case.attrs.pairs("pads")?;
    Ok(pads.iter().enumerate().fold(x, |x, (axis, &[before, after])| {
        if mode == "constant" {
            return x.pad(axis as isize, before, after, value);
        }
        let n = x.shape()[axis] as isize;
        let places = (-(before as isize)..n + after as isize).map(|at| source(at, n) as u32);
        let places: Vec<u32> = places.collect();
        x.index_select(axis as isize, &Tensor::from_slice(x.device(), &places, &[places.len()]))
    }))
}
