//! Two-dimensional pooling.

use super::pool_parts;
use crate::dtype::DType;
use crate::plan::{Pool2d, PoolKind, PoolPass};
use crate::tensor::Tensor;

/// A pooling window over N axes; two are (height, width), three (depth, height, width).
///
/// # Examples
/// ```
/// use lethe_tensor::{Device, PoolOptions, Tensor};
/// let x = Tensor::new(&Device::cpu(), [[[[1.0, 5.0, 2.0, 8.0], [3.0, 4.0, 7.0, 6.0]]]]); // one image of two rows
/// let apart = PoolOptions::new(2, 2, 0); // windows of 2 × 2, side by side
/// assert_eq!(x.max_pool2d(&apart).to_vec::<f32>()?, [5.0, 8.0]);
/// let overlapping = PoolOptions { stride: [1, 1], ..apart };
/// assert_eq!(x.max_pool2d(&overlapping).to_vec::<f32>()?, [5.0, 7.0, 8.0]);
/// # Ok::<(), lethe_tensor::DeviceError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PoolOptions<const N: usize = 2> {
    /// Its size.
    pub kernel: [usize; N],
    /// Its steps.
    pub stride: [usize; N],
    /// Padding on both sides, less than the kernel, so that every window holds an element.
    pub padding: [usize; N],
}

impl<const N: usize> PoolOptions<N> {
    /// The same on all axes.
    pub fn new(kernel: usize, stride: usize, padding: usize) -> PoolOptions<N> {
        PoolOptions { kernel: [kernel; N], stride: [stride; N], padding: [padding; N] }
    }
}

impl PoolOptions<1> {
    /// The same window in images of one row.
    pub fn along_last(&self) -> PoolOptions {
        PoolOptions { kernel: [1, self.kernel[0]], stride: [1, self.stride[0]], padding: [0, self.padding[0]] }
    }
}

impl PoolOptions<3> {
    /// The window's part in height and width.
    pub fn of_planes(&self) -> PoolOptions {
        let last = |a: [usize; 3]| [a[1], a[2]];
        PoolOptions { kernel: last(self.kernel), stride: last(self.stride), padding: last(self.padding) }
    }

    /// The window's part in depth, for images whose rows are planes.
    pub fn of_depth(&self) -> PoolOptions {
        PoolOptions { kernel: [self.kernel[0], 1], stride: [self.stride[0], 1], padding: [self.padding[0], 0] }
    }
}

impl PoolOptions {
    /// The plan of a forward pass over `x` (batch, channels, h, w).
    ///
    /// # Panics
    /// If x does not have four axes, its images have no pixels, the window is larger than the padded image, a stride is 0, or the padding is not
    /// less than the kernel.
    #[track_caller]
    pub fn plan(&self, kind: PoolKind, x: &Tensor) -> Pool2d {
        let [n, c, h, w] = four("pool2d", x);
        assert!(h * w > 0 || n * c == 0, "pool2d: the images of x {:?} have no pixels", x.shape());
        let (mut output, mut stride) = ([0; 2], self.stride);
        for (i, size) in [h, w].into_iter().enumerate() {
            let (k, p) = (self.kernel[i], self.padding[i]);
            assert!(
                p < k,
                "pool2d: padding {p} is not less than the kernel {k} (axis {}): a window would hold no element of x {:?}",
                i + 2,
                x.shape()
            );
            let room = p.checked_mul(2).and_then(|pads| size.checked_add(pads)?.checked_sub(k));
            let Some(room) = room.filter(|_| self.stride[i] > 0) else {
                panic!("pool2d: {self:?} does not fit x {:?}, or a stride is 0", x.shape())
            };
            // One window takes no step, however long.
            stride[i] = self.stride[i].min(room + 1);
            output[i] = room / stride[i] + 1;
        }
        Pool2d {
            dtype: x.computed_type(),
            kind,
            pass: PoolPass::Forward,
            planes: [n, c],
            input: [h, w],
            output,
            kernel: self.kernel,
            stride,
            padding: self.padding,
        }
    }
}

#[track_caller]
fn four(op: &str, x: &Tensor) -> [usize; 4] {
    x.check_float(op);
    let &[n, c, h, w] = x.shape() else { panic!("{op}: x {:?} needs four axes (NCHW)", x.shape()) };
    [n, c, h, w]
}

impl Tensor {
    /// The largest element of each window.
    ///
    /// # Panics
    /// As [`PoolOptions::plan`].
    #[track_caller]
    pub fn max_pool2d(&self, options: &PoolOptions) -> Tensor {
        self.max_pool2d_with_indices(options).0
    }

