//! Two vectors as one: every operation twice, so that two dependency chains interleave in the instruction stream. Long
//! chains (a polynomial inside an exponential) otherwise fill the scheduler before the pipes.

#![allow(unsafe_code)]

use super::simd::Simd;

/// The pair.
#[derive(Clone, Copy)]
pub struct X2<S>(pub S);

macro_rules! each { ($($f:ident($($a:ident),*);)*) => { $(
    #[inline(always)] fn $f(self, $($a: Self::F),*) -> Self::F { let s = self.0; [s.$f($($a[0]),*), s.$f($($a[1]),*)] }
)* } }
impl<S: Simd> Simd for X2<S> {
    type F = [S::F; 2];
    const N: usize = 2 * S::N;
    #[inline(always)]
    fn splat(self, x: f32) -> Self::F {
        [self.0.splat(x); 2]
    }
    // SAFETY (all): the caller promises the whole range.
    #[inline(always)]
    unsafe fn load_ptr(self, p: *const f32) -> Self::F {
        unsafe { [self.0.load_ptr(p), self.0.load_ptr(p.add(S::N))] }
    }
    #[inline(always)]
    unsafe fn store_ptr(self, p: *mut f32, v: Self::F) {
        unsafe {
            self.0.store_ptr(p, v[0]);
            self.0.store_ptr(p.add(S::N), v[1])
        }
    }
    #[inline(always)]
    unsafe fn load_part_ptr(self, p: *const f32, n: usize, fill: f32) -> Self::F {
        unsafe {
            let h = n.min(S::N);
            [self.0.load_part_ptr(p, h, fill), self.0.load_part_ptr(p.add(h), n - h, fill)]
        }
    }
    #[inline(always)]
    unsafe fn store_part_ptr(self, p: *mut f32, n: usize, v: Self::F) {
        unsafe {
            let h = n.min(S::N);
            self.0.store_part_ptr(p, h, v[0]);
            self.0.store_part_ptr(p.add(h), n - h, v[1])
        }
    }
    #[inline(always)]
    unsafe fn stream_ptr(self, p: *mut f32, v: Self::F) {
        unsafe {
            self.0.stream_ptr(p, v[0]);
            self.0.stream_ptr(p.add(S::N), v[1])
        }
    }
    each! {
        add(a, b); sub(a, b); mul(a, b); div(a, b); fma(a, b, c); min(a, b); max(a, b); sqrt(a); abs(a);
        copysign(a, b); round(a); scale2(a, b); select_lt(a, b, c, d); select_le(a, b, c, d);
    }
    #[inline(always)]
    fn split(self, a: Self::F) -> (Self::F, Self::F) {
        let (p, q) = (self.0.split(a[0]), self.0.split(a[1]));
        ([p.0, q.0], [p.1, q.1])
    }
    #[inline(always)]
    fn sum(self, a: Self::F) -> f32 {
        self.0.sum(self.0.add(a[0], a[1]))
    }
    #[inline(always)]
    fn max_lane(self, a: Self::F) -> f32 {
        self.0.max_lane(self.0.max(a[0], a[1]))
    }
    #[inline(always)]
    fn any_lt(self, a: Self::F, b: Self::F) -> bool {
        self.0.any_lt(a[0], b[0]) || self.0.any_lt(a[1], b[1])
    }
}
