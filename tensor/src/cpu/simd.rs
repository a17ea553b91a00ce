//! One small SIMD trait: `N` f32 lanes and the few operations that the kernels need.
//!
//! A value of a token type (`Avx512`, `Avx2`, `Neon`) exists only where the CPU has the features, so every method can
//! use its intrinsics. `levels::dispatch_at` is the only door: it runs a [`Kernel`] inside a function compiled with
//! the right `#[target_feature]`; everything generic is `#[inline(always)]` and melts into that function.
//! `Portable` is eight plain floats in an array: LLVM vectorises it for whatever the build target has.
//!
//! Three rules, each of which costs a factor of ten and more when broken, without a warning. Everything between `dispatch_at` and an intrinsic is
//! `#[inline(always)]`. No closure around vector code is handed to a function that is not inlined. Partial loads stay out of inner loops.
//!
//! NaN: `min(a, b)` and `max(a, b)` return `b` when either is NaN on x86, NaN on NEON: put the data in `b` and NaN survives.

#![allow(unsafe_code)]

/// `N` lanes of f32. Loads and stores take slices of at least `N` elements, or of any length (`…_part`); the raw forms are for inner loops.
pub trait Simd: Copy + Send + Sync + 'static {
    /// A vector.
    type F: Copy;
    /// Its lanes, at most [`MAX_LANES`].
    const N: usize;
    /// The same number in every lane.
    fn splat(self, x: f32) -> Self::F;
    /// # Safety
    /// `p` is readable for `N` floats.
    unsafe fn load_ptr(self, p: *const f32) -> Self::F;
    /// # Safety
    /// `p` is writable for `N` floats.
    unsafe fn store_ptr(self, p: *mut f32, v: Self::F);
    /// The first `n <= N` lanes, the others `fill`.
    /// # Safety
    /// `p` is readable for `n` floats.
    unsafe fn load_part_ptr(self, p: *const f32, n: usize, fill: f32) -> Self::F;
    /// The first `n <= N` lanes.
    /// # Safety
    /// `p` is writable for `n` floats.
    unsafe fn store_part_ptr(self, p: *mut f32, n: usize, v: Self::F);
    /// A store past the caches, where the CPU has one; [`fence`] orders it before what follows.
    /// # Safety
    /// `p` is writable for `N` floats and aligned to the vector.
    #[inline(always)]
    unsafe fn stream_ptr(self, p: *mut f32, v: Self::F) {
        // SAFETY: as promised by the caller.
        unsafe { self.store_ptr(p, v) }
    }
    /// a + b
    fn add(self, a: Self::F, b: Self::F) -> Self::F;
    /// a - b
    fn sub(self, a: Self::F, b: Self::F) -> Self::F;
    /// a b
    fn mul(self, a: Self::F, b: Self::F) -> Self::F;
    /// a / b
    fn div(self, a: Self::F, b: Self::F) -> Self::F;
    /// `a * b + c`, fused where the hardware fuses.
    fn fma(self, a: Self::F, b: Self::F, c: Self::F) -> Self::F;
    /// The smaller; see the module's remark on NaN.
    fn min(self, a: Self::F, b: Self::F) -> Self::F;
    /// The larger; likewise.
    fn max(self, a: Self::F, b: Self::F) -> Self::F;
    /// The square root.
    fn sqrt(self, a: Self::F) -> Self::F;
    /// |a|
    fn abs(self, a: Self::F) -> Self::F;
    /// `|mag|` with the sign of `sign`.
    fn copysign(self, mag: Self::F, sign: Self::F) -> Self::F;
    /// Nearest integer, ties to even (|a| < 2^22).
    fn round(self, a: Self::F) -> Self::F;
    /// `a * 2^n` for integer-valued `n`, -252 <= n <= 254: overflows to infinity, underflows gradually.
    fn scale2(self, a: Self::F, n: Self::F) -> Self::F;
    /// `(m, e)` with `a = m * 2^e`, `m` in [0.75, 1.5), `a` positive and finite (subnormals too).
    fn split(self, a: Self::F) -> (Self::F, Self::F);
    /// Lane by lane: `a < b ? x : y`; with NaN, y.
    fn select_lt(self, a: Self::F, b: Self::F, x: Self::F, y: Self::F) -> Self::F;
    /// Lane by lane: `a <= b ? x : y`; with NaN, y.
    fn select_le(self, a: Self::F, b: Self::F, x: Self::F, y: Self::F) -> Self::F;
    /// Whether `a < b` in some lane.
    fn any_lt(self, a: Self::F, b: Self::F) -> bool;

    /// Transposes 4 × 4 floats: rows `from_step` apart to rows `to_step` apart.
    ///
    /// # Safety
    /// Four floats at each of the four rows are readable, and writable.
    #[inline(always)]
    unsafe fn transpose4(self, from: *const f32, from_step: usize, to: *mut f32, to_step: usize) {
        for i in 0..4 {
            for j in 0..4 {
                // SAFETY: as promised by the caller.
                unsafe { *to.add(j * to_step + i) = *from.add(i * from_step + j) }
            }
        }
    }
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
    /// The lanes, and zeros after them.
    #[inline(always)]
    fn lanes(self, a: Self::F) -> [f32; MAX_LANES] {
        const { assert!(Self::N <= MAX_LANES) };
        let mut x = [0.0; MAX_LANES];
        // SAFETY: the array holds N floats.
        unsafe { self.store_ptr(x.as_mut_ptr(), a) }
        x
    }
    /// `f` of every lane, one after the other: for what is rare.
    #[inline(always)]
    fn each_lane(self, a: Self::F, f: fn(f32) -> f32) -> Self::F {
        let mut x = self.lanes(a);
        x[..Self::N].iter_mut().for_each(|x| *x = f(*x));
        self.load(&x)
    }
    /// Whole vector from a slice.
    #[inline(always)]
    fn load(self, s: &[f32]) -> Self::F {
        assert!(s.len() >= Self::N);
        // SAFETY: the slice holds N floats.
        unsafe { self.load_ptr(s.as_ptr()) }
    }
    /// Whole vector to a slice.
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
        unsafe { self.load_part_ptr(s.as_ptr(), s.len(), fill) }
    }
    /// The first `min(N, len)` lanes to `s`.
    #[inline(always)]
    fn store_part(self, s: &mut [f32], v: Self::F) {
        if s.len() >= Self::N {
            return self.store(s, v);
        }
        // SAFETY: no more than the slice's length is written.
        unsafe { self.store_part_ptr(s.as_mut_ptr(), s.len(), v) }
    }
    /// The sum of the lanes, as a tree of halves.
    #[inline(always)]
    fn sum(self, a: Self::F) -> f32 {
        let mut x = self.lanes(a);
        let mut n = Self::N;
        while n > 1 {
            n /= 2;
            for i in 0..n {
                x[i] += x[i + n];
            }
        }
        x[0]
    }
    /// The largest lane; if one is NaN, any of the others.
    #[inline(always)]
    fn max_lane(self, a: Self::F) -> f32 {
        let mut x = self.lanes(a);
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

/// Lanes of the widest vector: two pairs of AVX-512's.
pub const MAX_LANES: usize = 64;

/// Orders stores past the caches before whatever follows.
pub fn fence() {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: SSE is part of x86-64.
    unsafe {
        std::arch::x86_64::_mm_sfence()
    }
}

/// Work that is generic over the instruction set.
pub trait Kernel {
    /// What it returns.
    type Out;
    /// Does it; `#[inline(always)]`.
    fn run<S: Simd>(self, s: S) -> Self::Out;
}
