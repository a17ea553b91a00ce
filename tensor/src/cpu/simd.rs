//! One small SIMD trait: `N` f32 lanes and the few operations that the kernels need.
//!
//! A value of a token type ([`Avx512`], [`Avx2`], [`Neon`]) exists only where the CPU has the features, so every method can
//! use its intrinsics. [`dispatch`] is the only door: it detects once, and runs a [`Kernel`] inside a function compiled with
//! the right `#[target_feature]`; everything generic is `#[inline(always)]` and melts into that function.
//! [`Portable`] is eight plain floats in an array: LLVM vectorises it for whatever the build target has.
//!
//!
//! NaN: `min(a, b)` and `max(a, b)` return `b` when either is NaN on x86, NaN on NEON: put the data in `b` and NaN survives.

#![allow(unsafe_code)]

/// `N` lanes of f32. Loads and stores take slices of at least `N` (or `n`) elements; the raw forms are for the micro-kernels.
pub trait Simd: Copy + Send + Sync + 'static {
    type F: Copy;
    const N: usize;
    fn splat(self, x: f32) -> Self::F;
    /// # Safety
    /// `p` is readable for `N` floats.
    unsafe fn load_ptr(self, p: *const f32) -> Self::F;
    /// # Safety
    /// `p` is writable for `N` floats.
    unsafe fn store_ptr(self, p: *mut f32, v: Self::F);
    /// First `n <= N` lanes, the others `fill`.
    /// # Safety
    /// `p` is readable for `n` floats.
    unsafe fn load_part_ptr(self, p: *const f32, n: usize, fill: f32) -> Self::F;
    /// # Safety
    /// `p` is writable for `n` floats.
    unsafe fn store_part_ptr(self, p: *mut f32, n: usize, v: Self::F);
    fn add(self, a: Self::F, b: Self::F) -> Self::F;
    fn sub(self, a: Self::F, b: Self::F) -> Self::F;
    fn mul(self, a: Self::F, b: Self::F) -> Self::F;
    fn div(self, a: Self::F, b: Self::F) -> Self::F;
    /// `a * b + c`, fused where the hardware fuses.
    fn fma(self, a: Self::F, b: Self::F, c: Self::F) -> Self::F;
    fn min(self, a: Self::F, b: Self::F) -> Self::F;
    fn max(self, a: Self::F, b: Self::F) -> Self::F;
    fn sqrt(self, a: Self::F) -> Self::F;
    fn abs(self, a: Self::F) -> Self::F;
    /// `|mag|` with the sign of `sign`.
    fn copysign(self, mag: Self::F, sign: Self::F) -> Self::F;
    /// Nearest integer, ties to even (|a| < 2^22).
    fn round(self, a: Self::F) -> Self::F;
    /// `a * 2^n` for integer-valued `n`, -252 <= n <= 254: overflows to infinity, underflows gradually.
    fn scale2(self, a: Self::F, n: Self::F) -> Self::F;
    /// `(m, e)` with `a = m * 2^e`, `m` in [0.75, 1.5), `a` positive and finite (subnormals too).
    fn split(self, a: Self::F) -> (Self::F, Self::F);
    /// Lane by lane: `a < b ? x : y`.
    fn select_lt(self, a: Self::F, b: Self::F, x: Self::F, y: Self::F) -> Self::F;
    /// Lane by lane: `a <= b ? x : y`; with NaN, y.
    fn select_le(self, a: Self::F, b: Self::F, x: Self::F, y: Self::F) -> Self::F;
    fn to_array(self, a: Self::F) -> [f32; 16];
    /// A hint: the line at `p` is wanted soon.
    #[inline(always)]
    fn prefetch(self, p: *const f32) {
        #[cfg(target_arch = "x86_64")]
        // SAFETY: a hint never faults.
        unsafe {
            std::arch::x86_64::_mm_prefetch::<{ std::arch::x86_64::_MM_HINT_T0 }>(p.cast())
        };
        let _ = p;
    }

    #[inline(always)]
    fn load(self, s: &[f32]) -> Self::F {
        assert!(s.len() >= Self::N);
        // SAFETY: the slice holds N floats.
        unsafe { self.load_ptr(s.as_ptr()) }
    }
    #[inline(always)]
    fn store(self, s: &mut [f32], v: Self::F) {
        assert!(s.len() >= Self::N);
        // SAFETY: the slice holds N floats.
        unsafe { self.store_ptr(s.as_mut_ptr(), v) }
    }
    /// The first `min(N, len)` lanes of `s`, the others `fill`.
    #[inline(always)]
    fn load_part(self, s: &[f32], fill: f32) -> Self::F {
        if s.len() >= Self::N {
            return self.load(s); // the common case: one predicted branch, no mask
        }
        // SAFETY: no more than the slice's length is read.
        unsafe { self.load_part_ptr(s.as_ptr(), s.len().min(Self::N), fill) }
    }
    #[inline(always)]
    fn store_part(self, s: &mut [f32], v: Self::F) {
        if s.len() >= Self::N {
            return self.store(s, v);
        }
        // SAFETY: no more than the slice's length is written.
        unsafe { self.store_part_ptr(s.as_mut_ptr(), s.len().min(Self::N), v) }
    }
    #[inline(always)]
    fn sum(self, a: Self::F) -> f32 {
        let mut x = self.to_array(a);
        let mut n = Self::N;
        while n > 1 {
            n /= 2;
            for i in 0..n {
                x[i] += x[i + n];
            }
        }
        x[0]
    }
    #[inline(always)]
    fn max_lane(self, a: Self::F) -> f32 {
        let mut x = self.to_array(a);
        let mut n = Self::N;
        while n > 1 {
            n /= 2;
            for i in 0..n {
                x[i] = if x[i] > x[i + n] { x[i] } else { x[i + n] };
            }
        }
        x[0]
    }
}

