//! Convolution and pooling.

use crate::conformance::case::Found;
use crate::conformance::case::{Attrs, Case, Unknown, one};
use lethe_tensor::{ConvOptions, PoolOptions};
use serde_json::Value;

/// The family's operations.
pub fn run(case: &Case<'_>) -> Found {
    let a = &case.attrs;
    let x = || case.var("x");
    let y = match case.op {
        "conv1d" => x()?.conv1d(&case.var("weight")?, case.maybe("bias").as_ref(), &options(a)?),
        "conv2d" => x()?.conv2d(&case.var("weight")?, case.maybe("bias").as_ref(), &options(a)?),
        "conv_transpose2d" => {
            let (weight, bias) = (case.var("weight")?, case.maybe("bias"));
            x()?.conv_transpose2d(&weight, bias.as_ref(), &options(a)?, a.each("output_padding")?)
        }
        "max_pool2d" => x()?.max_pool2d(&window(a)?),
        "avg_pool2d" => x()?.avg_pool2d(&window(a)?, a.flag("count_include_pad")?),
        "adaptive_avg_pool2d" => x()?.adaptive_avg_pool2d(a.each("output_size")?),
        _ => return Ok(None),
    };
    Ok(Some(one("out", y)))
}

fn window(a: &Attrs<'_>) -> Result<PoolOptions, Unknown> {
    Ok(PoolOptions { kernel: a.each("kernel")?, stride: a.each("stride")?, padding: a.each("padding")? })
}

/// `padding` holds a number for both sides, or a pair, for each axis.
fn padding<const N: usize>(a: &Attrs<'_>) -> Result<[[usize; 2]; N], Unknown> {
    let side = |v: &Value| Some(v.as_u64()? as usize);
    let pair = |v: &Value| match v.as_array() {
        Some(both) => <[usize; 2]>::try_from(both.iter().map(side).collect::<Option<Vec<_>>>()?).ok(),
        None => side(v).map(|n| [n; 2]),
    };
    let all = |v: &Value| v.as_array()?.iter().map(pair).collect::<Option<Vec<_>>>()?.try_into().ok();
    Ok(a.optional("padding", all)?.unwrap_or([[0; 2]; N]))
}

fn options<const N: usize>(a: &Attrs<'_>) -> Result<ConvOptions<N>, Unknown> {
    let groups = a.usize("groups")?;
    Ok(ConvOptions { stride: a.each("stride")?, padding: padding(a)?, dilation: a.each("dilation")?, groups })
}
