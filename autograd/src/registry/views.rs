//! The views under which a case's inputs are seen: the same on every device and in every type, and as the code that makes them.

use lethe_tensor::Tensor;

/// How an input is seen.
#[derive(Clone, Debug)]
pub(super) enum View {
    /// As it is.
    Whole,
    /// The result of an expression that is not computed yet.
    Unevaluated,
    /// Axes in another order.
    Permuted(Vec<usize>),
    /// A part of an axis, every k-th element: an offset, and memory between the elements.
    Sliced { axis: usize, start: usize, end: usize, step: usize },
    /// An axis from its end: a negative stride.
    Flipped(usize),
    /// Column-major.
    Turned,
    /// Elements that share memory: strides of 0.
    Expanded(Vec<usize>),
}

impl View {
    /// The view of a tensor of the shape that it was drawn for.
    pub(super) fn of(&self, base: &Tensor) -> Tensor {
        match self {
            View::Whole => base.clone(),
            View::Unevaluated => base.add_scalar(0.0),
            View::Permuted(order) => base.permute(order),
            View::Sliced { axis, start, end, step } => base.slice_step(*axis as isize, *start, *end, *step),
            View::Flipped(axis) => base.flip(&[*axis as isize]),
            View::Turned => base.transpose(0, -1).contiguous().transpose(0, -1),
            View::Expanded(shape) => base.expand(shape),
        }
    }

    /// The same as the calls that make it.
    pub(super) fn code(&self) -> String {
        match self {
            View::Whole => String::new(),
            View::Unevaluated => ".add_scalar(0.0)".into(),
            View::Permuted(order) => format!(".permute(&{order:?})"),
            View::Sliced { axis, start, end, step } => format!(".slice_step({axis}, {start}, {end}, {step})"),
            View::Flipped(axis) => format!(".flip(&[{axis}])"),
            View::Turned => ".transpose(0, -1).contiguous().transpose(0, -1)".into(),
            View::Expanded(shape) => format!(".expand(&{shape:?})"),
        }
    }
}
