//! The kernels that are generated from expressions, through the gate that hand-written ones pass.

#![cfg(feature = "gpu")]

use lethe::cli::shaders::generated;
use lethe_shaders::gate;

#[test]
fn generated_kernels_pass_the_gate() {
    let kernels = generated();
    assert!(kernels.len() > 100, "only {} kernels", kernels.len());
    let wrong: Vec<String> = kernels
        .iter()
        .filter_map(|(name, text)| gate::check(text, "elementwise", &[]).err().map(|e| format!("{name}: {e}\n{text}")))
        .collect();
    assert!(wrong.is_empty(), "{} of {} kernels:\n{}", wrong.len(), kernels.len(), wrong[0]);
}
