//! [`Simd`](super::simd::Simd) over an array of eight floats, for CPUs without a form of their own and for WebAssembly. LLVM vectorises
//! it for whatever the build target has.

#![allow(unsafe_code)]

use super::simd::Simd;

/// Eight lanes; no fused multiply-add unless the build target has one (else `mul_add` would call a library function).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Portable;
/// A vector.
#[derive(Clone, Copy)]
#[repr(align(32))]
pub struct F8([f32; 8]);

macro_rules! lanes {
    (|$($x:ident),*| $e:expr) => {{
        let mut r = [0f32; 8];
        for i in 0..8 {
            $(let $x = $x.0[i];)*
            r[i] = $e;
        }
        F8(r)
    }};
}

impl Simd for Portable {
    type F = F8;
    const N: usize = 8;
    #[inline(always)]
    fn splat(self, x: f32) -> F8 {
        F8([x; 8])
    }
    // SAFETY (all four): the caller promises the range.
    #[inline(always)]
    unsafe fn load_ptr(self, p: *const f32) -> F8 {
        F8(unsafe { p.cast::<[f32; 8]>().read_unaligned() })
    }
    #[inline(always)]
    unsafe fn store_ptr(self, p: *mut f32, v: F8) {
        unsafe { p.cast::<[f32; 8]>().write_unaligned(v.0) }
    }
    #[inline(always)]
    unsafe fn load_part_ptr(self, p: *const f32, n: usize, fill: f32) -> F8 {
        let mut r = [fill; 8];
        for i in 0..n {
            r[i] = unsafe { *p.add(i) }
        }
        F8(r)
    }
    #[inline(always)]
    unsafe fn store_part_ptr(self, p: *mut f32, n: usize, v: F8) {
        for i in 0..n {
            unsafe { *p.add(i) = v.0[i] }
        }
    }
    #[inline(always)]
    fn add(self, a: F8, b: F8) -> F8 {
        lanes!(|a, b| a + b)
    }
    #[inline(always)]
    fn sub(self, a: F8, b: F8) -> F8 {
        lanes!(|a, b| a - b)
    }
    #[inline(always)]
    fn mul(self, a: F8, b: F8) -> F8 {
        lanes!(|a, b| a * b)
    }
    #[inline(always)]
    fn div(self, a: F8, b: F8) -> F8 {
        lanes!(|a, b| a / b)
    }
    #[inline(always)]
    fn fma(self, a: F8, b: F8, c: F8) -> F8 {
        if cfg!(any(target_feature = "fma", target_arch = "aarch64")) {
            lanes!(|a, b, c| a.mul_add(b, c))
        } else {
            lanes!(|a, b, c| a * b + c)
        }
    }
    #[inline(always)]
    fn min(self, a: F8, b: F8) -> F8 {
        lanes!(|a, b| if a < b { a } else { b })
    }
    #[inline(always)]
    fn max(self, a: F8, b: F8) -> F8 {
        lanes!(|a, b| if a > b { a } else { b })
    }
    #[inline(always)]
    fn sqrt(self, a: F8) -> F8 {
        lanes!(|a| a.sqrt())
    }
    #[inline(always)]
    fn abs(self, a: F8) -> F8 {
        lanes!(|a| a.abs())
    }
    #[inline(always)]
    fn copysign(self, mag: F8, sign: F8) -> F8 {
        lanes!(|mag, sign| mag.copysign(sign))
    }
    #[inline(always)]
    fn round(self, a: F8) -> F8 {
        const C: f32 = 12582912.0; // 1.5 * 2^23: the sum has no place for a fraction
        lanes!(|a| (a + C) - C)
    }
    #[inline(always)]
    fn scale2(self, a: F8, n: F8) -> F8 {
        lanes!(|a, n| {
            let n = n as i32;
            let h = n >> 1;
            a * f32::from_bits(((h + 127) << 23) as u32) * f32::from_bits(((n - h + 127) << 23) as u32)
        })
    }
    #[inline(always)]
    fn split(self, a: F8) -> (F8, F8) {
        let big = lanes!(|a| if a < f32::MIN_POSITIVE { a * 8388608.0 } else { a });
        let off = |x: f32| x.to_bits().wrapping_sub(0x3f400000); // from the bits of 0.75
        let e = lanes!(|big| ((off(big) as i32) >> 23) as f32);
        let m = lanes!(|big| f32::from_bits(big.to_bits().wrapping_sub(off(big) & 0xff800000)));
        (m, lanes!(|a, e| if a < f32::MIN_POSITIVE { e - 23.0 } else { e }))
    }
    #[inline(always)]
    fn select_lt(self, a: F8, b: F8, x: F8, y: F8) -> F8 {
        lanes!(|a, b, x, y| if a < b { x } else { y })
    }
    #[inline(always)]
    fn select_le(self, a: F8, b: F8, x: F8, y: F8) -> F8 {
        lanes!(|a, b, x, y| if a <= b { x } else { y })
    }
    #[inline(always)]
    fn any_lt(self, a: F8, b: F8) -> bool {
        (0..8).any(|i| a.0[i] < b.0[i])
    }
}
