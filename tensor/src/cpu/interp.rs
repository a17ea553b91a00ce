//! The loops of the elementwise interpreter: one instruction over one block, at an instruction set.

#![allow(unsafe_code)]

use super::math;
use super::program::Op;
use super::simd::{Kernel, Simd};
use super::simd_x2::X2;
use crate::expr::{BinaryOp, UnaryOp};
use crate::functions::unary_functions;

/// 4 KiB a register: a dozen registers fit the L1 cache, and the cost of decoding is spread over 1024 elements.
pub(super) const BLOCK: usize = 1024;

/// A function of K vectors. Types, not closures: a closure cannot be `inline(always)` on stable Rust, and one that is not inlined is compiled
/// without the target features.
trait Fun<const K: usize>: Copy {
    fn at<S: Simd>(self, s: S, v: [S::F; K]) -> S::F;
}
macro_rules! funs {
    ($($T:ident $K:literal |$s:ident, $v:ident| $e:expr;)*) => { $(
        #[derive(Clone, Copy)]
        struct $T;
        impl Fun<$K> for $T {
            #[inline(always)]
            fn at<S: Simd>(self, $s: S, $v: [S::F; $K]) -> S::F {
                $e
            }
        }
    )* };
}
funs! {
    Add 2 |s, v| s.add(v[0], v[1]);
    Sub 2 |s, v| s.sub(v[0], v[1]);
    Mul 2 |s, v| s.mul(v[0], v[1]);
    Div 2 |s, v| s.div(v[0], v[1]);
    Max 2 |s, v| math::max_nan(s, v[0], v[1]);
    Min 2 |s, v| math::min_nan(s, v[0], v[1]);
    Lt 2 |s, v| s.select_lt(v[0], v[1], s.splat(1.0), s.splat(0.0));
    Le 2 |s, v| s.select_le(v[0], v[1], s.splat(1.0), s.splat(0.0));
    Eq 2 |s, v| { let (o, z) = (s.splat(1.0), s.splat(0.0)); s.select_le(v[0], v[1], s.select_le(v[1], v[0], o, z), z) };
    Ne 2 |s, v| { let (o, z) = (s.splat(1.0), s.splat(0.0)); s.select_le(v[0], v[1], s.select_le(v[1], v[0], z, o), o) };
    MulAdd 3 |s, v| s.fma(v[0], v[1], v[2]);
    Select 3 |s, v| s.select_le(s.abs(v[0]), s.splat(0.0), v[2], v[1]); // NaN is not 0
}

