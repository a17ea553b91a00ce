//! `lethe data get`, with servers on this machine that are mirrors of tiny data sets: honest ones and others.

#![cfg(feature = "program")]

mod beside;
#[path = "../common/mod.rs"]
mod common;
mod installing;
mod mirror;
mod server;
mod servers;
