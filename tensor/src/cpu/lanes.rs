//! The lanes of a vector as numbers of a formula.

use super::math;
use super::simd::Simd;
use crate::numeric::Numeric;
use std::ops::{Add, Div, Mul, Neg, Sub};

/// As many numbers as the instruction set computes at once. Everything is `inline(always)`, as vector code must be.
#[derive(Clone, Copy)]
pub(super) struct Lanes<S: Simd> {
    pub(super) s: S,
    pub(super) v: S::F,
}

impl<S: Simd> Lanes<S> {
    /// The same number in every lane.
    #[inline(always)]
    pub(super) fn splat(s: S, x: f64) -> Self {
        Lanes { s, v: s.splat(x as f32) }
    }
}

impl<S: Simd> Neg for Lanes<S> {
    type Output = Self;
    #[inline(always)]
    fn neg(self) -> Self {
        Lanes { v: self.s.mul(self.v, self.s.splat(-1.0)), ..self }
    }
}

macro_rules! operators {
    ($($Trait:ident $method:ident)*) => { $(
        impl<S: Simd> $Trait for Lanes<S> {
            type Output = Self;
            #[inline(always)]
            fn $method(self, other: Self) -> Self {
                Lanes { v: self.s.$method(self.v, other.v), ..self }
            }
        }
        impl<S: Simd> $Trait<f64> for Lanes<S> {
            type Output = Self;
            #[inline(always)]
            fn $method(self, other: f64) -> Self {
                Lanes { v: self.s.$method(self.v, self.s.splat(other as f32)), ..self }
            }
        }
    )* };
}
operators! { Add add Sub sub Mul mul Div div }

impl<S: Simd> Numeric for Lanes<S> {
    #[inline(always)]
    fn sqrt(self) -> Self {
        Lanes { v: self.s.sqrt(self.v), ..self }
    }
    #[inline(always)]
    fn abs(self) -> Self {
        Lanes { v: self.s.abs(self.v), ..self }
    }
    #[inline(always)]
    fn sign(self) -> Self {
        Lanes { v: math::sign(self.s, self.v), ..self }
    }
    #[inline(always)]
    fn exp(self) -> Self {
        Lanes { v: math::exp(self.s, self.v), ..self }
    }
    #[inline(always)]
    fn log(self) -> Self {
        Lanes { v: math::log(self.s, self.v), ..self }
    }
    #[inline(always)]
    fn tanh(self) -> Self {
        Lanes { v: math::tanh(self.s, self.v), ..self }
    }
    #[inline(always)]
    fn max(self, other: Self) -> Self {
        Lanes { v: math::max_nan(self.s, self.v, other.v), ..self }
    }
    #[inline(always)]
    fn min(self, other: Self) -> Self {
        Lanes { v: math::min_nan(self.s, self.v, other.v), ..self }
    }
    #[inline(always)]
    fn if_less(self, other: Self, yes: Self, no: Self) -> Self {
        Lanes { v: self.s.select_lt(self.v, other.v, yes.v, no.v), ..self }
    }
}