macro_rules! functions_of_one {
    ($($(#[$doc:meta])* $Op:ident $(as $method:ident)?, exact |$x:ident| $exact:expr, simd |$s:ident, $v:ident| $simd:expr,
       wgsl |$a:ident, $ty:ident| $wgsl:expr, needs $flag:literal;)*) => { $(
        #[derive(Clone, Copy)]
        struct $Op;
        impl Fun<1> for $Op {
            #[inline(always)]
            fn at<S: Simd>(self, $s: S, [$v]: [S::F; 1]) -> S::F {
                $simd
            }
        }
    )* };
}
unary_functions!(functions_of_one);

/// Where an instruction reads: at a place, or (null) the same number for every element.
pub(super) type Source = (*const f32, f32);

/// One instruction over `n` elements.
pub(super) struct Instruction {
    pub(super) op: Op,
    pub(super) n: usize,
    pub(super) dst: *mut f32,
    pub(super) src: [Source; 3],
    /// Whether to store past the caches.
    pub(super) stream: bool,
}

impl Instruction {
    /// Functions without a vector form, element by element.
    fn scalar(&self, f: impl Fn(f64, f64) -> f64) {
        let at = |k: usize, i: usize| -> f64 {
            let (p, c) = self.src[k];
            // SAFETY: a source that is not null has n elements.
            f64::from(if p.is_null() { c } else { unsafe { *p.add(i) } })
        };
        for i in 0..self.n {
            let v = f(at(0, i), at(1, i)) as f32;
            // SAFETY: the destination has n elements.
            unsafe { *self.dst.add(i) = v };
        }
    }
}

impl Kernel for Instruction {
    type Out = ();
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let Instruction { op, n, dst, src, stream } = self;
        // SAFETY (all): every source is null or has n elements, and so has the destination: `elementwise` makes them so.
        macro_rules! one {
            ($F:ident) => {
                unsafe { each::<S, 1, 0>(s, n, dst, stream, [src[0]], $F) }
            };
        }
        macro_rules! two {
            ($F:ident) => {
                match (src[0].0.is_null(), src[1].0.is_null()) {
                    (false, false) => unsafe { each::<S, 2, 0>(s, n, dst, stream, [src[0], src[1]], $F) },
                    (true, _) => unsafe { each::<S, 2, 1>(s, n, dst, stream, [src[0], src[1]], $F) },
                    (false, true) => unsafe { each::<S, 2, 2>(s, n, dst, stream, [src[0], src[1]], $F) },
                }
            };
        }
        macro_rules! three {
            ($F:ident) => {
                match src.iter().enumerate().map(|(k, x)| usize::from(x.0.is_null()) << k).sum() {
                    0 => unsafe { each::<S, 3, 0>(s, n, dst, stream, src, $F) },
                    1 => unsafe { each::<S, 3, 1>(s, n, dst, stream, src, $F) },
                    2 => unsafe { each::<S, 3, 2>(s, n, dst, stream, src, $F) },
                    4 => unsafe { each::<S, 3, 4>(s, n, dst, stream, src, $F) },
                    5 => unsafe { each::<S, 3, 5>(s, n, dst, stream, src, $F) },
                    6 => unsafe { each::<S, 3, 6>(s, n, dst, stream, src, $F) },
                    _ => unreachable!("constants fold when the program is compiled"),
                }
            };
        }
        match op {
            Op::Load(_) | Op::Uniform(_) => unreachable!("not arithmetic"),
            Op::MulAdd(..) => three!(MulAdd),
            Op::Select(..) => three!(Select),
            Op::Unary(op, _) => {
                macro_rules! by_function_of_one {
                    ($($(#[$doc:meta])* $Op:ident $(as $method:ident)?, exact |$x:ident| $exact:expr,
                       simd |$s:ident, $v:ident| $simd:expr, wgsl |$a:ident, $ty:ident| $wgsl:expr, needs $flag:literal;)*) => {
                        match op { $(UnaryOp::$Op => one!($Op),)* }
                    };
                }
                unary_functions!(by_function_of_one)
            }
            Op::Binary(op, ..) => match op {
                BinaryOp::Add => two!(Add),
                BinaryOp::Sub => two!(Sub),
                BinaryOp::Mul => two!(Mul),
                BinaryOp::Div => two!(Div),
                BinaryOp::Max => two!(Max),
                BinaryOp::Min => two!(Min),
                BinaryOp::Lt => two!(Lt),
                BinaryOp::Le => two!(Le),
                BinaryOp::Eq => two!(Eq),
                BinaryOp::Ne => two!(Ne),
                BinaryOp::Pow => self.scalar(|a, b| op.exact(a, b)),
            },
        }
    }
}

/// The loop of one instruction: `dst[i] = f(src[0][i], …)`; the sources in the bit set `CONSTS` are constants.
///
/// # Safety
/// Every other source is readable, and `dst` writable, for `n` floats.
#[inline(always)]
unsafe fn each<S: Simd, const K: usize, const CONSTS: usize>(
    s: S,
    n: usize,
    dst: *mut f32,
    stream: bool,
    src: [Source; K],
    f: impl Fun<K>,
) {
    let w = X2(s);
    let stride = 2 * S::N;
    let mut v = [w.splat(0.0); K];
    for k in 0..K {
        v[k] = w.splat(src[k].1);
    }
    let stream = stream && dst.addr().is_multiple_of(size_of::<f32>() * S::N);
    let mut i = 0;
    // SAFETY: as the caller promises.
    unsafe {
        while i + stride <= n {
            for k in 0..K {
                if CONSTS >> k & 1 == 0 {
                    v[k] = w.load_ptr(src[k].0.add(i));
                }
            }
            let r = f.at(w, v);
            if stream {
                w.stream_ptr(dst.add(i), r);
            } else {
                w.store_ptr(dst.add(i), r);
            }
            i += stride;
        }
        if i < n {
            for k in 0..K {
                if CONSTS >> k & 1 == 0 {
                    v[k] = w.load_part_ptr(src[k].0.add(i), n - i, 1.0);
                }
            }
            w.store_part_ptr(dst.add(i), n - i, f.at(w, v));
        }
    }
}

#[cfg(test)]
mod tests;
