//! Reading and adding by index on the GPU, without atomics: every result is summed by one thread, in ascending order.

use super::variant;
use crate::gpu::{GpuDevice, Input, Output, fold_groups};
use crate::plan::{Gather, ScatterAdd};

/// Strides of the index along (outer, k, inner), as the kernels take them.
fn index_strides(shared: bool, k: usize, inner: usize) -> [usize; 3] {
    if shared { [0, 1, 0] } else { [k * inner, inner, 1] }
}

/// Runs the plan.
pub fn run(p: &Gather, gpu: &GpuDevice, inputs: &[Input<'_>], outputs: &[Output<'_>]) {
    let (x, index) = (inputs[0].span(gpu), inputs[1].span(gpu));
    let wide = p.shared && p.inner.is_multiple_of(4);
    let inner = if wide { p.inner / 4 } else { p.inner };
    let [i_outer, i_k, i_inner] = index_strides(p.shared, p.k, p.inner);
    let params = [p.outer, p.n, p.k, inner, i_outer, i_k, i_inner, 0].map(|v| v as u32);
    let kernel = variant("gather", "gather", &["GATHER", if wide { "VEC4" } else { "" }], &[]);
    let groups = fold_groups((p.outer * p.k * inner).div_ceil(256) as u64);
    outputs[0].fill(gpu, |y| gpu.dispatch(kernel, &[x.read(0), index.read(1), y.write(2)], &params, groups));
}

/// Runs the plan.
pub fn scatter_add(p: &ScatterAdd, gpu: &GpuDevice, inputs: &[Input<'_>], outputs: &[Output<'_>]) {
    let (index, src) = (inputs[0].span(gpu), inputs[1].span(gpu));
    let base = p.base.then(|| inputs[2].span(gpu));
    let with_base = if p.base { "BASE" } else { "" };
    let [i_outer, i_k, i_inner] = index_strides(p.shared, p.k, p.inner);
    let (kernel, groups) = if p.shared {
        let groups = p.outer * p.n.div_ceil(8) * p.inner.div_ceil(256);
        (variant("gather", "scatter_add_rows", &["SCATTER_ROWS", with_base], &[]), groups)
    } else {
        let groups = (p.outer * p.n * p.inner).div_ceil(256);
        (variant("gather", "scatter_add", &["SCATTER", with_base], &[]), groups)
    };
    outputs[0].fill(gpu, |y| {
        let params = [p.outer, p.n, p.k, p.inner, i_outer, i_k, i_inner, 0].map(|v| v as u32);
        let mut bindings = vec![src.read(0), index.read(1), y.write(2)];
        bindings.extend(base.as_ref().map(|b| b.read(3)));
        gpu.dispatch(kernel, &bindings, &params, fold_groups(groups as u64));
    });
}
