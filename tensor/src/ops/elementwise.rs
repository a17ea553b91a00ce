//! Elementwise arithmetic: every method adds nodes to a lazy expression; chains become one kernel.

use crate::device::Device;
use crate::dtype::DType;
use crate::expr::{BinaryOp, Expr, Node, UnaryOp};
use crate::functions::unary_functions;
use crate::layout::broadcast;
use crate::tensor::{Pending, Tensor};

/// A kernel binds at most eight buffers, one of them the output, one perhaps the strides.
const MAX_LEAVES: usize = 6;
/// A kernel's parameters are sixteen words, two of which say which elements. Values that change from step to step must find room there, or
/// every step would bring kernels of its own.
const MAX_PARAMETERS: usize = 14;
/// Longer chains are cut: the registers of a block and the compile time of a shader are finite.
const MAX_NODES: usize = 40;

/// `build` over `inputs`, broadcast to their common shape; the result is unevaluated. `boolean`: the result is 0 or 1, as `U32`.
#[track_caller]
fn lazy(
    op: &str,
    inputs: &[&Tensor],
    compute: DType,
    boolean: bool,
    build: impl Fn(&mut Expr, &[usize]) -> usize,
) -> Tensor {
    let device = inputs[0].device();
    let mut shape = inputs[0].shape().to_vec();
    for t in &inputs[1..] {
        assert!(t.device().same(device), "{op}: operands on {device:?} and {:?}; move one with to_device", t.device());
        let Some(both) = broadcast(&shape, t.shape()) else {
            panic!("{op}: shapes {shape:?} and {:?} do not broadcast", t.shape())
        };
        shape = both;
    }
    let dtype = if boolean { DType::U32 } else { compute };
    let mut inlined: Vec<bool> = inputs.iter().map(|t| inlines(t, &shape, compute)).collect();
    loop {
        let (expr, leaves) = assemble(inputs, &inlined, &shape, compute, &build);
        let fits =
            leaves.len() <= MAX_LEAVES && expr.nodes.len() <= MAX_NODES && expr.parameter_words() <= MAX_PARAMETERS;
        if fits || !inlined.contains(&true) {
            return Tensor::pending(device, dtype, &shape, Pending::Elementwise { expr, leaves });
        }
        // Too large: operands are evaluated, the first one first.
        let first = inlined.iter().position(|i| *i).expect("one is inlined");
        inlined[first] = false;
    }
}

/// Whether an operand's own expression can become part of a larger one.
fn inlines(t: &Tensor, shape: &[usize], compute: DType) -> bool {
    match t.unevaluated() {
        Some(Pending::Elementwise { expr, .. }) => {
            let exact = t.dtype() == compute || t.dtype() == DType::U32 && !compute.is_float() || is_boolean(&expr);
            t.shape() == shape && expr.compute == compute && exact
        }
        _ => false,
    }
}

/// Whether an expression's result is 0 or 1 in any type.
fn is_boolean(expr: &Expr) -> bool {
    match expr.nodes.last() {
        Some(Node::Binary(op, ..)) => op.is_comparison(),
        Some(Node::Unary(op, _)) => *op == UnaryOp::Not,
        _ => false,
    }
}

fn assemble(
    inputs: &[&Tensor],
    inlined: &[bool],
    shape: &[usize],
    compute: DType,
    build: &impl Fn(&mut Expr, &[usize]) -> usize,
) -> (Expr, Vec<Tensor>) {
    let mut expr = Expr { nodes: vec![], compute };
    let mut leaves: Vec<Tensor> = vec![];
    let operands: Vec<usize> = inputs
        .iter()
        .zip(inlined)
        .map(|(t, inlined)| match t.unevaluated() {
            Some(Pending::Elementwise { expr: inner, leaves: theirs }) if *inlined => {
                let map: Vec<usize> = theirs.iter().map(|l| leaf(&mut leaves, l.clone())).collect();
                expr.append(&inner, &map)
            }
            _ => {
                // The CPU's programs compute with whole words; generated kernels read halves themselves.
                let t = &if t.device().is_cpu() { t.to_dtype(t.computed_type()) } else { (*t).clone() };
                let layout = t.force().layout().expand(shape).expect("shapes were checked");
                let i = leaf(&mut leaves, if layout == *t.layout() { t.clone() } else { t.with_layout(layout) });
                expr.push(Node::Input(i))
            }
        })
        .collect();
    let root = build(&mut expr, &operands);
    (expr.rooted(root), leaves)
}

/// The number of a leaf; one that is there already is used again.
fn leaf(leaves: &mut Vec<Tensor>, t: Tensor) -> usize {
    leaves.iter().position(|l| l.same_view(&t)).unwrap_or_else(|| {
        leaves.push(t);
        leaves.len() - 1
    })
}

