//! Matrix products of any views.

use crate::layout::{Layout, broadcast, numel};
use crate::plan::{Matmul, MatrixStrides};
use crate::run::execute_one;
use crate::tensor::Tensor;

/// The strides of a matrix operand broadcast to `batch`, or `None` where kernels need a copy first.
fn strides(layout: &Layout, batch: &[usize]) -> Option<MatrixStrides> {
    let rank = layout.shape.len();
    let full: Vec<usize> = batch.iter().chain(&layout.shape[rank - 2..]).copied().collect();
    let l = layout.expand(&full)?;
    let all: Vec<usize> = l
        .shape
        .iter()
        .zip(&l.strides)
        .map(|(&n, &s)| if n == 1 { Some(0) } else { usize::try_from(s).ok() })
        .collect::<Option<_>>()?;
    let (b, [row, col]) = all.split_at(batch.len()) else { unreachable!("two axes are left") };
    let [rows, cols] = [layout.shape[rank - 2], layout.shape[rank - 1]];
    // An axis of one element may have any stride: the one that makes the matrix row-major.
    let (row, col) = match (rows, cols) {
        (1, 1) => (1, 1),
        (_, 1) if *row == 1 => (1, rows),
        (_, 1) => (*row, 1),
        (1, _) if *col == 1 => (cols, 1),
        (1, _) => (1, *col),
        _ => (*row, *col),
    };
    let fits = (col == 1 && row >= cols) || (row == 1 && col >= rows);
    fits.then(|| MatrixStrides { row, col, batch: b.to_vec() })
}

/// Joins neighbouring batch axes wherever both operands allow it, and drops those of one item.
fn merge_batch(batch: &mut Vec<usize>, a: &mut MatrixStrides, b: &mut MatrixStrides) {
    let mut axis = 0;
    while axis < batch.len() {
        let n = batch[axis];
        let joins = |s: &MatrixStrides| s.batch[axis - 1] == s.batch[axis] * n;
        if n == 1 || axis > 0 && joins(a) && joins(b) {
            if n > 1 {
                batch[axis - 1] *= n;
                a.batch[axis - 1] = a.batch[axis];
                b.batch[axis - 1] = b.batch[axis];
            }
            batch.remove(axis);
            a.batch.remove(axis);
            b.batch.remove(axis);
        } else {
            axis += 1;
        }
    }
}

impl Tensor {
    /// The product of the last two axes, `[…, m, k] · […, k, n]`; axes before them broadcast. Transposed views cost no copy.
    ///
    /// # Panics
    /// If an operand has fewer than two axes, the contracted extents differ, batch axes do not broadcast, or types or devices differ.
    #[track_caller]
    pub fn matmul(&self, other: &Tensor) -> Tensor {
        self.matmul_bias(other, None)
    }

    /// `x Wᵀ + b`: x […, in], weight [out, in], bias `[out]`.
    ///
    /// # Panics
    /// If x has no axis, the weight does not have two, their last axes differ in extent, the bias's shape is not `[out]`, or types or devices differ.
    #[track_caller]
    pub fn linear(&self, weight: &Tensor, bias: Option<&Tensor>) -> Tensor {
        assert!(
            weight.rank() == 2 && self.rank() > 0 && self.shape().last() == weight.shape().last(),
            "linear: x {:?} does not fit a weight (out, in) of {:?}",
            self.shape(),
            weight.shape()
        );
        if self.rank() == 1 {
            return self.unsqueeze(0).matmul_bias(&weight.t(), bias).squeeze(0);
        }
        self.matmul_bias(&weight.t(), bias)
    }

