// max_pool.wgsl: 2-D max pooling over planes (batch * channels of [h, w]) and its gradient, gathered instead of scattered: no atomics. f32.
//
// Kernels   FORWARD   entry max_pool: Y and INDEX (y * w + x of the first largest element; u32).   One thread an output.
//                     Bindings 0 X, 1 Y, 2 INDEX.
//           BACKWARD  entry max_pool_input: dX[i] = sum of dY over the windows whose INDEX is i.   One thread an input.
//                     Bindings 0 dY, 1 INDEX, 2 dX.
// Grid      ceil(elements / 256) workgroups, over x and, above 65535, y. Pairs are two 16-bit halves, y low.
//           A window must hold at least one element (padding < kernel). The first not-a-number of a window, known by its bits, is its
//           largest element, so that a diverged image stays seen.

struct Params { planes: u32, size: u32, out_size: u32, kernel: u32, stride: u32, pad: u32, dilation: u32 }
var<immediate> p: Params;
fn pair(v: u32) -> vec2<i32> { return vec2<i32>(i32(v & 0xffffu), i32(v >> 16u)); } // (y, x)

//#if FORWARD
@group(0) @binding(0) var<storage, read> X: array<f32>;
@group(0) @binding(1) var<storage, read_write> Y: array<f32>;
@group(0) @binding(2) var<storage, read_write> INDEX: array<u32>;
fn is_nan(v: f32) -> bool { return (bitcast<u32>(v) & 0x7fffffffu) > 0x7f800000u; }
@compute @workgroup_size(256)
fn max_pool(@builtin(local_invocation_index) li: u32, @builtin(workgroup_id) w: vec3<u32>, @builtin(num_workgroups) nw: vec3<u32>) {
  let i = (w.y * nw.x + w.x) * 256u + li; let size = pair(p.size); let out = vec2<u32>(pair(p.out_size));
  let kernel = pair(p.kernel); let dil = pair(p.dilation);
  let plane = i / (out.x * out.y); let r = i % (out.x * out.y);
  if (plane >= p.planes) { return; }
  let base = plane * u32(size.x * size.y); let start = vec2<i32>(i32(r / out.y), i32(r % out.y)) * pair(p.stride) - pair(p.pad);
  var best = -3.4e38; var at = 0u; var none = true;
  for (var ky = 0; ky < kernel.x; ky++) {
    let y = start.x + ky * dil.x;
    if (y < 0 || y >= size.x) { continue; }
    for (var kx = 0; kx < kernel.y; kx++) {
      let x = start.y + kx * dil.y;
      if (x < 0 || x >= size.y) { continue; }
      let v = X[base + u32(y * size.y + x)];
      if (none || (!is_nan(best) && (v > best || is_nan(v)))) { best = v; at = u32(y * size.y + x); none = false; }
    }
  }
  Y[i] = best; INDEX[i] = at;
}
//#end

//#if BACKWARD
@group(0) @binding(0) var<storage, read> dY: array<f32>;
@group(0) @binding(1) var<storage, read> INDEX: array<u32>;
@group(0) @binding(2) var<storage, read_write> dX: array<f32>;
@compute @workgroup_size(256)
fn max_pool_input(@builtin(local_invocation_index) li: u32, @builtin(workgroup_id) w: vec3<u32>, @builtin(num_workgroups) nw: vec3<u32>) {
  let i = (w.y * nw.x + w.x) * 256u + li; let size = vec2<u32>(pair(p.size)); let out = pair(p.out_size); let stride = pair(p.stride);
  let plane = i / (size.x * size.y); let r = i % (size.x * size.y);
  if (plane >= p.planes) { return; }
  // Windows (oy, ox) that reach over (y, x): oy * stride - pad <= y <= oy * stride - pad + (kernel - 1) * dilation.
  let at = vec2<i32>(i32(r / size.y), i32(r % size.y)) + pair(p.pad);
  let first = max(at - (pair(p.kernel) - 1) * pair(p.dilation) + stride - 1, vec2<i32>(0)) / stride; let last = min(at / stride, out - 1);
  var s = 0.0;
  for (var y = first.x; y <= last.x; y++) {
    for (var x = first.y; x <= last.y; x++) {
      let o = plane * u32(out.x * out.y) + u32(y * out.y + x);
      if (INDEX[o] == r) { s += dY[o]; }
    }
  }
  dX[i] = s;
}
//#end
