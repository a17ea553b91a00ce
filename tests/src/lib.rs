//! What crosses packages.
