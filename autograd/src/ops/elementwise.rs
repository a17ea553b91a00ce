//! Elementwise operations. The gradient of a broadcast operand is summed back to its shape.

use crate::graph::Var;
use lethe_tensor::layout::broadcast;
use lethe_tensor::{DType, Tensor};

impl Var {
    /// Sums broadcast axes away, so that the result has `shape`.
    ///
    /// # Panics
    /// If this does not have a shape that `shape` broadcasts to.
    #[track_caller]
    pub fn sum_to(&self, shape: &[usize]) -> Var {
        if self.shape() == shape {
            return self.clone();
        }
        assert!(
            broadcast(shape, self.shape()).as_deref() == Some(self.shape()),
            "sum_to: {shape:?} does not broadcast to {:?}",
            self.shape()
        );
        let lead = self.rank() - shape.len();
        let summed = |i: &usize| *i < lead || shape[*i - lead] == 1 && self.shape()[*i] != 1;
        let axes: Vec<isize> = (0..self.rank()).filter(summed).map(|i| i as isize).collect();
        match axes.len() == lead {
            true => self.sum_axes(&axes, false), // only leading axes: the result has the shape already
            false => self.sum_axes(&axes, true).reshape(shape),
        }
    }

    /// A constant of this variable's type and shape.
    fn filled(&self, value: f64) -> Var {
        Var::constant(&Tensor::full(self.device(), self.tensor().computed_type(), self.shape(), value))
    }

    /// This cotangent where the mask is not 0, else 0.
    pub(super) fn masked(&self, mask: &Tensor) -> Var {
        Var::constant(mask).where_(self, &self.filled(0.0))
    }
}

