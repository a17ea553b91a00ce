//! `+ - * /` and negation, of owned and borrowed operands and of numbers. Numbers are `f64` alone: of two types to choose from, `2.0 * &x` would
//! leave the compiler without an answer.

use crate::tensor::Tensor;

/// Gives a type that has the methods `add`, `sub`, `mul`, `div`, `neg`, `add_scalar`, `sub_scalar`,
/// `mul_scalar`, `div_scalar`, `rsub_scalar` and `rdiv_scalar` the operators they stand for.
#[doc(hidden)]
#[macro_export]
macro_rules! arithmetic_operators {
    ($ty:ident) => {
        $crate::arithmetic_operators! { @binary $ty Add add, Sub sub, Mul mul, Div div }
        $crate::arithmetic_operators! {
            @assign $ty AddAssign add_assign add, SubAssign sub_assign sub, MulAssign mul_assign mul, DivAssign div_assign div
        }
        $crate::arithmetic_operators! { @number $ty f64 }
        impl std::ops::Neg for $ty {
            type Output = $ty;
            #[track_caller]
            fn neg(self) -> $ty {
                $ty::neg(&self)
            }
        }
        impl std::ops::Neg for &$ty {
            type Output = $ty;
            #[track_caller]
            fn neg(self) -> $ty {
                $ty::neg(self)
            }
        }
    };
    (@binary $ty:ident $($trait:ident $method:ident),*) => { $(
        $crate::arithmetic_operators! { @one $trait $method, $ty, $ty, $ty, |a, b| $ty::$method(&a, &b) }
        $crate::arithmetic_operators! { @one $trait $method, $ty, &$ty, $ty, |a, b| $ty::$method(&a, b) }
        $crate::arithmetic_operators! { @one $trait $method, &$ty, $ty, $ty, |a, b| $ty::$method(a, &b) }
        $crate::arithmetic_operators! { @one $trait $method, &$ty, &$ty, $ty, |a, b| $ty::$method(a, b) }
    )* };
    (@assign $ty:ident $($trait:ident $name:ident $method:ident),*) => { $(
        impl std::ops::$trait<$ty> for $ty {
            #[track_caller]
            fn $name(&mut self, other: $ty) {
                *self = $ty::$method(self, &other);
            }
        }
        impl std::ops::$trait<&$ty> for $ty {
            #[track_caller]
            fn $name(&mut self, other: &$ty) {
                *self = $ty::$method(self, other);
            }
        }
        impl std::ops::$trait<f64> for $ty {
            #[track_caller]
            fn $name(&mut self, number: f64) {
                *self = $crate::arithmetic_operators!(@op $method, &*self, number);
            }
        }
    )* };
    (@number $ty:ident $($number:ident),*) => { $(
        $crate::arithmetic_operators! { @one Add add, $ty, $number, $ty, |a, c| a.add_scalar(c) }
        $crate::arithmetic_operators! { @one Add add, &$ty, $number, $ty, |a, c| a.add_scalar(c) }
        $crate::arithmetic_operators! { @one Add add, $number, $ty, $ty, |c, a| a.add_scalar(c) }
        $crate::arithmetic_operators! { @one Add add, $number, &$ty, $ty, |c, a| a.add_scalar(c) }
        $crate::arithmetic_operators! { @one Sub sub, $ty, $number, $ty, |a, c| a.sub_scalar(c) }
        $crate::arithmetic_operators! { @one Sub sub, &$ty, $number, $ty, |a, c| a.sub_scalar(c) }
        $crate::arithmetic_operators! { @one Sub sub, $number, $ty, $ty, |c, a| a.rsub_scalar(c) }
        $crate::arithmetic_operators! { @one Sub sub, $number, &$ty, $ty, |c, a| a.rsub_scalar(c) }
        $crate::arithmetic_operators! { @one Mul mul, $ty, $number, $ty, |a, c| a.mul_scalar(c) }
        $crate::arithmetic_operators! { @one Mul mul, &$ty, $number, $ty, |a, c| a.mul_scalar(c) }
        $crate::arithmetic_operators! { @one Mul mul, $number, $ty, $ty, |c, a| a.mul_scalar(c) }
        $crate::arithmetic_operators! { @one Mul mul, $number, &$ty, $ty, |c, a| a.mul_scalar(c) }
        $crate::arithmetic_operators! { @one Div div, $ty, $number, $ty, |a, c| a.div_scalar(c) }
        $crate::arithmetic_operators! { @one Div div, &$ty, $number, $ty, |a, c| a.div_scalar(c) }
        $crate::arithmetic_operators! { @one Div div, $number, $ty, $ty, |c, a| a.rdiv_scalar(c) }
        $crate::arithmetic_operators! { @one Div div, $number, &$ty, $ty, |c, a| a.rdiv_scalar(c) }
    )* };
    (@op add, $a:expr, $b:expr) => { $a + $b };
    (@op sub, $a:expr, $b:expr) => { $a - $b };
    (@op mul, $a:expr, $b:expr) => { $a * $b };
    (@op div, $a:expr, $b:expr) => { $a / $b };
    (@one $trait:ident $method:ident, $left:ty, $right:ty, $out:ty, |$a:ident, $b:ident| $body:expr) => {
        impl std::ops::$trait<$right> for $left {
            type Output = $out;
            #[track_caller]
            fn $method(self, other: $right) -> $out {
                let ($a, $b) = (self, other);
                $body
            }
        }
    };
}

arithmetic_operators!(Tensor);
