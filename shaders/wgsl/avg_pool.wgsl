// avg_pool.wgsl: 2-D average pooling over planes (batch * channels of [h, w]) and its gradient, gathered: no atomics. f32.
//
// Kernels   FORWARD   entry avg_pool: Y = mean of a window.                 One thread an output.   Bindings 0 X, 1 Y.
//           BACKWARD  entry avg_pool_input: dX = sum of dY / count over the windows that hold the element.
//                     One thread an input.   Bindings 0 dY, 1 dX.
// Windows   Cell i of an axis covers i * stride - pad .. + kernel; with ADAPTIVE floor(i * size / out) .. ceil((i + 1) * size / out).
//           include_pad (bit 1 of flags) divides by the kernel's area, else by the number of elements there are (at least one: pad <
//           kernel).
// Box       A dispatch goes through box_h x box_w of what a thread has to go through (a window's elements, or the windows that hold an
//           element), from (box_y, box_x) on, so that no thread runs long; but for the first (bit 0 of flags) it adds to what there is.
// Grid      ceil(elements / 256) workgroups, over x and, above 65535, y.
//           With ADAPTIVE, kernel, stride, pad and include_pad are not used; size * out + max(size, out) below 2^32 for either axis.
//           Global pooling is better done by reduce.wgsl, which gives a plane more than one thread.

struct Params {
  planes: u32, size_y: i32, size_x: i32, out_y: i32, out_x: i32, kernel_y: i32, kernel_x: i32, stride_y: i32, stride_x: i32,
  pad_y: i32, pad_x: i32, box_y: i32, box_x: i32, box_h: i32, box_w: i32, flags: u32,
}
var<immediate> p: Params;
fn size() -> vec2<i32> { return vec2<i32>(p.size_y, p.size_x); }
fn out_size() -> vec2<i32> { return vec2<i32>(p.out_y, p.out_x); }

struct Span { first: vec2<i32>, end: vec2<i32> } // of elements or of cells, `end` not included
//#if ADAPTIVE
fn adaptive(at: vec2<i32>, count: vec2<i32>, onto: vec2<i32>) -> Span {
  let i = vec2<u32>(at); let n = vec2<u32>(count); let m = vec2<u32>(onto);
  return Span(vec2<i32>(i * m / n), vec2<i32>(((i + 1u) * m + n - 1u) / n));
}
fn elements_of(cell: vec2<i32>) -> Span { return adaptive(cell, out_size(), size()); }
// The same formula: cell i holds element y if i * size < (y + 1) * out and (i + 1) * size > y * out.
fn cells_of(element: vec2<i32>) -> Span { return adaptive(element, size(), out_size()); }
//#else
fn kernel() -> vec2<i32> { return vec2<i32>(p.kernel_y, p.kernel_x); }
fn stride() -> vec2<i32> { return vec2<i32>(p.stride_y, p.stride_x); }
fn pad() -> vec2<i32> { return vec2<i32>(p.pad_y, p.pad_x); }
fn elements_of(cell: vec2<i32>) -> Span {
  let start = cell * stride() - pad();
  return Span(max(start, vec2<i32>(0)), min(start + kernel(), size()));
}
fn cells_of(element: vec2<i32>) -> Span {
  let at = element + pad();
  return Span(max(at - kernel() + stride(), vec2<i32>(0)) / stride(), min(at / stride() + 1, out_size()));
}
//#end
fn share_of(window: Span) -> f32 {
  var area = window.end - window.first;
//#if ADAPTIVE
//#else
  if ((p.flags & 2u) != 0u) { area = kernel(); }
//#end
  return 1.0 / (f32(area.x) * f32(area.y));
}
fn boxed(all: Span) -> Span {
  let first = all.first + vec2<i32>(p.box_y, p.box_x);
  return Span(first, min(all.end, first + vec2<i32>(p.box_h, p.box_w)));
}

//#if FORWARD
@group(0) @binding(0) var<storage, read> X: array<f32>;
@group(0) @binding(1) var<storage, read_write> Y: array<f32>;
@compute @workgroup_size(256)
fn avg_pool(@builtin(local_invocation_index) li: u32, @builtin(workgroup_id) w: vec3<u32>, @builtin(num_workgroups) nw: vec3<u32>) {
  let i = (w.y * nw.x + w.x) * 256u + li; let area = u32(p.out_y * p.out_x); let plane = i / area; let r = i32(i % area);
  if (plane >= p.planes) { return; }
  let window = elements_of(vec2<i32>(r / p.out_x, r % p.out_x)); let part = boxed(window);
  let base = plane * u32(p.size_y * p.size_x);
  var s = 0.0;
  for (var y = part.first.x; y < part.end.x; y++) {
    var row = 0.0;
    for (var x = part.first.y; x < part.end.y; x++) { row += X[base + u32(y * p.size_x + x)]; }
    s += row;
  }
  s *= share_of(window);
  if ((p.flags & 1u) != 0u) { s += Y[i]; }
  Y[i] = s;
}
//#end

//#if BACKWARD
@group(0) @binding(0) var<storage, read> dY: array<f32>;
@group(0) @binding(1) var<storage, read_write> dX: array<f32>;
@compute @workgroup_size(256)
fn avg_pool_input(@builtin(local_invocation_index) li: u32, @builtin(workgroup_id) w: vec3<u32>, @builtin(num_workgroups) nw: vec3<u32>) {
  let i = (w.y * nw.x + w.x) * 256u + li; let area = u32(p.size_y * p.size_x); let plane = i / area; let r = i32(i % area);
  if (plane >= p.planes) { return; }
  let cells = boxed(cells_of(vec2<i32>(r / p.size_x, r % p.size_x))); let base = plane * u32(p.out_y * p.out_x);
  var s = 0.0;
  for (var y = cells.first.x; y < cells.end.x; y++) {
    var row = 0.0;
    for (var x = cells.first.y; x < cells.end.y; x++) {
      row = fma(dY[base + u32(y * p.out_x + x)], share_of(elements_of(vec2<i32>(y, x))), row);
    }
    s += row;
  }
  if ((p.flags & 1u) != 0u) { s += dX[i]; }
  dX[i] = s;
}
//#end
