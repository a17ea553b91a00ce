//! Convolution of one and of three axes, by that of two.
//!
//! One axis is a height of 1. Of three axes the first (depth) is unrolled: its taps become channels, so that one two-dimensional convolution
//! over (batch × depth) images does all of it; the transposed form adds the overlapping taps along depth afterwards.

use crate::graph::Var;
use lethe_tensor::ConvOptions;
use lethe_tensor::plan::ConvGeometry;

/// The options of the last two axes.
fn plane(o: &ConvOptions<3>) -> ConvOptions {
    ConvOptions {
        stride: [o.stride[1], o.stride[2]],
        padding: [o.padding[1], o.padding[2]],
        dilation: [o.dilation[1], o.dilation[2]],
        groups: o.groups,
    }
}

/// A height of 1 before the only axis.
fn row(o: &ConvOptions<1>) -> ConvOptions {
    ConvOptions {
        stride: [1, o.stride[0]],
        padding: [[0; 2], o.padding[0]],
        dilation: [1, o.dilation[0]],
        groups: o.groups,
    }
}

impl Var {
    /// Cross-correlation of a batch of sequences (n, c_in, l) with a weight (c_out, c_in / groups, k), plus a bias (c_out).
    ///
    /// # Panics
    /// If x or the weight does not have three axes, their channels and the groups do not match, the bias is not (c_out), types or devices differ, a
    /// stride or dilation is 0, or the dilated kernel is larger than the padded x.
    #[track_caller]
    pub fn conv1d(&self, weight: &Var, bias: Option<&Var>, options: &ConvOptions<1>) -> Var {
        check("conv1d", self, weight, bias, options, false);
        self.unsqueeze(2).conv2d(&weight.unsqueeze(2), bias, &row(options)).squeeze(2)
    }

    /// Transposed convolution of sequences; the weight is (c_in, c_out / groups, k). See [`Var::conv_transpose2d`].
    ///
    /// # Panics
    /// If x or the weight does not have three axes, their channels and the groups do not match, the bias is not (c_out), types or devices differ, a
    /// stride or dilation is 0, x or the kernel has an extent of 0, the output padding is at least as large as both the stride and the dilation, or
    /// the padding leaves no output.
    #[track_caller]
    pub fn conv_transpose1d(
        &self,
        weight: &Var,
        bias: Option<&Var>,
        options: &ConvOptions<1>,
        output_padding: usize,
    ) -> Var {
        check("conv_transpose1d", self, weight, bias, options, true);
        let (x, weight) = (self.unsqueeze(2), weight.unsqueeze(2));
        x.conv_transpose2d(&weight, bias, &row(options), [0, output_padding]).squeeze(2)
    }

    /// Cross-correlation of a batch of volumes (n, c_in, d, h, w) with a weight (c_out, c_in / groups, kd, kh, kw), plus a bias (c_out).
    ///
    /// # Panics
    /// If x or the weight does not have five axes, their channels and the groups do not match, the bias is not (c_out), types or devices differ, a
    /// stride or dilation is 0, or the dilated kernel is larger than the padded x.
    #[track_caller]
    pub fn conv3d(&self, weight: &Var, bias: Option<&Var>, options: &ConvOptions<3>) -> Var {
        check("conv3d", self, weight, bias, options, false);
        let (s, w) = (self.shape(), weight.shape());
        let (stride, dilation, [before, after]) = (options.stride[0], options.dilation[0], options.padding[0]);
        let Some(depth) = ConvGeometry::output_extent(s[2], w[2], stride, [before, after], dilation) else {
            panic!("conv3d: a weight of {w:?} does not fit x {s:?} with {options:?}")
        };
        let padded = self.pad(2, before, after, 0.0);
        let mut taps = vec![];
        for t in (0..w[2]).map(|t| t * dilation) {
            taps.push(padded.slice_step(2, t, t + (depth - 1) * stride + 1, stride));
        }
        // (n, c, kd, depth, h, w) to images (n · depth, c · kd, h, w): the groups' channels stay together.
        let taps = Var::stack(&taps.iter().collect::<Vec<_>>(), 2).permute(&[0, 3, 1, 2, 4, 5]);
        let images = taps.reshape(&[s[0] * depth, s[1] * w[2], s[3], s[4]]);
        let y = images.conv2d(&weight.reshape(&[w[0], w[1] * w[2], w[3], w[4]]), bias, &plane(options));
        let [rows, columns] = [y.shape()[2], y.shape()[3]];
        y.reshape(&[s[0], depth, w[0], rows, columns]).transpose(1, 2)
    }

