//! Sorting along an axis: by comparisons on the CPU, by a sorting network of elementwise operations on a GPU.

use super::axis;
use crate::cpu;
use crate::dtype::{DType, Element};
use crate::plan::{Custom, Spec};
use crate::run::execute_one;
use crate::tensor::Tensor;
use rayon::prelude::*;
use std::cmp::Ordering;
use std::sync::Arc;

impl Tensor {
    /// The elements along an axis in ascending (or `descending`) order, and the positions (`U32`) that they had. Equal elements keep their
    /// order; NaN comes last in both orders.
    ///
    /// # Panics
    /// If the axis does not exist or has 2²⁹ elements or more.
    #[track_caller]
    pub fn sort(&self, dim: isize, descending: bool) -> (Tensor, Tensor) {
        let order = self.argsort(dim, descending);
        (self.gather(dim, &order), order)
    }

    /// The positions (`U32`) of the elements along an axis in ascending (or `descending`) order. Equal elements keep their order; NaN comes
    /// last in both orders.
    ///
    /// # Panics
    /// As [`Tensor::sort`].
    #[track_caller]
    pub fn argsort(&self, dim: isize, descending: bool) -> Tensor {
        let d = axis("argsort", dim, self.rank());
        let n = self.shape()[d];
        assert!(n < 1 << 29, "argsort: axis {d} of {:?} has 2^29 elements or more", self.shape());
        let lines = self.transpose(dim, -1);
        let rows = lines.numel() / n.max(1);
        let wide = lines.to_dtype(self.computed_type()).contiguous().reshape(&[rows, n]);
        let order =
            if self.device().is_cpu() { by_comparisons(&wide, descending) } else { by_network(&wide, descending) };
        order.reshape(lines.shape()).transpose(dim, -1)
    }
}

/// The order of each row of a contiguous (rows, n), on the CPU.
fn by_comparisons(lines: &Tensor, descending: bool) -> Tensor {
    let n = lines.shape()[1];
    let run = move |inputs: &[cpu::Input<'_>], outputs: &mut [cpu::Output<'_>]| match inputs[0].dtype {
        DType::F64 => sort_rows::<f64>(n, descending, inputs, outputs),
        DType::I32 => sort_rows::<i32>(n, descending, inputs, outputs),
        DType::U32 => sort_rows::<u32>(n, descending, inputs, outputs),
        _ => sort_rows::<f32>(n, descending, inputs, outputs),
    };
    let plan = Custom {
        name: "argsort",
        outputs: vec![Spec::new(lines.shape(), DType::U32)],
        flops: 0,
        bytes: 8 * lines.numel() as u64,
        cpu: Arc::new(run),
        gpu: None,
    };
    execute_one(plan, &[lines])
}

