//! The instruction sets that this CPU has, and how a kernel is run with one.

#![allow(unsafe_code)]

use super::simd::Kernel;
#[cfg(target_arch = "aarch64")]
use super::simd_neon::Neon;
use super::simd_portable::Portable;
#[cfg(target_arch = "x86_64")]
use super::simd_x86::{Avx2, Avx512};

/// An instruction set, with the proof that the CPU has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// Sixteen lanes.
    #[cfg(target_arch = "x86_64")]
    Avx512(Avx512),
    /// Eight lanes, fused.
    #[cfg(target_arch = "x86_64")]
    Avx2(Avx2),
    /// Four lanes.
    #[cfg(target_arch = "aarch64")]
    Neon(Neon),
    /// Arrays.
    Portable,
}

impl Level {
    /// The instruction set, in words.
    pub fn name(self) -> &'static str {
        match self {
            #[cfg(target_arch = "x86_64")]
            Level::Avx512(_) => "AVX-512",
            #[cfg(target_arch = "x86_64")]
            Level::Avx2(_) => "AVX2 and FMA",
            #[cfg(target_arch = "aarch64")]
            Level::Neon(_) => "NEON",
            Level::Portable => "portable vectors",
        }
    }
}

/// What this CPU offers, best first.
pub fn levels() -> Vec<Level> {
    let mut v = vec![];
    #[cfg(target_arch = "x86_64")]
    {
        // Every feature that `dispatch_at` enables.
        let avx2 = is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma");
        let avx512 = is_x86_feature_detected!("avx512f")
            && is_x86_feature_detected!("avx512dq")
            && is_x86_feature_detected!("avx512vl")
            && is_x86_feature_detected!("avx512bw");
        if avx2 && avx512 {
            v.push(Level::Avx512(Avx512(())));
        }
        if avx2 {
            v.push(Level::Avx2(Avx2(())));
        }
    }
    #[cfg(target_arch = "aarch64")]
    v.push(Level::Neon(Neon(())));
    v.push(Level::Portable);
    v
}

/// The level that kernels use: the best one, unless `LETHE_SIMD=avx2` or `LETHE_SIMD=portable` in the environment lowers it.
pub fn level() -> Level {
    static LEVEL: std::sync::OnceLock<Level> = std::sync::OnceLock::new();
    *LEVEL.get_or_init(|| {
        let all = levels();
        let want = std::env::var("LETHE_SIMD").unwrap_or_default();
        *all.iter().find(|l| format!("{l:?}").to_lowercase().starts_with(&want)).unwrap_or(&all[0])
    })
}

/// Runs a kernel at a level.
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