    /// The largest element of each window, and its place `y · w + x` in its plane (`U32`; the first of equals).
    ///
    /// # Panics
    /// As [`PoolOptions::plan`].
    #[track_caller]
    pub fn max_pool2d_with_indices(&self, options: &PoolOptions) -> (Tensor, Tensor) {
        let mut out = pool_parts::run(options.plan(PoolKind::Max, self), &[&self.contiguous()]);
        let index = out.swap_remove(1);
        (out.swap_remove(0), index)
    }

    /// The mean of each window; with `count_pad` the divisor is the whole window, else the cells inside the image.
    ///
    /// # Panics
    /// As [`PoolOptions::plan`].
    #[track_caller]
    pub fn avg_pool2d(&self, options: &PoolOptions, count_pad: bool) -> Tensor {
        pool_parts::run(options.plan(PoolKind::Average { count_pad }, self), &[&self.contiguous()]).swap_remove(0)
    }

    /// The means over an even division into `output` cells; `[1, 1]` is global pooling.
    ///
    /// # Panics
    /// If x does not have four axes, or its height, its width or an extent of `output` is 0.
    #[track_caller]
    pub fn adaptive_avg_pool2d(&self, output: [usize; 2]) -> Tensor {
        if output == [1, 1] && self.numel() > 0 {
            four("adaptive_avg_pool2d", self);
            return self.mean_axes(&[2, 3], true);
        }
        pool_parts::run(adaptive_plan(self, output), &[&self.contiguous()]).swap_remove(0)
    }

    /// A pooling's input gradient, given that of its output (this tensor), the forward plan, and for max pooling the index.
    ///
    /// # Panics
    /// If this tensor or the index does not have the shape of the plan's output, a type is wrong, or an index is given to a pooling that is not a max
    /// pooling, or none to one; on the CPU, if an index is not that of a pixel. On a GPU such an index makes NaN of the pixels of its window.
    #[track_caller]
    pub fn pool2d_backward(&self, forward: &Pool2d, index: Option<&Tensor>) -> Tensor {
        let shape = [forward.planes[0], forward.planes[1], forward.output[0], forward.output[1]];
        assert!(self.shape() == shape, "pool2d_backward: dy {:?} is not {shape:?}", self.shape());
        let (own, planned) = (self.computed_type(), forward.dtype);
        assert!(own == planned, "pool2d_backward: dy is {own}, the plan {planned}; convert it with to_dtype");
        let (maxima, given) = (forward.kind == PoolKind::Max, index.is_some());
        assert!(
            maxima == given,
            "pool2d_backward: max pooling, and it alone, needs its index; the plan is {:?}",
            forward.kind
        );
        let plan = Pool2d { pass: PoolPass::Backward, ..forward.clone() };
        let mut inputs = vec![self.contiguous()];
        // No closure: it would not know the line of calling code.
        if let Some(index) = index {
            inputs.push(checked_places(self, index, forward.input));
        }
        let inputs: Vec<&Tensor> = inputs.iter().collect();
        pool_parts::run(plan, &inputs).swap_remove(0)
    }
}

/// A contiguous index of max pooling that fits its dy, and (on the CPU, where looking costs nothing) names pixels alone.
#[track_caller]
fn checked_places(dy: &Tensor, index: &Tensor, [h, w]: [usize; 2]) -> Tensor {
    assert!(index.dtype() == DType::U32, "pool2d_backward: an index is u32, this one is {}", index.dtype());
    assert!(index.shape() == dy.shape(), "pool2d_backward: dy {:?}, index {:?}", dy.shape(), index.shape());
    let (here, there) = (dy.device(), index.device());
    assert!(there.same(here), "pool2d_backward: dy on {here:?}, the index on {there:?}; move one with to_device");
    let index = index.contiguous();
    if let Some(found) = index.first_not_below(h * w, false) {
        panic!("pool2d_backward: the index {found} names no pixel of planes of {h}×{w}; it is y · {w} + x");
    }
    index
}

/// The plan of adaptive average pooling.
///
/// # Panics
/// If x does not have four axes, or its height, its width or an extent of `output` is 0.
#[track_caller]
pub fn adaptive_plan(x: &Tensor, output: [usize; 2]) -> Pool2d {
    let [n, c, h, w] = four("adaptive_avg_pool2d", x);
    assert!(output[0] > 0 && output[1] > 0 && h > 0 && w > 0, "adaptive_avg_pool2d: from {h}×{w} to {output:?} cells");
    Pool2d {
        dtype: x.computed_type(),
        kind: PoolKind::Adaptive,
        pass: PoolPass::Forward,
        planes: [n, c],
        input: [h, w],
        output,
        kernel: [1; 2],
        stride: [1; 2],
        padding: [0; 2],
    }
}