/// Work that is generic over the instruction set.
pub trait Kernel {
    type Out;
    fn run<S: Simd>(self, s: S) -> Self::Out;
}

/// What the CPU offers, best first. `LETHE_SIMD=portable|avx2` in the environment lowers it, for tests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    #[cfg(target_arch = "x86_64")]
    Avx512(Avx512),
    #[cfg(target_arch = "x86_64")]
    Avx2(Avx2),
    #[cfg(target_arch = "aarch64")]
    Neon(Neon),
    Portable,
}

pub fn levels() -> Vec<Level> {
    let mut v = vec![];
    #[cfg(target_arch = "x86_64")]
    {
        if is_x86_feature_detected!("avx512f") && is_x86_feature_detected!("avx512dq") {
            v.push(Level::Avx512(Avx512(())));
        }
        if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") {
            v.push(Level::Avx2(Avx2(())));
        }
    }
    #[cfg(target_arch = "aarch64")]
    v.push(Level::Neon(Neon(())));
    v.push(Level::Portable);
    v
}

pub fn level() -> Level {
    static LEVEL: std::sync::OnceLock<Level> = std::sync::OnceLock::new();
    *LEVEL.get_or_init(|| {
        let all = levels();
        let want = std::env::var("LETHE_SIMD").unwrap_or_default();
        *all.iter().find(|l| format!("{l:?}").to_lowercase().starts_with(&want)).unwrap_or(&all[0])
    })
}

pub fn dispatch<K: Kernel>(k: K) -> K::Out {
    dispatch_at(level(), k)
}

#[inline]
pub fn dispatch_at<K: Kernel>(level: Level, k: K) -> K::Out {
    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx512f,avx512dq,avx512vl,avx512bw,avx2,fma")]
    fn on_avx512<K: Kernel>(s: Avx512, k: K) -> K::Out {
        k.run(s)
    }
    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx2,fma")]
    fn on_avx2<K: Kernel>(s: Avx2, k: K) -> K::Out {
        k.run(s)
    }
    match level {
        // SAFETY: a token is made in `levels` alone, after its features were detected.
        #[cfg(target_arch = "x86_64")]
        Level::Avx512(s) => unsafe { on_avx512(s, k) },
        // SAFETY: as above.
        #[cfg(target_arch = "x86_64")]
        Level::Avx2(s) => unsafe { on_avx2(s, k) },
        #[cfg(target_arch = "aarch64")]
        Level::Neon(s) => k.run(s),
        Level::Portable => k.run(Portable),
    }
}

#[cfg(target_arch = "aarch64")]
pub use super::simd_neon::Neon;
#[cfg(target_arch = "x86_64")]
pub use super::simd_x86::{Avx2, Avx512};

/// Eight floats in an array; no fused multiply-add unless the build target has one (else `mul_add` would call libm).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Portable;
#[derive(Clone, Copy)]
#[repr(align(32))]
pub struct F8([f32; 8]);

