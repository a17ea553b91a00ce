// max_pool.wgsl: 2-D max pooling over planes (batch * channels of [h, w]) and its gradient, gathered instead of scattered: no atomics. f32.
//
// Kernels   FORWARD   entry max_pool: Y and INDEX (y * w + x of the first largest element; u32).   One thread an output.
//                     Bindings 0 X, 1 Y, 2 INDEX.
//           BACKWARD  entry max_pool_input: dX[i] = sum of dY over the windows whose INDEX is i; NaN if that of one over it
//                     lies outside of the plane, lest what is lost pass for a number.   One thread an input.
//                     Bindings 0 dY, 1 INDEX, 2 dX.
// Box       A dispatch goes through box_h x box_w of what a thread has to go through (a window's taps, or the windows that reach over an
//           element), from (box_y, box_x) on, so that no thread runs long; but for the first box it goes on from the results so far. Boxes
//           follow each other row by row, and hold whole rows or parts of one.
// Grid      ceil(elements / 256) workgroups, over x and, above 65535, y.
//           A window must hold at least one element (padding < kernel). The first not-a-number of a window, known by its bits, is its
//           largest element, so that a diverged image stays seen.

struct Params {
  planes: u32, size_y: i32, size_x: i32, out_y: i32, out_x: i32, kernel_y: i32, kernel_x: i32, stride_y: i32, stride_x: i32,
  pad_y: i32, pad_x: i32, box_y: i32, box_x: i32, box_h: i32, box_w: i32, go_on: u32,
}
var<immediate> p: Params;

//#if FORWARD
@group(0) @binding(0) var<storage, read> X: array<f32>;
@group(0) @binding(1) var<storage, read_write> Y: array<f32>;
@group(0) @binding(2) var<storage, read_write> INDEX: array<u32>;
const NONE = 0xffffffffu; // the place of the largest of no elements
fn is_nan(v: f32) -> bool { return (bitcast<u32>(v) & 0x7fffffffu) > 0x7f800000u; }
@compute @workgroup_size(256)
fn max_pool(@builtin(local_invocation_index) li: u32, @builtin(workgroup_id) w: vec3<u32>, @builtin(num_workgroups) nw: vec3<u32>) {
  let i = (w.y * nw.x + w.x) * 256u + li; let area = u32(p.out_y * p.out_x); let plane = i / area; let r = i32(i % area);
  if (plane >= p.planes) { return; }
  let base = plane * u32(p.size_y * p.size_x); let top = r / p.out_x * p.stride_y - p.pad_y; let left = r % p.out_x * p.stride_x - p.pad_x;
  var best = -3.4e38; var at = NONE;
  if (p.go_on == 1u) { best = Y[i]; at = INDEX[i]; }
  let y_end = min(top + min(p.box_y + p.box_h, p.kernel_y), p.size_y); let x_end = min(left + min(p.box_x + p.box_w, p.kernel_x), p.size_x);
  for (var y = max(top + p.box_y, 0); y < y_end; y++) {
    for (var x = max(left + p.box_x, 0); x < x_end; x++) {
      let v = X[base + u32(y * p.size_x + x)];
      if (at == NONE || (!is_nan(best) && (v > best || is_nan(v)))) { best = v; at = u32(y * p.size_x + x); }
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
  let i = (w.y * nw.x + w.x) * 256u + li; let area = u32(p.size_y * p.size_x); let plane = i / area; let r = i % area;
  if (plane >= p.planes) { return; }
  // Windows (oy, ox) that reach over (y, x): oy * stride - pad <= y < oy * stride - pad + kernel.
  let at = vec2<i32>(i32(r) / p.size_x + p.pad_y, i32(r) % p.size_x + p.pad_x); let stride = vec2<i32>(p.stride_y, p.stride_x);
  let first = max(at - vec2<i32>(p.kernel_y, p.kernel_x) + stride, vec2<i32>(0)) / stride + vec2<i32>(p.box_y, p.box_x);
  let end = min(min(at / stride + 1, vec2<i32>(p.out_y, p.out_x)), first + vec2<i32>(p.box_h, p.box_w));
  var s = 0.0;
  for (var y = first.x; y < end.x; y++) {
    var row = 0.0;
    for (var x = first.y; x < end.y; x++) {
      let o = plane * u32(p.out_y * p.out_x) + u32(y * p.out_x + x);
      let place = INDEX[o];
      if (place == r) { row += dY[o]; } else if (place >= area) { row += bitcast<f32>(place | 0x7fc00000u); }
    }
    s += row;
  }
  if (p.go_on == 1u) { s += dX[i]; }
  dX[i] = s;
}
//#end