macro_rules! methods {
    ($($(#[$doc:meta])* $Op:ident $(as $method:ident)?, exact |$x:ident| $exact:expr, simd |$s:ident, $v:ident| $simd:expr,
       wgsl |$a:ident, $ty:ident| $wgsl:expr, needs $flag:literal;)*) => { impl Tensor {
        $(methods! { @method $Op [$($method)?] $(#[$doc])* })*
    } };
    (@method $Op:ident [] $(#[$doc:meta])*) => {};
    (@method $Op:ident [$method:ident] $(#[$doc:meta])*) => {
        $(#[$doc])*
        ///
        /// # Panics
        /// If the tensor is not of floats.
        #[track_caller]
        pub fn $method(&self) -> Tensor {
            self.check_float(stringify!($method));
            lazy(stringify!($method), &[self], self.computed_type(), false, |e, x| e.push(Node::Unary(UnaryOp::$Op, x[0])))
        }
    };
}
unary_functions!(methods);

macro_rules! binary {
    ($($(#[$doc:meta])* $name:ident $op:ident $boolean:literal;)*) => { $(
        $(#[$doc])*
        ///
        /// # Panics
        /// If the types or devices differ, or the shapes do not broadcast.
        #[track_caller]
        pub fn $name(&self, other: &Tensor) -> Tensor {
            self.takes(stringify!($name), BinaryOp::$op);
            self.same_type(stringify!($name), other);
            lazy(stringify!($name), &[self, other], self.computed_type(), $boolean, |e, x| {
                e.push(Node::Binary(BinaryOp::$op, x[0], x[1]))
            })
        }
    )* };
}

macro_rules! scalar {
    ($($(#[$doc:meta])* $name:ident |$x:ident, $c:ident| $op:ident($a:ident, $b:ident) $boolean:literal;)*) => { $(
        $(#[$doc])*
        ///
        /// # Panics
        /// If the elements are integers, and c is none that their type can hold. In sums, differences and products a negative c is one: they wrap.
        #[track_caller]
        pub fn $name(&self, c: f64) -> Tensor {
            self.holds(stringify!($name), BinaryOp::$op, c);
            lazy(stringify!($name), &[self], self.computed_type(), $boolean, |e, operands| {
                let ($x, $c) = (operands[0], e.push(Node::Const(c)));
                e.push(Node::Binary(BinaryOp::$op, $a, $b))
            })
        }
    )* };
}

impl Tensor {
    binary! {
        /// a + b
        add Add false;
        /// a − b
        sub Sub false;
        /// a b
        mul Mul false;
        /// a / b
        div Div false;
        /// The larger of each pair
        maximum Max false;
        /// The smaller of each pair
        minimum Min false;
        /// aᵇ, of floats alone
        pow Pow false;
        /// a = b, as 0 or 1 (`U32`)
        eq Eq true;
        /// a ≠ b, as 0 or 1
        ne Ne true;
        /// a < b, as 0 or 1
        lt Lt true;
        /// a ≤ b, as 0 or 1
        le Le true;
    }

    scalar! {
        /// x + c
        add_scalar |x, c| Add(x, c) false;
        /// x − c
        sub_scalar |x, c| Sub(x, c) false;
        /// x c
        mul_scalar |x, c| Mul(x, c) false;
        /// c − x
        rsub_scalar |x, c| Sub(c, x) false;
        /// x / c
        div_scalar |x, c| Div(x, c) false;
        /// c / x
        rdiv_scalar |x, c| Div(c, x) false;
        /// xᶜ, of floats alone
        pow_scalar |x, c| Pow(x, c) false;
        /// max(x, c)
        clamp_min |x, c| Max(x, c) false;
        /// min(x, c)
        clamp_max |x, c| Min(x, c) false;
        /// x = c, as 0 or 1 (`U32`)
        eq_scalar |x, c| Eq(x, c) true;
        /// x < c, as 0 or 1
        lt_scalar |x, c| Lt(x, c) true;
        /// x ≤ c, as 0 or 1
        le_scalar |x, c| Le(x, c) true;
        /// x > c, as 0 or 1
        gt_scalar |x, c| Lt(c, x) true;
        /// x ≥ c, as 0 or 1
        ge_scalar |x, c| Le(c, x) true;
    }

    /// a > b, as 0 or 1 (`U32`).
    ///
    /// # Panics
    /// If the types or devices differ, or the shapes do not broadcast.
    #[track_caller]
    pub fn gt(&self, other: &Tensor) -> Tensor {
        other.lt(self)
    }

    /// a ≥ b, as 0 or 1 (`U32`).
    ///
    /// # Panics
    /// If the types or devices differ, or the shapes do not broadcast.
    #[track_caller]
    pub fn ge(&self, other: &Tensor) -> Tensor {
        other.le(self)
    }

    /// x held within [low, high]. NaN stays NaN.
    ///
    /// # Panics
    /// If the tensor is not of floats, or `low` above `high`.
    #[track_caller]
    pub fn clamp(&self, low: f64, high: f64) -> Tensor {
        self.check_float("clamp");
        assert!(low <= high, "clamp: the least value {low} is above the largest {high}");
        self.clamp_min(low).clamp_max(high)
    }

    /// 1 where a boolean is 0, else 0.
    ///
    /// # Panics
    /// If the tensor is not `U32`.
    #[track_caller]
    pub fn logical_not(&self) -> Tensor {
        assert!(self.dtype() == DType::U32, "logical_not: booleans are u32, this tensor is {}", self.dtype());
        lazy("logical_not", &[self], DType::U32, false, |e, x| e.push(Node::Unary(UnaryOp::Not, x[0])))
    }

    /// `a` where this condition (`U32`) is not 0, else `b`. A NaN on the side not taken does no harm.
    ///
    /// # Panics
    /// If the types or devices differ, the shapes do not broadcast, or the condition is not `U32`.
    #[track_caller]
    pub fn where_(&self, a: &Tensor, b: &Tensor) -> Tensor {
        assert!(self.dtype() == DType::U32, "where: a condition is u32, this one is {}", self.dtype());
        a.same_type("where", b);
        lazy("where", &[self, a, b], a.computed_type(), false, |e, x| e.push(Node::Select(x[0], x[1], x[2])))
    }

    /// Refuses elements that an operation does not take: powers of integers would be those of floats, cut off.
    #[track_caller]
    fn takes(&self, name: &str, op: BinaryOp) {
        if op == BinaryOp::Pow {
            self.check_float(name);
        }
    }

    /// Refuses a number that the elements' type cannot hold: 0.5 would become 0 without a word.
    #[track_caller]
    fn holds(&self, name: &str, op: BinaryOp, c: f64) {
        self.takes(name, op);
        let dtype = self.computed_type();
        let wraps = matches!(op, BinaryOp::Add | BinaryOp::Sub | BinaryOp::Mul);
        let is_residue = DType::I32.holds(c) || DType::U32.holds(c);
        assert!(
            dtype.holds(c) || wraps && is_residue,
            "{name}: {c} is not a number of type {dtype}, which the elements have; convert them with to_dtype"
        );
    }

    /// Refuses elements that are not floats.
    ///
    /// # Panics
    /// If they are not; the message begins with `op`.
    #[track_caller]
    pub fn check_float(&self, op: &str) {
        assert!(self.computed_type().is_float(), "{op}: needs floats, the tensor is {}; use to_dtype", self.dtype());
    }

    /// The type in which this tensor is computed with, and of the results: f32 for 16-bit floats, which are for storage, else its own.
    pub fn computed_type(&self) -> DType {
        self.dtype().computed_as()
    }

    #[track_caller]
    pub(crate) fn same_type(&self, op: &str, other: &Tensor) {
        assert!(
            self.computed_type() == other.computed_type(),
            "{op}: operands are {} and {}; convert one with to_dtype",
            self.dtype(),
            other.dtype()
        );
        let (here, there) = (self.device(), other.device());
        assert!(there.same(here), "{op}: operands on {here:?} and {there:?}; move one with to_device");
    }

    /// A scalar (rank 0) of the type that this tensor is computed in, on its device.
    ///
    /// # Panics
    /// If that type cannot hold the value.
    #[track_caller]
    pub fn scalar_like(&self, value: f64) -> Tensor {
        Tensor::full(self.device(), self.computed_type(), &[], value)
    }
}

/// Moves a tensor to another device.
impl Tensor {
    /// The same elements on another device, through host memory unless it is there already.
    ///
    /// # Errors
    /// If the device that it comes from failed since the last read.
    pub fn to_device(&self, device: &Device) -> Result<Tensor, crate::DeviceError> {
        if self.device().same(device) {
            return Ok(self.clone());
        }
        macro_rules! through {
            ($t:ty) => {
                Tensor::from_slice(device, &self.to_vec::<$t>()?, self.shape())
            };
        }
        Ok(match self.dtype() {
            DType::F32 => through!(f32),
            DType::F64 => through!(f64),
            DType::I32 => through!(i32),
            DType::U32 => through!(u32),
            DType::F16 => through!(half::f16),
            DType::BF16 => through!(half::bf16),
        })
    }
}
