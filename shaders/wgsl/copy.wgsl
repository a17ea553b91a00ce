// copy.wgsl: moving 32-bit words: strided views to contiguous memory and back, transposition, concatenation, filling.
//
// Kernels   COPY       entry copy: OUT[i] = IN[offset + sum of index * stride], i the row-major number of an index of a shape of up to six
//                      dimensions, outermost first; unused ones have size 1. Strides may be 0 (broadcast) or negative (flip).
//           with INTO  the other way, OUT[offset + ...] = IN[i], into places that must be distinct: padding, slices of a gradient.
//                      Bindings 0 IN, 1 OUT.   Grid ceil(n / 256).
//           TRANSPOSE  entry transpose: OUT [outer ...][cols][rows] = IN [outer ...][rows][cols], for views whose two inner dimensions
//                      change places; a whole tile goes through workgroup memory, so that reads and writes are both contiguous. IN has
//                      its first element at `offset`, cols with stride 1, rows with row_stride, three outer dimensions with strides.
//                      Bindings 0 IN, 1 OUT.   Grid s0 * s1 * s2 * ceil(rows / 32) * ceil(cols / 32).
//           CONCAT     entry concat: OUT[i / block * pitch + start + i % block] = IN[i], one dispatch a part: a part of [outer, block]
//                      in an output of [outer, pitch].   Bindings 0 IN, 1 OUT.   Grid ceil(n / 256).
//           FILL       entry fill: OUT[start + i] = value, for i < n.   Binding 1 OUT.   Grid ceil(n / 256).
// Grid      workgroups over x and, above 65535, y.
//
// The host merges dimensions first, so six are enough; a division less for each dimension that is not there.

//#if COPY
struct Params {
  n: u32, offset: i32,
  s0: u32, s1: u32, s2: u32, s3: u32, s4: u32, s5: u32, // shape
  t0: i32, t1: i32, t2: i32, t3: i32, t4: i32, t5: i32, // strides
}
var<immediate> p: Params;
@group(0) @binding(0) var<storage, read> IN: array<u32>;
@group(0) @binding(1) var<storage, read_write> OUT: array<u32>;

fn place(i: u32) -> u32 {
  var rest = i;
  var at = p.offset + i32(rest % p.s5) * p.t5; rest /= p.s5;
  if (rest != 0u) { at += i32(rest % p.s4) * p.t4; rest /= p.s4; }
  if (rest != 0u) { at += i32(rest % p.s3) * p.t3; rest /= p.s3; }
  if (rest != 0u) { at += i32(rest % p.s2) * p.t2; rest /= p.s2; }
  if (rest != 0u) { at += i32(rest % p.s1) * p.t1 + i32(rest / p.s1) * p.t0; }
  return u32(at);
}

@compute @workgroup_size(256)
fn copy(@builtin(local_invocation_index) li: u32, @builtin(workgroup_id) w: vec3<u32>, @builtin(num_workgroups) nw: vec3<u32>) {
  let i = (w.y * nw.x + w.x) * 256u + li;
  if (i >= p.n) { return; }
//#if INTO
  OUT[place(i)] = IN[i];
//#else
  OUT[i] = IN[place(i)];
//#end
}
//#end

//#if TRANSPOSE
struct Params {
  rows: u32, cols: u32, row_stride: i32, offset: i32,
  s0: u32, s1: u32, s2: u32, t0: i32, t1: i32, t2: i32, // outer shape and strides, outermost first
}
var<immediate> p: Params;
@group(0) @binding(0) var<storage, read> IN: array<u32>;
@group(0) @binding(1) var<storage, read_write> OUT: array<u32>;
var<workgroup> tile: array<u32, 1056>; // [32][33]: the odd pitch puts a column into as many banks as a row

// 32 x 8 threads, four rows each.
@compute @workgroup_size(256)
fn transpose(@builtin(local_invocation_index) li: u32, @builtin(workgroup_id) w: vec3<u32>, @builtin(num_workgroups) nw: vec3<u32>) {
  let across = (p.cols + 31u) / 32u; let down = (p.rows + 31u) / 32u; let group = w.y * nw.x + w.x;
  let c0 = group % across * 32u; let r0 = group / across % down * 32u; let outer = group / across / down;
  if (outer >= p.s0 * p.s1 * p.s2) { return; }
  let x = li % 32u; let y = li / 32u;
  let base = p.offset + i32(outer % p.s2) * p.t2 + i32(outer / p.s2 % p.s1) * p.t1 + i32(outer / p.s2 / p.s1) * p.t0;
  for (var k = y; k < 32u; k += 8u) {
    if (r0 + k < p.rows && c0 + x < p.cols) { tile[k * 33u + x] = IN[u32(base + i32(r0 + k) * p.row_stride + i32(c0 + x))]; }
  }
  workgroupBarrier();
  for (var k = y; k < 32u; k += 8u) {
    if (c0 + k < p.cols && r0 + x < p.rows) { OUT[(outer * p.cols + c0 + k) * p.rows + r0 + x] = tile[x * 33u + k]; }
  }
}
//#end

//#if CONCAT
struct Params { n: u32, block: u32, pitch: u32, start: u32 }
var<immediate> p: Params;
@group(0) @binding(0) var<storage, read> IN: array<u32>;
@group(0) @binding(1) var<storage, read_write> OUT: array<u32>;
@compute @workgroup_size(256)
fn concat(@builtin(local_invocation_index) li: u32, @builtin(workgroup_id) w: vec3<u32>, @builtin(num_workgroups) nw: vec3<u32>) {
  let i = (w.y * nw.x + w.x) * 256u + li;
  if (i < p.n) { OUT[i / p.block * p.pitch + p.start + i % p.block] = IN[i]; }
}
//#end

//#if FILL
struct Params { n: u32, start: u32, value: u32 }
var<immediate> p: Params;
@group(0) @binding(1) var<storage, read_write> OUT: array<u32>;
@compute @workgroup_size(256)
fn fill(@builtin(local_invocation_index) li: u32, @builtin(workgroup_id) w: vec3<u32>, @builtin(num_workgroups) nw: vec3<u32>) {
  let i = (w.y * nw.x + w.x) * 256u + li;
  if (i < p.n) { OUT[p.start + i] = p.value; }
}
//#end
