//! Convolution. The three products (output, input gradient, weight gradient) are each other's derivatives.

use super::conv_nd::{check, transposed_extent};
use crate::graph::Var;
use lethe_tensor::ConvOptions;
use lethe_tensor::plan::ConvGeometry;

impl Var {
    /// Cross-correlation of an image batch (n, c_in, h, w) with a weight (c_out, c_in / groups, kh, kw), plus a bias (c_out).
    ///
    /// # Panics
    /// If x or the weight does not have four axes, their channels and the groups do not match, the bias is not (c_out), types or devices differ, a
    /// stride or dilation is 0, or the dilated kernel is larger than the padded x.
    #[track_caller]
    pub fn conv2d(&self, weight: &Var, bias: Option<&Var>, options: &ConvOptions) -> Var {
        let geometry = options.geometry(self.shape(), weight.shape());
        let (x, w) = (self.clone(), weight.clone());
        let y = self.tensor().conv2d(weight.tensor(), bias.map(Var::tensor), options);
        let inputs: Vec<&Var> = [self, weight].into_iter().chain(bias).collect();
        let (bias_tracked, count) = (bias.is_some_and(Var::is_tracked), inputs.len());
        Var::record("conv2d", &inputs, y, move |dy| {
            let mut grads = vec![
                x.is_tracked().then(|| dy.conv2d_input_grad(&w, None, &geometry)),
                w.is_tracked().then(|| x.conv2d_weight_grad(dy, &geometry)),
                bias_tracked.then(|| dy.sum_axes(&[0, 2, 3], false)),
            ];
            grads.truncate(count);
            grads
        })
    }

    /// The input gradient of a convolution, as a function of the output's gradient (this) and the weight, linear in both, plus a bias (c_in):
    /// also the transposed convolution.
    ///
    /// # Panics
    /// If the tensors do not have the geometry's shapes, or the bias is not (c_in).
    #[track_caller]
    pub fn conv2d_input_grad(&self, weight: &Var, bias: Option<&Var>, geometry: &ConvGeometry) -> Var {
        let (dy, w, g) = (self.clone(), weight.clone(), geometry.clone());
        let dx = self.tensor().conv2d_input_grad(weight.tensor(), bias.map(Var::tensor), geometry);
        let inputs: Vec<&Var> = [self, weight].into_iter().chain(bias).collect();
        let (bias_tracked, count) = (bias.is_some_and(Var::is_tracked), inputs.len());
        Var::record("conv2d_input_grad", &inputs, dx, move |ddx| {
            let mut grads = vec![
                dy.is_tracked().then(|| ddx.conv2d(&w, None, &options(&g))),
                w.is_tracked().then(|| ddx.conv2d_weight_grad(&dy, &g)),
                bias_tracked.then(|| ddx.sum_axes(&[0, 2, 3], false)),
            ];
            grads.truncate(count);
            grads
        })
    }

    /// The weight gradient of a convolution, as a function of its input (this) and the output's gradient: linear in both.
    ///
    /// # Panics
    /// If the tensors do not have the geometry's shapes.
    #[track_caller]
    pub fn conv2d_weight_grad(&self, dy: &Var, geometry: &ConvGeometry) -> Var {
        let (x, y, g) = (self.clone(), dy.clone(), geometry.clone());
        let dw = self.tensor().conv2d_weight_grad(dy.tensor(), geometry);
        Var::record("conv2d_weight_grad", &[self, dy], dw, move |ddw| {
            vec![
                x.is_tracked().then(|| y.conv2d_input_grad(ddw, None, &g)),
                y.is_tracked().then(|| x.conv2d(ddw, None, &options(&g))),
            ]
        })
    }

    /// Transposed convolution: the input gradient of the convolution that `options` describe, plus a bias. The weight is
    /// (c_in, c_out / groups, kh, kw); the output's extent is `(i − 1) stride − padding + dilation (k − 1) + output_padding + 1`. Output
    /// padding is less than the stride or the dilation.
    ///
    /// # Panics
    /// If x or the weight does not have four axes, their channels and the groups do not match, the bias is not (c_out), types or devices differ, a
    /// stride or dilation is 0, x or the kernel has an extent of 0, the output padding is at least as large as both the stride and the dilation, or
    /// the padding leaves no output.
    #[track_caller]
    pub fn conv_transpose2d(
        &self,
        weight: &Var,
        bias: Option<&Var>,
        options: &ConvOptions,
        output_padding: [usize; 2],
    ) -> Var {
        check("conv_transpose2d", self, weight, bias, options, true);
        let (s, w) = (self.shape(), weight.shape());
        let h = transposed_extent("conv_transpose2d", self, weight, options, output_padding[0], 0);
        let wd = transposed_extent("conv_transpose2d", self, weight, options, output_padding[1], 1);
        let extents = [h, wd];
        // A stride's worth of output padding would be read by one more window: what reaches beyond is zeros behind an unpadded result.
        let beyond = [0, 1].map(|i| (output_padding[i] + 1).saturating_sub(options.stride[i]));
        let (mut inner, mut computed) = (*options, extents);
        for i in [0, 1].into_iter().filter(|i| beyond[*i] > 0) {
            let [before, after] = std::mem::take(&mut inner.padding[i]);
            computed[i] = extents[i] + before + after - beyond[i];
        }
        let geometry = inner.geometry(&[s[0], w[1] * options.groups, computed[0], computed[1]], w);
        if beyond == [0, 0] {
            return self.conv2d_input_grad(weight, bias, &geometry);
        }
        let mut y = self.conv2d_input_grad(weight, None, &geometry);
        for i in [0, 1].into_iter().filter(|i| beyond[*i] > 0) {
            let (dim, before) = (i as isize + 2, options.padding[i][0]);
            y = y.pad(dim, 0, beyond[i], 0.0).slice(dim, before, before + extents[i]);
        }
        match bias {
            Some(b) => &y + &b.reshape(&[b.numel(), 1, 1]),
            None => y,
        }
    }
}

fn options(g: &ConvGeometry) -> ConvOptions {
    ConvOptions { stride: g.stride, padding: g.padding, dilation: g.dilation, groups: g.groups }
}