fn sort_rows<T: Element + PartialOrd>(
    n: usize,
    descending: bool,
    inputs: &[cpu::Input<'_>],
    outputs: &mut [cpu::Output<'_>],
) {
    if n == 0 {
        return;
    }
    let rows = inputs[0].values::<T>().par_chunks(n);
    outputs[0].values::<u32>().par_chunks_mut(n).zip(rows).for_each(|(order, row)| {
        order.iter_mut().zip(0..).for_each(|(place, i)| *place = i);
        order.sort_by(|a, b| compare(&row[*a as usize], &row[*b as usize], descending));
    });
}

/// Which of two comes first; whatever is not equal to itself comes last.
#[allow(clippy::eq_op)]
fn compare<T: PartialOrd>(a: &T, b: &T, descending: bool) -> Ordering {
    match a.partial_cmp(b) {
        Some(order) => {
            if descending {
                order.reverse()
            } else {
                order
            }
        }
        None => (a != a).cmp(&(b != b)),
    }
}

/// The order of each row of (rows, n), by Batcher's bitonic network: log₂² n / 2 stages, in each of which every element meets one other.
fn by_network(lines: &Tensor, descending: bool) -> Tensor {
    let &[rows, n] = lines.shape() else { unreachable!("rows of lines") };
    let (mut keys, mut places) = keys_and_places(lines, descending);
    let width = keys.shape()[1];
    let mut block = 2;
    while block <= width {
        // The two halves of a block are sorted: the second one, reversed, makes one bitonic sequence of it, which the rest sorts.
        let halves = |t: &Tensor| {
            let t = t.reshape(&[rows, width / block, 2, block / 2]);
            (t.slice(2, 0, 1), t.slice(2, 1, 2).flip(&[-1]))
        };
        let ((low, high), (low_place, high_place)) = exchange(halves(&keys), halves(&places));
        let join = |a: &Tensor, b: &Tensor| Tensor::concat(&[a, &b.flip(&[-1])], 2).reshape(&[rows, width]);
        (keys, places) = (join(&low, &high), join(&low_place, &high_place));
        let mut distance = block / 4;
        while distance > 0 {
            let halves = |t: &Tensor| {
                let t = t.reshape(&[rows, width / (2 * distance), 2, distance]);
                (t.slice(2, 0, 1), t.slice(2, 1, 2))
            };
            let ((low, high), (low_place, high_place)) = exchange(halves(&keys), halves(&places));
            let join = |a: &Tensor, b: &Tensor| Tensor::concat(&[a, b], 2).reshape(&[rows, width]);
            (keys, places) = (join(&low, &high), join(&low_place, &high_place));
            distance /= 2;
        }
        block *= 2;
    }
    // NaN comes after all numbers by a place that is larger by the width.
    let places = places.slice(1, 0, n);
    let is_nan = places.ge_scalar(width as f64);
    is_nan.where_(&places.sub_scalar(width as f64), &places).force().clone()
}

/// What the network compares: keys in ascending order and, among equal ones, places. Rows are filled up to a power of two.
fn keys_and_places(lines: &Tensor, descending: bool) -> (Tensor, Tensor) {
    let &[rows, n] = lines.shape() else { unreachable!("rows of lines") };
    let width = n.next_power_of_two();
    let (device, dtype) = (lines.device(), lines.dtype());
    let number = |x: f64| Tensor::full(device, dtype, &[], x);
    let reversed = match dtype {
        DType::U32 => lines.rsub_scalar(f64::from(u32::MAX)),
        DType::I32 => lines.rsub_scalar(-1.0),
        _ => lines.neg(),
    };
    let keys = if descending { reversed } else { lines.clone() };
    let largest = match dtype {
        DType::U32 => f64::from(u32::MAX),
        DType::I32 => f64::from(i32::MAX),
        _ => f64::INFINITY,
    };
    let own = Tensor::arange(device, width).expand(&[rows, width]);
    let (keys, places) = if dtype.is_float() {
        let is_nan = keys.ne(&keys);
        let behind = own.slice(1, 0, n).add_scalar(width as f64);
        let places = is_nan.where_(&behind, &own.slice(1, 0, n));
        (is_nan.where_(&number(largest), &keys), places)
    } else {
        (keys, own.slice(1, 0, n))
    };
    if width == n {
        return (keys, places);
    }
    let filling = Tensor::full(device, dtype, &[rows, width - n], largest);
    let last = own.slice(1, n, width).add_scalar(2.0 * width as f64);
    (Tensor::concat(&[&keys, &filling], 1), Tensor::concat(&[&places, &last], 1))
}

/// Two halves of keys and of places, exchanged element by element where the second comes before the first.
fn exchange((a, b): (Tensor, Tensor), (i, j): (Tensor, Tensor)) -> ((Tensor, Tensor), (Tensor, Tensor)) {
    let swap = a.gt(&b).add(&a.eq(&b).mul(&i.gt(&j)));
    let of = |x: &Tensor, y: &Tensor| (swap.where_(y, x), swap.where_(x, y));
    (of(&a, &b), of(&i, &j))
}