    #[track_caller]
    fn matmul_bias(&self, other: &Tensor, bias: Option<&Tensor>) -> Tensor {
        self.check_float("matmul");
        self.same_type("matmul", other);
        let (x, y) = (self.shape(), other.shape());
        assert!(x.len() >= 2 && y.len() >= 2, "matmul: shapes {x:?} and {y:?}; each operand needs two axes");
        let ([m, k], [k2, n]) = ([x[x.len() - 2], x[x.len() - 1]], [y[y.len() - 2], y[y.len() - 1]]);
        assert!(k == k2, "matmul: shapes {x:?} and {y:?}; {k} columns meet {k2} rows");
        let Some(mut batch) = broadcast(&x[..x.len() - 2], &y[..y.len() - 2]) else {
            panic!("matmul: the batch axes of {x:?} and {y:?} do not broadcast")
        };
        if let Some(b) = bias {
            self.same_type("linear", b);
            assert!(b.shape() == [n], "linear: the bias has shape {:?}, not [{n}]", b.shape());
        }
        let shape: Vec<usize> = batch.iter().copied().chain([m, n]).collect();
        if k == 0 || numel(&shape) == 0 {
            let zeros = Tensor::zeros(self.device(), self.computed_type(), &shape);
            return bias.map_or(zeros.clone(), |b| zeros.add(b));
        }
        // Widened before their strides are read.
        let [a, b] = [self, other].map(|t| t.to_dtype(t.computed_type()));
        let (a, mut sa) = operand(&a, &batch);
        let (b, mut sb) = operand(&b, &batch);
        let mut m = m;
        merge_batch(&mut batch, &mut sa, &mut sb);
        // One B for every item: the items' rows are rows of one taller A.
        if let ([items], [0], [step]) = (&batch[..], &sb.batch[..], &sa.batch[..])
            && sa.col == 1
            && *step == m * sa.row
        {
            m *= items;
            batch.clear();
            sa.batch.clear();
            sb.batch.clear();
        }
        self.device().check_room("matmul", self.computed_type(), &shape);
        if let Some(cut) = too_large(self, [numel(&batch), m, n, k], sa.col != 1) {
            return self.matmul_parts(other, bias, cut);
        }
        let plan = Matmul { dtype: self.computed_type(), batch, m, n, k, a: sa, b: sb, bias: bias.is_some(), shape };
        match bias {
            Some(bias) => execute_one(plan, &[&a, &b, &bias.contiguous()]),
            None => execute_one(plan, &[&a, &b]),
        }
    }

    /// The product in two parts, for a device of which no kernel sees enough of an operand at once.
    #[track_caller]
    fn matmul_parts(&self, other: &Tensor, bias: Option<&Tensor>, cut: Cut) -> Tensor {
        let halves = |n: usize| [(0, n.div_ceil(2)), (n.div_ceil(2), n)];
        match cut {
            Cut::Columns => {
                let parts = halves(other.shape()[other.rank() - 1])
                    .map(|(a, b)| self.matmul_bias(&other.slice(-1, a, b), bias.map(|v| v.slice(0, a, b)).as_ref()));
                Tensor::concat(&[&parts[0], &parts[1]], -1)
            }
            Cut::Rows => {
                let parts =
                    halves(self.shape()[self.rank() - 2]).map(|(a, b)| self.slice(-2, a, b).matmul_bias(other, bias));
                Tensor::concat(&[&parts[0], &parts[1]], -2)
            }
            Cut::Depth => {
                let [first, second] = halves(self.shape()[self.rank() - 1]);
                let part = |(a, b), bias| self.slice(-1, a, b).matmul_bias(&other.slice(-2, a, b), bias);
                part(first, bias).add(&part(second, None))
            }
            Cut::Items => {
                let lead = |t: &Tensor| t.shape()[..t.rank() - 2].to_vec();
                let batch = broadcast(&lead(self), &lead(other)).expect("checked before");
                let axis = batch.iter().position(|n| *n > 1).expect("there are several items") as isize;
                let full = |t: &Tensor| t.expand(&[&batch[..], &t.shape()[t.rank() - 2..]].concat());
                let (x, y) = (full(self), full(other));
                let parts = halves(batch[axis as usize])
                    .map(|(a, b)| x.slice(axis, a, b).matmul_bias(&y.slice(axis, a, b), bias));
                Tensor::concat(&[&parts[0], &parts[1]], axis)
            }
        }
    }
}

/// What a product is cut along.
enum Cut {
    Items,
    Rows,
    Columns,
    Depth,
}

/// How products must be cut whose rows (or whose matrices, of several) are so long that a kernel does not see 64 of them, the fewest that
/// parts may hold that start where a binding may. The rows of a `transposed` x are its columns.
fn too_large(x: &Tensor, [items, m, n, k]: [usize; 4], transposed: bool) -> Option<Cut> {
    const PARTS: usize = 64;
    let most = x.device().most_elements();
    let largest = (m * n).max(m * k).max(n * k);
    if items.saturating_mul(largest) <= most {
        return None;
    }
    match () {
        () if items > 1 && PARTS * largest > most => Some(Cut::Items),
        () if transposed && m > 1 && PARTS * m > most => Some(Cut::Rows),
        () if n > 1 && PARTS * n > most => Some(Cut::Columns),
        () if k > 1 && PARTS * k > most => Some(Cut::Depth),
        () => None,
    }
}

/// An operand that kernels can read in place, and its strides.
fn operand(t: &Tensor, batch: &[usize]) -> (Tensor, MatrixStrides) {
    match strides(t.layout(), batch) {
        Some(s) => (t.clone(), s),
        None => {
            let t = t.contiguous();
            let s = strides(t.layout(), batch).expect("a row-major matrix");
            (t, s)
        }
    }
}
