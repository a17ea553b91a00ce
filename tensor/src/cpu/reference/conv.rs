//! Convolution by its definition.

use crate::cpu::{Input, Output};
use crate::dtype::Float;
use crate::plan::{Conv2d, ConvGeometry, ConvPass};

/// Calls `f(x index, w index, y index)` for every product of the convolution; a y index's products come in a fixed order.
pub fn products(g: &ConvGeometry, mut f: impl FnMut(usize, usize, usize)) {
    let (ci, co) = (g.c_in / g.groups, g.c_out / g.groups);
    let [h, w] = g.input;
    for n in 0..g.batch {
        for o in 0..g.c_out {
            for oy in 0..g.output[0] {
                for ox in 0..g.output[1] {
                    let y = ((n * g.c_out + o) * g.output[0] + oy) * g.output[1] + ox;
                    for c in 0..ci {
                        for ky in 0..g.kernel[0] {
                            let iy = (oy * g.stride[0] + ky * g.dilation[0]).wrapping_sub(g.padding[0][0]);
                            if iy >= h {
                                continue;
                            }
                            for kx in 0..g.kernel[1] {
                                let ix = (ox * g.stride[1] + kx * g.dilation[1]).wrapping_sub(g.padding[1][0]);
                                if ix < w {
                                    let x = ((n * g.c_in + o / co * ci + c) * h + iy) * w + ix;
                                    f(x, ((o * ci + c) * g.kernel[0] + ky) * g.kernel[1] + kx, y);
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}

/// Any pass.
pub fn run<T: Float>(p: &Conv2d, inputs: &[Input<'_>], outputs: &mut [Output<'_>]) {
    let g = &p.geometry;
    let (a, b) = (inputs[0].values::<T>(), inputs[1].values::<T>());
    let add = outputs[0].add;
    let out = outputs[0].values::<T>();
    if !add {
        out.fill(T::ZERO);
    }
    match p.pass {
        ConvPass::Forward => products(g, |x, w, y| out[y] += a[x] * b[w]),
        ConvPass::InputGrad => products(g, |x, w, y| out[x] += a[y] * b[w]),
        ConvPass::WeightGrad => products(g, |x, w, y| out[w] += a[x] * b[y]),
    }
    if p.bias {
        let bias = inputs[2].values::<T>();
        let area = if p.pass == ConvPass::Forward { g.output } else { g.input };
        for (i, v) in out.iter_mut().enumerate() {
            *v += bias[i / (area[0] * area[1]) % bias.len()];
        }
    }
}
