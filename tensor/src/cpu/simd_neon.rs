//! [`Simd`](super::simd::Simd) for NEON (4 lanes), part of every aarch64: compiled for aarch64, not run.
#![allow(unsafe_code)]
#![allow(unused_unsafe)] // compiled on aarch64 alone, where it has not been checked which of these blocks are needless
use super::simd::Simd;
use std::arch::aarch64::*;

/// Proof that NEON is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Neon(pub(super) ());

// SAFETY of every block below: NEON is always there; pointers are promised by the callers.
impl Simd for Neon {
    type F = float32x4_t;
    const N: usize = 4;
    #[inline(always)]
    fn splat(self, x: f32) -> float32x4_t {
        unsafe { vdupq_n_f32(x) }
    }
    #[inline(always)]
    unsafe fn load_ptr(self, p: *const f32) -> float32x4_t {
        unsafe { vld1q_f32(p) }
    }
    #[inline(always)]
    unsafe fn store_ptr(self, p: *mut f32, v: float32x4_t) {
        unsafe { vst1q_f32(p, v) }
    }
    #[inline(always)]
    unsafe fn load_part_ptr(self, p: *const f32, n: usize, fill: f32) -> float32x4_t {
        let mut r = [fill; 4];
        for i in 0..n {
            r[i] = unsafe { *p.add(i) }
        }
        unsafe { vld1q_f32(r.as_ptr()) }
    }
    #[inline(always)]
    unsafe fn store_part_ptr(self, p: *mut f32, n: usize, v: float32x4_t) {
        let mut r = [0.0; 4];
        unsafe { vst1q_f32(r.as_mut_ptr(), v) }
        for i in 0..n {
            unsafe { *p.add(i) = r[i] }
        }
    }
    #[inline(always)]
    fn add(self, a: float32x4_t, b: float32x4_t) -> float32x4_t {
        unsafe { vaddq_f32(a, b) }
    }
    #[inline(always)]
    fn sub(self, a: float32x4_t, b: float32x4_t) -> float32x4_t {
        unsafe { vsubq_f32(a, b) }
    }
    #[inline(always)]
    fn mul(self, a: float32x4_t, b: float32x4_t) -> float32x4_t {
        unsafe { vmulq_f32(a, b) }
    }
    #[inline(always)]
    fn div(self, a: float32x4_t, b: float32x4_t) -> float32x4_t {
        unsafe { vdivq_f32(a, b) }
    }
    #[inline(always)]
    fn fma(self, a: float32x4_t, b: float32x4_t, c: float32x4_t) -> float32x4_t {
        unsafe { vfmaq_f32(c, a, b) }
    }
    #[inline(always)]
    fn min(self, a: float32x4_t, b: float32x4_t) -> float32x4_t {
        unsafe { vminq_f32(a, b) }
    }
    #[inline(always)]
    fn max(self, a: float32x4_t, b: float32x4_t) -> float32x4_t {
        unsafe { vmaxq_f32(a, b) }
    }
    #[inline(always)]
    fn sqrt(self, a: float32x4_t) -> float32x4_t {
        unsafe { vsqrtq_f32(a) }
    }
    #[inline(always)]
    fn abs(self, a: float32x4_t) -> float32x4_t {
        unsafe { vabsq_f32(a) }
    }
    #[inline(always)]
    fn copysign(self, m: float32x4_t, s: float32x4_t) -> float32x4_t {
        unsafe { vbslq_f32(vdupq_n_u32(0x8000_0000), s, m) }
    }
    #[inline(always)]
    fn round(self, a: float32x4_t) -> float32x4_t {
        unsafe { vrndnq_f32(a) }
    }
    #[inline(always)]
    fn scale2(self, a: float32x4_t, n: float32x4_t) -> float32x4_t {
        unsafe {
            let n = vcvtq_s32_f32(n);
            let h = vshrq_n_s32::<1>(n);
            let bias = vdupq_n_s32(127);
            let p = vreinterpretq_f32_s32(vshlq_n_s32::<23>(vaddq_s32(h, bias)));
            let q = vreinterpretq_f32_s32(vshlq_n_s32::<23>(vaddq_s32(vsubq_s32(n, h), bias)));
            vmulq_f32(vmulq_f32(a, p), q)
        }
    }
    #[inline(always)]
    fn split(self, a: float32x4_t) -> (float32x4_t, float32x4_t) {
        unsafe {
            let tiny = vcltq_f32(a, vdupq_n_f32(f32::MIN_POSITIVE));
            let big = vreinterpretq_s32_f32(vbslq_f32(tiny, vmulq_f32(a, vdupq_n_f32(8388608.0)), a));
            let off = vsubq_s32(big, vdupq_n_s32(0x3f400000));
            let e = vcvtq_f32_s32(vshrq_n_s32::<23>(off));
            let m = vreinterpretq_f32_s32(vsubq_s32(big, vandq_s32(off, vdupq_n_s32(0xff800000u32 as i32))));
            (m, vsubq_f32(e, vbslq_f32(tiny, vdupq_n_f32(23.0), vdupq_n_f32(0.0))))
        }
    }
    #[inline(always)]
    fn select_lt(self, a: float32x4_t, b: float32x4_t, x: float32x4_t, y: float32x4_t) -> float32x4_t {
        unsafe { vbslq_f32(vcltq_f32(a, b), x, y) }
    }
    #[inline(always)]
    fn select_le(self, a: float32x4_t, b: float32x4_t, x: float32x4_t, y: float32x4_t) -> float32x4_t {
        unsafe { vbslq_f32(vcleq_f32(a, b), x, y) }
    }
    #[inline(always)]
    fn any_lt(self, a: float32x4_t, b: float32x4_t) -> bool {
        unsafe { vmaxvq_u32(vcltq_f32(a, b)) != 0 }
    }
}