/// `y = f(x)`, `dx = g(dy, x)`: the result is not kept.
macro_rules! unary_of_input {
    ($($(#[$doc:meta])* $name:ident: |$dy:ident, $x:ident| $dx:expr;)*) => { impl Var { $(
        $(#[$doc])*
        ///
        /// # Panics
        /// If the elements are not floats.
        #[track_caller]
        pub fn $name(&self) -> Var {
            let $x = self.clone();
            Var::record(stringify!($name), &[self], self.tensor().$name(), move |$dy| vec![Some($dx)])
        }
    )* } };
}

/// The same for derivatives of the result alone: the input is not kept.
macro_rules! unary_of_result {
    ($($(#[$doc:meta])* $name:ident: |$dy:ident, $y:ident| $dx:expr;)*) => { impl Var { $(
        $(#[$doc])*
        ///
        /// # Panics
        /// If the elements are not floats.
        #[track_caller]
        pub fn $name(&self) -> Var {
            Var::record_with_result(stringify!($name), &[self], self.tensor().$name(), move |$dy, $y| vec![Some($dx)])
        }
    )* } };
}

unary_of_input! {
    /// |x|; `dx = dy sign(x)`, 0 at 0
    abs: |dy, x| dy * &Var::constant(&x.tensor().sign());
    /// x²; `dx = 2 x dy`
    square: |dy, x| (dy * &x).mul_scalar(2.0);
    /// eˣ − 1; `dx = dy eˣ`: y + 1 would have no digits where x is far below 0
    expm1: |dy, x| dy * &x.exp();
    /// ln x; `dx = dy / x`
    log: |dy, x| dy / &x;
    /// ln(1 + x); `dx = dy / (1 + x)`
    log1p: |dy, x| dy / &x.add_scalar(1.0);
    /// 1/(1 + e⁻ˣ); `dx = dy σ(x) σ(−x)`: 1 − y would have no digits where y is near 1
    sigmoid: |dy, x| dy * &(&x.sigmoid() * &x.neg().sigmoid());
    /// tanh x; `dx = dy · 4 σ(2x) σ(−2x)`: 1 − y² would have no digits where y is near ±1
    tanh: |dy, x| (dy * &(&x.mul_scalar(2.0).sigmoid() * &x.mul_scalar(-2.0).sigmoid())).mul_scalar(4.0);
    /// sin x; `dx = dy cos x`
    sin: |dy, x| dy * &x.cos();
    /// cos x; `dx = −dy sin x`
    cos: |dy, x| (dy * &x.sin()).neg();
    /// ln(1 + eˣ); `dx = dy σ(x)`
    softplus: |dy, x| dy * &x.sigmoid();
    /// The error function; `dx = dy · 2/√π · e^(−x²)`
    erf: |dy, x| dy * &x.square().neg().exp().mul_scalar(std::f64::consts::FRAC_2_SQRT_PI);
    /// x Φ(x): the exact GELU; `dx = dy (Φ(x) + x φ(x))`
    gelu: |dy, x| dy * &x.gelu_grad();
    /// Φ(x) + x φ(x), the derivative of GELU; `dx = dy φ(x) (2 − x²)`
    gelu_grad: |dy, x| {
        let held = x.clamp(-40.0, 40.0); // beyond, the density is 0 in every float, and x² may be infinite
        let density = held.square().mul_scalar(-0.5).exp().mul_scalar(0.398_942_280_401_432_7);
        dy * &(&density * &held.square().rsub_scalar(2.0))
    };
}

unary_of_result! {
    /// eˣ; `dx = dy y`
    exp: |dy, y| dy * y;
    /// √x; `dx = dy / (2 y)`
    sqrt: |dy, y| (dy / y).mul_scalar(0.5);
    /// 1/√x; `dx = −dy y³ / 2`
    rsqrt: |dy, y| (&(&(dy * y) * y) * y).mul_scalar(-0.5);
    /// 1/x; `dx = −dy y²`
    recip: |dy, y| (&(dy * y) * y).neg();
    /// max(x, 0); `dx = dy` where y > 0
    relu: |dy, y| dy.masked(&y.tensor().gt_scalar(0.0));
}

/// `dx` of `y = f(x, c)` for a number c.
macro_rules! scalar {
    ($($(#[$doc:meta])* $name:ident: |$dy:ident, $x:ident, $c:ident| $dx:expr;)*) => { impl Var { $(
        $(#[$doc])*
        ///
        /// # Panics
        /// If the elements are not floats.
        #[track_caller]
        pub fn $name(&self, c: f64) -> Var {
            #[cfg(feature = "mutation")]
            if let Some(wrong) = crate::mutation::unary(stringify!($name), self, c) {
                return wrong;
            }
            let $x = self.clone();
            let $c = c;
            Var::record(stringify!($name), &[self], self.tensor().$name(c), move |$dy| {
                let _ = (&$x, $c);
                vec![Some($dx)]
            })
        }
    )* } };
}

scalar! {
    /// x + c; `dx = dy`
    add_scalar: |dy, x, c| dy.clone();
    /// x c; `dx = c dy`
    mul_scalar: |dy, x, c| dy.mul_scalar(c);
    /// c − x; `dx = −dy`
    rsub_scalar: |dy, x, c| dy.neg();
    /// xᶜ; `dx = dy c x^(c − 1)`, right also where the lower power alone over- or underflows
    pow_scalar: |dy, x, c| match c {
        0.0 => dy.masked(&dy.tensor().lt(dy.tensor())), // nowhere, of an infinite dy too
        _ => times_power(dy, &x, c - 1.0).mul_scalar(c),
    };
}

/// dy xᵉ, for the slope of a power. A float holds xᵉ of |e| ≤ 1. Beyond, dy is multiplied by two powers that together make it: no product lies
/// outside of what dy and the result span.
fn times_power(dy: &Var, x: &Var, e: f64) -> Var {
    if !e.is_finite() || e.abs() <= 1.0 {
        return dy * &x.pow_scalar(e);
    }
    if e > 0.0 && e.fract() != 0.0 {
        // Half of it would have an infinite slope at 0 sooner than the whole has: only where there is need.
        let e = x.filled(e);
        let first = first_of_steep(x.tensor(), e.tensor());
        let second = Var::constant(&e.tensor().sub(&first));
        return &(dy * &x.pow(&Var::constant(&first))) * &x.pow(&second);
    }
    // Whole ones of a whole one, so that the sign comes out right.
    let first = if e.fract() == 0.0 { (e / 2.0).trunc() } else { e / 2.0 };
    &(dy * &x.pow_scalar(first)) * &x.pow_scalar(e - first)
}

/// For powers aᵉ that over- or underflow, or nearly do, about half of e; whole where a is negative, so that the sign of each part is defined.
/// For others 0: aᵉ is one factor.
fn first_of_steep(a: &Tensor, e: &Tensor) -> Tensor {
    let largest = if a.computed_type() == DType::F64 { 650.0 } else { 83.0 }; // logarithms of what the type holds, with room
    let size = a.abs().log().mul(e).abs();
    let steep = size.gt_scalar(largest).mul(&size.lt_scalar(f64::INFINITY));
    let half = e.mul_scalar(0.5);
    // An even end, lest the largest integers turn the sign.
    let end = f64::from(1 << 30);
    let whole = half.clamp(-end, end).to_dtype(DType::I32).to_dtype(e.computed_type());
    steep.where_(&a.lt_scalar(0.0).where_(&whole, &half), &e.scalar_like(0.0))
}

/// `(da, db)` of `y = f(a, b)`, before they are summed to the operands' shapes. Only what is tracked is worked out.
macro_rules! binary {
    ($($(#[$doc:meta])* $name:ident: |$dy:ident, $a:ident, $b:ident| $da:expr, $db:expr;)*) => { impl Var { $(
        $(#[$doc])*
        ///
        /// # Panics
        /// If the shapes do not broadcast, or types or devices differ.
        #[track_caller]
        pub fn $name(&self, other: &Var) -> Var {
            #[cfg(feature = "mutation")]
            if let Some(wrong) = crate::mutation::binary(stringify!($name), self, other) {
                return wrong;
            }
            let ($a, $b) = (self.clone(), other.clone());
            Var::record(stringify!($name), &[self, other], self.tensor().$name(other.tensor()), move |$dy| {
                vec![
                    $a.is_tracked().then(|| ($da).sum_to($a.shape())),
                    $b.is_tracked().then(|| ($db).sum_to($b.shape())),
                ]
            })
        }
    )* } };
}

binary! {
    /// a b; `da = dy b`, `db = dy a`
    mul: |dy, a, b| dy * &b, dy * &a;
    /// a / b; `da = dy / b`, `db = −(dy / b) (a / b)`
    div: |dy, a, b| dy / &b, (&(dy / &b) * &(&a / &b)).neg();
    /// The larger of each pair; equals share dy
    maximum: |dy, a, b| share(dy, &a, &b), share(dy, &b, &a);
    /// The smaller of each pair; equals share dy
    minimum: |dy, a, b| share(dy, &b, &a), share(dy, &a, &b);
    /// aᵇ, also for negative a where b is integral and not tracked; `da = dy b a^(b − 1)` (0 at a = b = 0), `db = dy aᵇ ln a`
    /// (0 at a = 0 ≤ b)
    pow: |dy, a, b| base_slope(dy, &a, &b), exponent_slope(dy, &a, &b);
}

/// `dy b a^(b − 1)`, where 0 · 0⁻¹ is 0.
fn base_slope(dy: &Var, a: &Var, b: &Var) -> Var {
    // Where b is a constant 0, so is its power: 1/a of a subnormal a is infinite.
    let zero = b.tensor().eq_scalar(0.0);
    let zero = if b.is_tracked() { a.tensor().eq_scalar(0.0).mul(&zero) } else { zero };
    let one = Var::constant(&b.tensor().scalar_like(1.0));
    let exponent = Var::constant(&zero).where_(&one, b).add_scalar(-1.0);
    let first = Var::constant(&first_of_steep(a.tensor(), exponent.tensor()));
    let (dy, rest) = without_steep(dy, a, &exponent, &first);
    &(&dy * &a.pow(&rest)) * b // b times the power may overflow where dy is small
}

/// dy times the first part of a steep power, and the exponent that is left. Of ordinary numbers that part is 1, so that no check could notice
/// a wrong one.
fn without_steep(dy: &Var, a: &Var, exponent: &Var, first: &Var) -> (Var, Var) {
    #[cfg(feature = "mutation")]
    let _unchanged = crate::mutation::unchanged();
    (dy * &a.pow(first), exponent - first)
}

/// `dy aᵇ ln a`, where 0ᵇ ln 0 is 0 unless b is negative.
fn exponent_slope(dy: &Var, a: &Var, b: &Var) -> Var {
    let one = Var::constant(&a.tensor().scalar_like(1.0));
    let vanishes = a.tensor().eq_scalar(0.0).mul(&b.tensor().ge_scalar(0.0));
    let base = Var::constant(&vanishes).where_(&one, a);
    &(dy * &a.pow(b)) * &base.log()
}

/// dy where a > b, half of it where they are equal, else 0: selected, so that an infinite dy leaves no NaN where it does not go.
fn share(dy: &Var, a: &Var, b: &Var) -> Var {
    let (a, b) = (a.tensor(), b.tensor());
    let half = dy.mul_scalar(0.5);
    &half.masked(&a.ge(b)) + &half.masked(&a.gt(b))
}

// Sums need not keep their operands, only their shapes.
impl Var {
    /// −x; `dx = −dy`.
    ///
    /// # Panics
    /// If the elements are not floats.
    #[track_caller]
    pub fn neg(&self) -> Var {
        #[cfg(feature = "mutation")]
        if let Some(wrong) = crate::mutation::unary("neg", self, -1.0) {
            return wrong;
        }
        Var::record("neg", &[self], self.tensor().neg(), |dy| vec![Some(dy.neg())])
    }

    /// a + b; `da = db = dy`.
    ///
    /// # Panics
    /// If the shapes do not broadcast, or types or devices differ.
    #[track_caller]
    pub fn add(&self, other: &Var) -> Var {
        #[cfg(feature = "mutation")]
        if let Some(wrong) = crate::mutation::binary("add", self, other) {
            return wrong;
        }
        let (a, b) = (self.shape().to_vec(), other.shape().to_vec());
        let needs = [self.is_tracked(), other.is_tracked()];
        Var::record("add", &[self, other], self.tensor().add(other.tensor()), move |dy| {
            vec![needs[0].then(|| dy.sum_to(&a)), needs[1].then(|| dy.sum_to(&b))]
        })
    }

    /// a − b; `da = dy`, `db = −dy`.
    ///
    /// # Panics
    /// If the shapes do not broadcast, or types or devices differ.
    #[track_caller]
    pub fn sub(&self, other: &Var) -> Var {
        #[cfg(feature = "mutation")]
        if let Some(wrong) = crate::mutation::binary("sub", self, other) {
            return wrong;
        }
        let (a, b) = (self.shape().to_vec(), other.shape().to_vec());
        let needs = [self.is_tracked(), other.is_tracked()];
        Var::record("sub", &[self, other], self.tensor().sub(other.tensor()), move |dy| {
            vec![needs[0].then(|| dy.sum_to(&a)), needs[1].then(|| dy.neg().sum_to(&b))]
        })
    }

    /// `a` where this condition (`U32`, never tracked) is not 0, else `b`; each side gets dy where it was taken.
    ///
    /// # Panics
    /// If the shapes do not broadcast, types or devices differ, or the condition is not `U32`.
    #[track_caller]
    pub fn where_(&self, a: &Var, b: &Var) -> Var {
        let (cond, va, vb) = (self.tensor().clone(), a.clone(), b.clone());
        let y = self.tensor().where_(a.tensor(), b.tensor());
        Var::record("where", &[a, b], y, move |dy| {
            let zero = dy.filled(0.0);
            let cond = Var::constant(&cond);
            vec![
                va.is_tracked().then(|| cond.where_(dy, &zero).sum_to(va.shape())),
                vb.is_tracked().then(|| cond.where_(&zero, dy).sum_to(vb.shape())),
            ]
        })
    }

    /// x held within [low, high]; `dx = dy` on the closed interval, 0 outside. NaN stays NaN.
    ///
    /// # Panics
    /// If the elements are not floats, or `low` is above `high`.
    #[track_caller]
    pub fn clamp(&self, low: f64, high: f64) -> Var {
        let x = self.tensor().clone();
        let y = x.clamp(low, high);
        Var::record("clamp", &[self], y, move |dy| {
            let inside = x.ge_scalar(low).mul(&x.le_scalar(high));
            vec![Some(dy.masked(&inside))]
        })
    }
}

lethe_tensor::arithmetic_operators!(Var);
