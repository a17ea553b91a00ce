// cast.wgsl: from f32 to 16-bit formats stored two to a word, the first in the low half. Rounds to nearest, ties to even. Generated kernels
// read the halves themselves.
//
// Kernel    PACK    entry pack: OUT[ceil(n / 2)] words from IN[n]; the high half of an odd tail is 0.   Bindings 0 IN (f32), 1 OUT (u32).
// Flags     F16 (IEEE binary16) or BF16.
// Grid      ceil(n / 512) workgroups, over x and, above 65535, y.
//
// All by arithmetic on bits, for both formats: pack2x16float may round either way, its result is indeterminate where f16 overflows, and
// some drivers take it only with their 16-bit feature. Infinities and NaNs pass; subnormals are exact even where a GPU flushes f32's.

struct Params { n: u32 }
var<immediate> p: Params;

//#if PACK
@group(0) @binding(0) var<storage, read> IN: array<u32>;
@group(0) @binding(1) var<storage, read_write> OUT: array<u32>;
// v / 2^shift, to nearest, ties to even; shift at most 31.
fn shifted(v: u32, shift: u32) -> u32 { return (v + (1u << (shift - 1u)) - 1u + ((v >> shift) & 1u)) >> shift; }
//#if BF16
fn half_of(bits: u32) -> u32 {
  if ((bits & 0x7fffffffu) > 0x7f800000u) { return (bits >> 16u) | 0x40u; } // a NaN must not round to infinity
  return shifted(bits, 16u);
}
//#end
//#if F16
fn half_of(bits: u32) -> u32 {
  let sign = (bits >> 16u) & 0x8000u; let a = bits & 0x7fffffffu; let exponent = a >> 23u;
  if (a > 0x7f800000u) { return sign | 0x7e00u; }
  if (a >= 0x477ff000u) { return sign | 0x7c00u; } // 65520 and more round to infinity
  if (exponent >= 113u) { return sign | shifted(a - (112u << 23u), 13u); }
  if (exponent < 102u) { return sign; } // below half of the smallest subnormal
  return sign | shifted((a & 0x7fffffu) | 0x800000u, 126u - exponent); // in units of 2^-24
}
//#end
@compute @workgroup_size(256)
fn pack(@builtin(local_invocation_index) li: u32, @builtin(workgroup_id) w: vec3<u32>, @builtin(num_workgroups) nw: vec3<u32>) {
  let word = (w.y * nw.x + w.x) * 256u + li; let i = 2u * word;
  if (i >= p.n) { return; }
  var high = 0u;
  if (i + 1u < p.n) { high = half_of(IN[i + 1u]) << 16u; }
  OUT[word] = half_of(IN[i]) | high;
}
//#end
