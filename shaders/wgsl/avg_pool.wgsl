// avg_pool.wgsl: 2-D average pooling over planes (batch * channels of [h, w]) and its gradient, gathered: no atomics. f32.
//
// Kernels   FORWARD   entry avg_pool: Y = mean of a window.                 One thread an output.   Bindings 0 X, 1 Y.
//           BACKWARD  entry avg_pool_input: dX = sum of dY / count over the windows that hold the element.
//                     One thread an input.   Bindings 0 dY, 1 dX.
// Windows   Cell i of an axis covers i * stride - pad .. + kernel; with ADAPTIVE floor(i * size / out) .. ceil((i + 1) * size / out).
//           include_pad = 1 divides by the kernel's area, 0 by the number of elements there are (at least one: pad < kernel).
// Grid      ceil(elements / 256) workgroups, over x and, above 65535, y. Pairs are two 16-bit halves, y low.
//           With ADAPTIVE, kernel, stride, pad and include_pad are not used; size * out below 2^32 for either axis. Global pooling is
//           better done by reduce.wgsl, which gives a plane more than one thread.

struct Params { planes: u32, size: u32, out_size: u32, kernel: u32, stride: u32, pad: u32, include_pad: u32 }
var<immediate> p: Params;
fn pair(v: u32) -> vec2<i32> { return vec2<i32>(i32(v & 0xffffu), i32(v >> 16u)); } // (y, x)

struct Span { first: vec2<i32>, end: vec2<i32> } // of elements or of cells, `end` not included
//#if ADAPTIVE
fn adaptive(at: vec2<i32>, count: vec2<i32>, onto: vec2<i32>) -> Span {
  let i = vec2<u32>(at); let n = vec2<u32>(count); let m = vec2<u32>(onto);
  return Span(vec2<i32>(i * m / n), vec2<i32>(((i + 1u) * m + n - 1u) / n));
}
fn elements_of(cell: vec2<i32>) -> Span { return adaptive(cell, pair(p.out_size), pair(p.size)); }
// The same formula: cell i holds element y if i * size < (y + 1) * out and (i + 1) * size > y * out.
fn cells_of(element: vec2<i32>) -> Span { return adaptive(element, pair(p.size), pair(p.out_size)); }
//#else
fn elements_of(cell: vec2<i32>) -> Span {
  let start = cell * pair(p.stride) - pair(p.pad);
  return Span(max(start, vec2<i32>(0)), min(start + pair(p.kernel), pair(p.size)));
}
fn cells_of(element: vec2<i32>) -> Span {
  let at = element + pair(p.pad); let stride = pair(p.stride);
  return Span(max(at - pair(p.kernel) + stride, vec2<i32>(0)) / stride, min(at / stride + 1, pair(p.out_size)));
}
//#end
fn share_of(window: Span) -> f32 {
  var area = window.end - window.first;
//#if ADAPTIVE
//#else
  if (p.include_pad == 1u) { area = pair(p.kernel); }
//#end
  return 1.0 / f32(area.x * area.y);
}

//#if FORWARD
@group(0) @binding(0) var<storage, read> X: array<f32>;
@group(0) @binding(1) var<storage, read_write> Y: array<f32>;
@compute @workgroup_size(256)
fn avg_pool(@builtin(local_invocation_index) li: u32, @builtin(workgroup_id) w: vec3<u32>, @builtin(num_workgroups) nw: vec3<u32>) {
  let i = (w.y * nw.x + w.x) * 256u + li; let size = pair(p.size); let out = pair(p.out_size);
  let area = u32(out.x * out.y); let plane = i / area; let r = i32(i % area);
  if (plane >= p.planes) { return; }
  let window = elements_of(vec2<i32>(r / out.y, r % out.y)); let base = plane * u32(size.x * size.y);
  var s = 0.0;
  for (var y = window.first.x; y < window.end.x; y++) {
    for (var x = window.first.y; x < window.end.y; x++) { s += X[base + u32(y * size.y + x)]; }
  }
  Y[i] = s * share_of(window);
}
//#end

//#if BACKWARD
@group(0) @binding(0) var<storage, read> dY: array<f32>;
@group(0) @binding(1) var<storage, read_write> dX: array<f32>;
@compute @workgroup_size(256)
fn avg_pool_input(@builtin(local_invocation_index) li: u32, @builtin(workgroup_id) w: vec3<u32>, @builtin(num_workgroups) nw: vec3<u32>) {
  let i = (w.y * nw.x + w.x) * 256u + li; let size = pair(p.size); let out = pair(p.out_size);
  let area = u32(size.x * size.y); let plane = i / area; let r = i32(i % area);
  if (plane >= p.planes) { return; }
  let cells = cells_of(vec2<i32>(r / size.y, r % size.y)); let base = plane * u32(out.x * out.y);
  var s = 0.0;
  for (var y = cells.first.x; y < cells.end.x; y++) {
    for (var x = cells.first.y; x < cells.end.y; x++) {
      s = fma(dY[base + u32(y * out.y + x)], share_of(elements_of(vec2<i32>(y, x))), s);
    }
  }
  dX[i] = s;
}
//#end
