// random.wgsl: Philox 4x32-10 (Salmon, Moraes, Dror and Shaw 2011): random numbers by counter, the same integers as on the CPU.
//
// Functions without a flag, for generated kernels: philox(counter, key) is the block of four words that belongs to a counter and a key.
// Kernel    BITS  entry random_bits: OUT[4 b + j] = word j of the block with counter (c0, c1) + b as one 64-bit number, (c2, c3), and key
//                 (k0, k1), for all words before n.   Binding 0 OUT.   Grid ceil(n / 1024) workgroups, over x and, above 65535, y.
// Test      counter 0, key 0: 6627e8d5 e169c58d bc57ac4c 9b00dbd8.

// The high word of a product: WGSL has no 64-bit integers.
fn philox_high(a: u32, b: u32) -> u32 {
  let al = a & 0xffffu; let ah = a >> 16u; let bl = b & 0xffffu; let bh = b >> 16u;
  let m = ah * bl + ((al * bl) >> 16u); let n = al * bh + (m & 0xffffu);
  return ah * bh + (m >> 16u) + (n >> 16u);
}
fn philox(counter: vec4<u32>, key: vec2<u32>) -> vec4<u32> {
  var c = counter; var k = key;
  for (var round = 0u; round < 10u; round++) {
    let h0 = philox_high(0xD2511F53u, c.x); let l0 = 0xD2511F53u * c.x;
    let h1 = philox_high(0xCD9E8D57u, c.z); let l1 = 0xCD9E8D57u * c.z;
    c = vec4<u32>(h1 ^ c.y ^ k.x, l1, h0 ^ c.w ^ k.y, l0);
    k += vec2<u32>(0x9E3779B9u, 0xBB67AE85u);
  }
  return c;
}

//#if BITS
struct Params { n: u32, c0: u32, c1: u32, c2: u32, c3: u32, k0: u32, k1: u32 }
var<immediate> p: Params;
@group(0) @binding(0) var<storage, read_write> OUT: array<u32>;
@compute @workgroup_size(256)
fn random_bits(@builtin(local_invocation_index) li: u32, @builtin(workgroup_id) w: vec3<u32>, @builtin(num_workgroups) nw: vec3<u32>) {
  let block = (w.y * nw.x + w.x) * 256u + li; let i = block * 4u;
  if (i >= p.n) { return; }
  let low = p.c0 + block; let high = p.c1 + select(0u, 1u, low < block);
  let r = philox(vec4<u32>(low, high, p.c2, p.c3), vec2<u32>(p.k0, p.k1));
  OUT[i] = r.x;
  if (i + 1u < p.n) { OUT[i + 1u] = r.y; }
  if (i + 2u < p.n) { OUT[i + 2u] = r.z; }
  if (i + 3u < p.n) { OUT[i + 3u] = r.w; }
}
//#end