macro_rules! lanes { (|$($x:ident),*| $e:expr) => {{ let mut r = [0f32; 8]; for i in 0..8 { $(let $x = $x.0[i];)* r[i] = $e; } F8(r) }}; }

#[rustfmt::skip]
impl Simd for Portable {
    type F = F8;
    const N: usize = 8;
    #[inline(always)] fn splat(self, x: f32) -> F8 { F8([x; 8]) }
    // SAFETY (all four): the caller promises the range.
    #[inline(always)] unsafe fn load_ptr(self, p: *const f32) -> F8 { F8(unsafe { p.cast::<[f32; 8]>().read_unaligned() }) }
    #[inline(always)] unsafe fn store_ptr(self, p: *mut f32, v: F8) { unsafe { p.cast::<[f32; 8]>().write_unaligned(v.0) } }
    #[inline(always)] unsafe fn load_part_ptr(self, p: *const f32, n: usize, fill: f32) -> F8 {
        let mut r = [fill; 8]; for i in 0..n { r[i] = unsafe { *p.add(i) } } F8(r) }
    #[inline(always)] unsafe fn store_part_ptr(self, p: *mut f32, n: usize, v: F8) { for i in 0..n { unsafe { *p.add(i) = v.0[i] } } }
    #[inline(always)] fn add(self, a: F8, b: F8) -> F8 { lanes!(|a, b| a + b) }
    #[inline(always)] fn sub(self, a: F8, b: F8) -> F8 { lanes!(|a, b| a - b) }
    #[inline(always)] fn mul(self, a: F8, b: F8) -> F8 { lanes!(|a, b| a * b) }
    #[inline(always)] fn div(self, a: F8, b: F8) -> F8 { lanes!(|a, b| a / b) }
    #[inline(always)] fn fma(self, a: F8, b: F8, c: F8) -> F8 {
        if cfg!(any(target_feature = "fma", target_arch = "aarch64")) { lanes!(|a, b, c| a.mul_add(b, c)) } else { lanes!(|a, b, c| a * b + c) } }
    #[inline(always)] fn min(self, a: F8, b: F8) -> F8 { lanes!(|a, b| if a < b { a } else { b }) }
    #[inline(always)] fn max(self, a: F8, b: F8) -> F8 { lanes!(|a, b| if a > b { a } else { b }) }
    #[inline(always)] fn sqrt(self, a: F8) -> F8 { lanes!(|a| a.sqrt()) }
    #[inline(always)] fn abs(self, a: F8) -> F8 { lanes!(|a| a.abs()) }
    #[inline(always)] fn copysign(self, mag: F8, sign: F8) -> F8 { lanes!(|mag, sign| mag.copysign(sign)) }
    #[inline(always)] fn round(self, a: F8) -> F8 { const C: f32 = 12582912.0; lanes!(|a| (a + C) - C) } // 1.5 * 2^23
    #[inline(always)] fn scale2(self, a: F8, n: F8) -> F8 { lanes!(|a, n| {
        let n = n as i32; let h = n >> 1;
        a * f32::from_bits(((h + 127) << 23) as u32) * f32::from_bits(((n - h + 127) << 23) as u32) }) }
    #[inline(always)] fn split(self, a: F8) -> (F8, F8) {
        let big = lanes!(|a| if a < f32::MIN_POSITIVE { a * 8388608.0 } else { a });
        let e = lanes!(|big| ((big.to_bits().wrapping_sub(0x3f400000) as i32) >> 23) as f32);
        let m = lanes!(|big| f32::from_bits(big.to_bits() - (big.to_bits().wrapping_sub(0x3f400000) & 0xff800000)));
        (m, lanes!(|a, e| if a < f32::MIN_POSITIVE { e - 23.0 } else { e })) }
    #[inline(always)] fn select_lt(self, a: F8, b: F8, x: F8, y: F8) -> F8 { lanes!(|a, b, x, y| if a < b { x } else { y }) }
    #[inline(always)] fn select_le(self, a: F8, b: F8, x: F8, y: F8) -> F8 { lanes!(|a, b, x, y| if a <= b { x } else { y }) }
    #[inline(always)] fn to_array(self, a: F8) -> [f32; 16] { let mut r = [0.0; 16]; r[..8].copy_from_slice(&a.0); r }
}
