//! Poolings of images that are more than a kernel sees at once: made of poolings of slabs, of reductions, or of products.

use super::slabs::{halves, part, placed, slab};
use crate::plan::{Pool2d, PoolKind, PoolPass};
use crate::run::execute;
use crate::tensor::Tensor;

/// A pooling of images that are more than a kernel sees at once, in two: the inputs of the plan, its outputs.
#[track_caller]
pub(super) fn pool(p: &Pool2d, inputs: &[&Tensor]) -> Vec<Tensor> {
    if p.kind == PoolKind::Adaptive {
        return vec![pool_by_matrices(p, inputs[0])];
    }
    if p.output == [1, 1] {
        return pool_one(p, inputs);
    }
    let axis = usize::from(p.output[1] > p.output[0]);
    let ranges = halves(p.output[axis]).map(|range| {
        let mut outputs = p.output.map(|n| 0..n);
        outputs[axis] = range;
        outputs
    });
    let slabs = ranges
        .each_ref()
        .map(|outputs| [0, 1].map(|i| slab(&outputs[i], p.stride[i], p.kernel[i], p.padding[i] as isize, p.input[i])));
    let done = [0, 1].map(|number| {
        let (slabs, outputs) = (&slabs[number], &ranges[number]);
        let [h, w] = slabs.each_ref().map(|s| s.inputs.len());
        let plan = Pool2d {
            input: [h, w],
            output: outputs.each_ref().map(|r| r.len()),
            padding: slabs.each_ref().map(|s| s.padding[0]),
            ..p.clone()
        };
        let at = slabs.each_ref().map(|s| s.inputs.clone());
        let start = (at[0].start * p.input[1] + at[1].start) as f64;
        match p.pass {
            PoolPass::Forward => {
                let mut out = run(plan, &[&part(inputs[0], &at).contiguous()]);
                if let Some(index) = out.get_mut(1) {
                    *index = moved(index, w, p.input[1], start);
                }
                out
            }
            PoolPass::Backward => {
                let mut all = vec![part(inputs[0], outputs).contiguous()];
                if let Some(index) = inputs.get(1) {
                    // A place of the image less the slab's first one lies in the same row and column of the slab.
                    let of_slab = part(index, outputs).add_scalar(-start);
                    all.push(moved(&of_slab, p.input[1], w, 0.0).contiguous());
                }
                let dx = run(plan, &all.iter().collect::<Vec<_>>()).swap_remove(0);
                vec![placed(&dx, &at, p.input)]
            }
        }
    });
    let joined = |i: usize| match p.pass {
        PoolPass::Forward => Tensor::concat(&[&done[0][i], &done[1][i]], 2 + axis as isize),
        PoolPass::Backward => done[0][i].add(&done[1][i]),
    };
    (0..done[0].len()).map(joined).collect()
}

/// Places `y · from + x` (`U32`) in rows of `from` elements as places in rows of `to`, moved on by `by`.
fn moved(index: &Tensor, from: usize, to: usize, by: f64) -> Tensor {
    let row = index.div(&index.scalar_like(from as f64));
    let column = index.sub(&row.mul_scalar(from as f64));
    row.mul_scalar(to as f64).add(&column).add_scalar(by)
}

/// A pooling with one window per image: a reduction.
#[track_caller]
fn pool_one(p: &Pool2d, inputs: &[&Tensor]) -> Vec<Tensor> {
    let at = [0, 1].map(|i| slab(&(0..1), p.stride[i], p.kernel[i], p.padding[i] as isize, p.input[i]).inputs);
    let ([n, c], [h, w]) = (p.planes, at.each_ref().map(|r| r.len()));
    let count = if p.kind == (PoolKind::Average { count_pad: true }) { p.kernel[0] * p.kernel[1] } else { h * w };
    let share = 1.0 / count as f64;
    match (p.pass, inputs) {
        (PoolPass::Forward, [x, ..]) if p.kind == PoolKind::Max => {
            let x = part(x, &at).reshape(&[n, c, h * w]);
            let index = x.argmax(2, true);
            let start = (at[0].start * p.input[1] + at[1].start) as f64;
            let y = x.gather(2, &index).unsqueeze(-1);
            vec![y, moved(&index, w, p.input[1], start).unsqueeze(-1)]
        }
        (PoolPass::Forward, _) => vec![part(inputs[0], &at).sum_axes(&[2, 3], true).mul_scalar(share)],
        (PoolPass::Backward, [dy, index]) => {
            let [dy, index] = [dy, index].map(|t| t.reshape(&[n, c, 1]));
            let zeros = Tensor::zeros(dy.device(), dy.computed_type(), &[n, c, p.input[0] * p.input[1]]);
            vec![zeros.scatter_add(2, &index, &dy).reshape(&[n, c, p.input[0], p.input[1]])]
        }
        (PoolPass::Backward, _) => vec![placed(&inputs[0].mul_scalar(share).expand(&[n, c, h, w]), &at, p.input)],
    }
}

/// A pooling's plan, in parts where its images are too large for a kernel.
#[track_caller]
pub(super) fn run(p: Pool2d, inputs: &[&Tensor]) -> Vec<Tensor> {
    let most = inputs[0].device().most_elements();
    let [area, cells] = [p.input, p.output].map(|s| s[0] * s[1]);
    if p.kind == PoolKind::Adaptive && !inputs[0].device().is_cpu() {
        // The largest number that the kernel's rounded division meets.
        let largest = |axis: usize| p.input[axis] * p.output[axis] + p.input[axis].max(p.output[axis]);
        assert!(
            u32::try_from(largest(0).max(largest(1))).is_ok(),
            "adaptive_avg_pool2d: an axis of {:?} elements in {:?} cells; on a GPU their product, with the larger of them added, must be below 2³²",
            p.input,
            p.output
        );
    }
    let planes = p.planes[0] * p.planes[1];
    if area.max(cells) > most && planes > 0 { pool(&p, inputs) } else { execute(p, inputs) }
}

/// The mean over an even division is a product with a matrix along each axis, whose rows are the cells.
#[track_caller]
fn pool_by_matrices(p: &Pool2d, x: &Tensor) -> Tensor {
    let [rows, columns] = [0, 1].map(|axis| {
        let (size, cells) = (p.input[axis], p.output[axis]);
        let mut shares = vec![0.0; cells * size];
        for i in 0..cells {
            let (from, to) = (i * size / cells, ((i + 1) * size).div_ceil(cells));
            shares[i * size..][from..to].fill(1.0 / (to - from) as f64);
        }
        x.constant_like(&shares, &[cells, size])
    });
    match p.pass {
        PoolPass::Forward => rows.matmul(&x.matmul(&columns.t())),
        PoolPass::Backward => rows.t().matmul(&x.matmul(&columns)),
    }
}
