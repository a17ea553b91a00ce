//! The public methods of `Tensor`, a file per family. Each checks shapes, types and devices once, and builds a plan or an expression.

pub(crate) mod array;
pub mod attention;
mod attention_mask;
mod attention_parts;
pub mod conv;
mod conv_parts;
mod create;
mod elementwise;
mod index;
pub(crate) mod indexing;
mod join;
mod long;
mod loss;
mod matmul;
pub mod norm;
mod operators;
pub mod pool;
mod pool_parts;
mod reduce;
mod sample;
mod slabs;
mod softmax;
mod sort;
pub mod view;

/// The number of an axis that may be counted from the end.
///
/// # Panics
/// If there is no such axis.
#[track_caller]
pub(crate) fn axis(op: &str, axis: isize, rank: usize) -> usize {
    let number = if axis < 0 { axis + rank as isize } else { axis };
    assert!((0..rank as isize).contains(&number), "{op}: there is no axis {axis} in a tensor of rank {rank}");
    number as usize
}

/// Elements before, along and after an axis.
pub(crate) fn around(shape: &[usize], axis: usize) -> [usize; 3] {
    [shape[..axis].iter().product(), shape[axis], shape[axis + 1..].iter().product()]
}

#[track_caller]
pub(crate) fn create_check(t: &crate::Tensor, dtype: crate::DType) {
    create::check_type(t.device(), dtype);
}
