//! The gate that every kernel passes before a device may see it, for tests: no GPU is needed.
//!
//! [`check`] parses and validates a kernel with naga, which is what wgpu itself uses, translates it to SPIR-V, Metal 2.4, HLSL
//! (shader model 6.0) and GLSL (ES 3.1), and holds it to the rules of the house. It is not a proof: the platforms' own compilers
//! are not run, and nothing is executed.

mod kernel;
mod rules;
mod translate;

pub use kernel::{GateError, MAX_INVOCATIONS, MAX_PARAMS_BYTES, MAX_STORAGE_BUFFERS, MAX_WORKGROUP_BYTES, Report};

use kernel::Kernel;
use naga::valid::{Capabilities, ValidationFlags, Validator};
use naga::{ShaderStage, back};

/// Checks one expanded kernel: WGSL `source` with its parameters in either form, an entry point, values for its constants.
///
/// # Errors
/// The first thing found: a parse or validation error with its place in the source, a failed translation, or a broken rule (at
/// most 8 storage buffers, each used by the entry point; 16 KiB of workgroup memory; 256 invocations; one `Params` of at most 64
/// bytes of 4-byte scalars; no extensions, atomics or infinities; no comparison of a value with itself; `tanh` of a clamped
/// argument only).
pub fn check(source: &str, entry: &str, constants: &[(&str, f64)]) -> Result<Report, GateError> {
    rules::text(source)?;
    let module = naga::front::wgsl::parse_str(source)
        .map_err(|error| GateError::new(format!("does not parse: {}", error.emit_to_string(source))))?;
    let info = Validator::new(ValidationFlags::all(), Capabilities::IMMEDIATES)
        .validate(&module)
        .map_err(|error| GateError::new(format!("is not valid: {}", error.emit_to_string(source))))?;
    let declared = rules::bindings(&Kernel { module: &module, info: &info, entry })?;
    rules::functions(&module)?;
    let values = constants.iter().map(|(name, value)| (name.to_string(), *value)).collect();
    let (module, info) =
        back::pipeline_constants::process_overrides(&module, &info, Some((ShaderStage::Compute, entry)), &values)
            .map_err(|error| GateError::new(format!("constants {constants:?}: {error}")))?;
    let kernel = Kernel { module: &module, info: &info, entry };
    let mut report = rules::sizes(&kernel)?;
    report.storage_buffers = declared;
    report.spirv_words = translate::all(&kernel)?;
    Ok(report)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: &str = "struct Params { n: u32, scale: f32 }\nvar<immediate> p: Params;\n\
        @group(0) @binding(0) var<storage, read> X: array<f32>;\n\
        @group(0) @binding(1) var<storage, read_write> Y: array<f32>;\n";

    fn kernel(body: &str) -> String {
        format!(
            "{HEAD}@compute @workgroup_size(256)\nfn main(@builtin(global_invocation_id) id: vec3<u32>) {{\n\
             if (id.x >= p.n) {{ return; }}\nlet x = X[id.x] * p.scale;\n{body}\n}}\n"
        )
    }

    fn refused(source: &str, why: &str) {
        let error = check(source, "main", &[]).expect_err(why).to_string();
        assert!(error.contains(why), "{error:?} does not say {why:?}");
    }

    #[test]
    fn passes_a_plain_kernel() {
        let report = check(&kernel("Y[id.x] = x;"), "main", &[]).unwrap();
        let want = Report { storage_buffers: 2, workgroup_bytes: 0, invocations: 256, params_bytes: 8, ..report };
        assert_eq!(report, want);
        assert!(report.spirv_words > 50);
    }

    #[test]
    fn refuses_what_the_rules_forbid() {
        refused(&kernel("Y[id.x] = q;"), "does not parse");
        refused(&kernel("Y[id.x] = select(x, 0.0, x != x);"), "compares a value with itself");
        refused(&kernel("Y[id.x] = select(x, 0.0, X[id.x] != X[id.x]);"), "compares a value with itself");
        refused(&kernel("Y[id.x] = tanh(x);"), "tanh");
        refused(&kernel("Y[id.x] = bitcast<f32>(0x7f800000u);"), "");
        refused(&kernel("Y[id.x] = 1.0;").replace("let x = X[id.x] * p.scale;", ""), "does not use");
        refused(&format!("enable f16;\n{}", kernel("Y[id.x] = x;")), "enable");
        refused(&kernel("Y[id.x] = x;").replace("size(256)", "size(512)"), "512 invocations");
        refused(&kernel("Y[id.x] = x;").replace("n: u32", "n: u32, m: vec2<u32>"), "4-byte scalars");
        let shared = kernel("big[id.x] = x; Y[id.x] = big[0];")
            .replace("@compute", "var<workgroup> big: array<f32, 4097>;\n@compute");
        refused(&shared, "16388 bytes of workgroup memory");
        let atomic =
            kernel("atomicAdd(&a, 1u); Y[id.x] = x;").replace("@compute", "var<workgroup> a: atomic<u32>;\n@compute");
        refused(&atomic, "atomic");
        let members: String = (0..15).map(|i| format!("m{i}: u32, ")).collect();
        refused(&kernel("Y[id.x] = x;").replace("n: u32", &format!("{members}n: u32")), "68 bytes");
    }

    #[test]
    fn a_clamped_tanh_passes() {
        check(&kernel("Y[id.x] = tanh(clamp(x, -15.0, 15.0));"), "main", &[]).unwrap();
    }
}
