//! What a formula computes with. A formula is written once, over any [`Numeric`]: with the lanes of a vector it is a loop of the CPU, with doubles
//! the reference, and with [`Term`]s it is the text of a GPU's kernel.

use crate::dtype::DType;
use crate::expr::{BinaryOp, Expr, Node, UnaryOp};
use std::cell::RefCell;
use std::ops::{Add, Div, Mul, Neg, Sub};

/// A number at each element of a vector. It supports the four operations with another one and with a plain number on the right.
pub trait Numeric:
    Copy
    + Neg<Output = Self>
    + Add<Output = Self>
    + Sub<Output = Self>
    + Mul<Output = Self>
    + Div<Output = Self>
    + Add<f64, Output = Self>
    + Sub<f64, Output = Self>
    + Mul<f64, Output = Self>
    + Div<f64, Output = Self>
{
    /// √x
    fn sqrt(self) -> Self;
    /// |x|
    fn abs(self) -> Self;
    /// −1, 0 or 1.
    fn sign(self) -> Self;
    /// eˣ
    fn exp(self) -> Self;
    /// ln x
    fn log(self) -> Self;
    /// tanh x
    fn tanh(self) -> Self;
    /// The larger.
    fn max(self, other: Self) -> Self;
    /// The smaller.
    fn min(self, other: Self) -> Self;
    /// `yes` where this is less than the other, else `no`.
    fn if_less(self, other: Self, yes: Self, no: Self) -> Self;
    /// x²
    #[inline(always)]
    fn square(self) -> Self {
        self * self
    }
}

impl Numeric for f64 {
    fn sqrt(self) -> f64 {
        f64::sqrt(self)
    }
    fn abs(self) -> f64 {
        f64::abs(self)
    }
    fn sign(self) -> f64 {
        if self == 0.0 { self } else { f64::signum(self) }
    }
    fn exp(self) -> f64 {
        f64::exp(self)
    }
    fn log(self) -> f64 {
        f64::ln(self)
    }
    fn tanh(self) -> f64 {
        f64::tanh(self)
    }
    fn max(self, other: f64) -> f64 {
        if self.is_nan() { self } else { f64::max(self, if other.is_nan() { f64::INFINITY } else { other }) }
    }
    fn min(self, other: f64) -> f64 {
        if self.is_nan() { self } else { f64::min(self, if other.is_nan() { f64::NEG_INFINITY } else { other }) }
    }
    fn if_less(self, other: f64, yes: f64, no: f64) -> f64 {
        if self < other { yes } else { no }
    }
}

/// An expression as a formula writes it.
pub(crate) struct Written(RefCell<Expr>);

/// A node of an expression.
#[derive(Clone, Copy)]
pub struct Term<'e> {
    written: &'e Written,
    pub(crate) node: usize,
}

impl Written {
    /// Nothing yet, in single precision.
    pub(crate) fn new() -> Written {
        Written(RefCell::new(Expr { nodes: vec![], compute: DType::F32 }))
    }

    /// A node, or the one that is the same.
    pub(crate) fn push(&self, node: Node) -> Term<'_> {
        Term { written: self, node: self.0.borrow_mut().push(node) }
    }

    /// A number, in a node of its own: two that are equal in one step may not be so in the next, and the kernel must be the same.
    pub(crate) fn number(&self, value: f64) -> Term<'_> {
        let nodes = &mut self.0.borrow_mut().nodes;
        nodes.push(Node::Const(value));
        Term { written: self, node: nodes.len() - 1 }
    }

    /// The expression.
    pub(crate) fn finish(self) -> Expr {
        self.0.into_inner()
    }
}

impl Term<'_> {
    fn unary(self, op: UnaryOp) -> Self {
        self.written.push(Node::Unary(op, self.node))
    }

    fn binary(self, op: BinaryOp, other: Self) -> Self {
        self.written.push(Node::Binary(op, self.node, other.node))
    }

    /// `yes` where this is not 0, else `no`.
    pub(crate) fn where_(self, yes: Self, no: Self) -> Self {
        self.written.push(Node::Select(self.node, yes.node, no.node))
    }

    /// 1 where this is at most the other, else 0.
    pub(crate) fn at_most(self, other: Self) -> Self {
        self.binary(BinaryOp::Le, other)
    }
}

impl Neg for Term<'_> {
    type Output = Self;
    fn neg(self) -> Self {
        self.unary(UnaryOp::Neg)
    }
}

macro_rules! operators {
    ($($Trait:ident $method:ident)*) => { $(
        impl $Trait for Term<'_> {
            type Output = Self;
            fn $method(self, other: Self) -> Self {
                self.binary(BinaryOp::$Trait, other)
            }
        }
        impl $Trait<f64> for Term<'_> {
            type Output = Self;
            fn $method(self, other: f64) -> Self {
                self.binary(BinaryOp::$Trait, self.written.number(other))
            }
        }
    )* };
}
operators! { Add add Sub sub Mul mul Div div }

impl Numeric for Term<'_> {
    fn sqrt(self) -> Self {
        self.unary(UnaryOp::Sqrt)
    }
    fn abs(self) -> Self {
        self.unary(UnaryOp::Abs)
    }
    fn sign(self) -> Self {
        self.unary(UnaryOp::Sign)
    }
    fn exp(self) -> Self {
        self.unary(UnaryOp::Exp)
    }
    fn log(self) -> Self {
        self.unary(UnaryOp::Log)
    }
    fn tanh(self) -> Self {
        self.unary(UnaryOp::Tanh)
    }
    fn max(self, other: Self) -> Self {
        self.binary(BinaryOp::Max, other)
    }
    fn min(self, other: Self) -> Self {
        self.binary(BinaryOp::Min, other)
    }
    fn if_less(self, other: Self, yes: Self, no: Self) -> Self {
        self.binary(BinaryOp::Lt, other).where_(yes, no)
    }
}