    /// Transposed convolution of volumes; the weight is (c_in, c_out / groups, kd, kh, kw). See [`Var::conv_transpose2d`].
    ///
    /// # Panics
    /// If x or the weight does not have five axes, their channels and the groups do not match, the bias is not (c_out), types or devices differ, a
    /// stride or dilation is 0, x or the kernel has an extent of 0, the output padding is at least as large as both the stride and the dilation, or
    /// the padding leaves no output.
    #[track_caller]
    pub fn conv_transpose3d(
        &self,
        weight: &Var,
        bias: Option<&Var>,
        options: &ConvOptions<3>,
        output_padding: [usize; 3],
    ) -> Var {
        check("conv_transpose3d", self, weight, bias, options, true);
        let (s, w) = (self.shape(), weight.shape());
        let (c_out, taps) = (w[1] * options.groups, w[2]);
        let depth = transposed_extent("conv_transpose3d", self, weight, options, output_padding[0], 0);
        let images = self.transpose(1, 2).reshape(&[s[0] * s[2], s[1], s[3], s[4]]);
        let planes = weight.reshape(&[w[0], w[1] * taps, w[3], w[4]]);
        let y = images.conv_transpose2d(&planes, None, &plane(options), [output_padding[1], output_padding[2]]);
        let [rows, columns] = [y.shape()[2], y.shape()[3]];
        // (n, d, c, kd, h, w) to (n, c, d · kd, h, w), each of which belongs to one place of the padded depth.
        let parts = y.reshape(&[s[0], s[2], c_out, taps, rows, columns]).permute(&[0, 2, 1, 3, 4, 5]);
        let parts = parts.reshape(&[s[0], c_out, s[2] * taps, rows, columns]);
        let index = |i: usize| (i / taps * options.stride[0] + i % taps * options.dilation[0]) as u32;
        let [before, after] = options.padding[0];
        let y = parts.add_along(2, (0..s[2] * taps).map(index).collect(), before + depth + after);
        let y = y.slice(2, before, before + depth);
        match bias {
            Some(b) => &y + &b.reshape(&[b.numel(), 1, 1, 1]),
            None => y,
        }
    }
}

/// What all convolutions need, said with the sizes that the caller gave. `transposed`: the weight's first axis is the input's channels.
#[track_caller]
pub(super) fn check<const N: usize>(
    op: &str,
    x: &Var,
    weight: &Var,
    bias: Option<&Var>,
    options: &ConvOptions<N>,
    transposed: bool,
) {
    let (s, w, groups) = (x.shape(), weight.shape(), options.groups);
    let rank = N + 2;
    assert!(s.len() == rank && w.len() == rank, "{op}: x {s:?} and weight {w:?} need {rank} axes each");
    let whole = groups > 0 && s[1].is_multiple_of(groups) && w[0].is_multiple_of(groups);
    let fits = whole && if transposed { w[0] == s[1] } else { w[1] * groups == s[1] };
    assert!(fits, "{op}: x {s:?} and weight {w:?} do not fit {groups} groups of channels");
    assert!(
        options.stride.iter().chain(&options.dilation).all(|n| *n > 0),
        "{op}: a stride or dilation is 0: {options:?}"
    );
    let c_out = if transposed { w[1] * groups } else { w[0] };
    if let Some(b) = bias {
        assert!(b.shape() == [c_out], "{op}: a bias of {:?} for {c_out} channels", b.shape());
        let (of_x, of_b) = (x.tensor().computed_type(), b.tensor().computed_type());
        assert!(of_x == of_b, "{op}: x is {of_x}, the bias {of_b}; convert one with to_dtype");
    }
}

/// The extent of axis `i` of a transposed convolution.
#[track_caller]
pub(super) fn transposed_extent<const N: usize>(
    op: &str,
    x: &Var,
    weight: &Var,
    options: &ConvOptions<N>,
    output_padding: usize,
    i: usize,
) -> usize {
    let (n, k) = (x.shape()[2 + i], weight.shape()[2 + i]);
    let (stride, dilation, [before, after]) = (options.stride[i], options.dilation[i], options.padding[i]);
    assert!(n > 0 && k > 0, "{op}: x {:?} or weight {:?} is empty", x.shape(), weight.shape());
    assert!(
        output_padding < stride.max(dilation),
        "{op}: output padding {output_padding} is not less than stride {stride} or dilation {dilation}"
    );
    let steps = (n - 1).checked_mul(stride).zip((k - 1).checked_mul(dilation));
    let full = steps.and_then(|(a, b)| a.checked_add(b)?.checked_add(output_padding)?.checked_add(1));
    let Some(full) = full else { panic!("{op}: x {:?} under {options:?} has no size that can be counted", x.shape()) };
    match full.checked_sub(before).and_then(|rest| rest.checked_sub(after)) {
        Some(left) if left > 0 => left,
        _ => panic!("{op}: padding {before} and {after} leaves nothing of {full}"),
    }
}
