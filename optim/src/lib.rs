//! Optimisers and extragradient steps.
