// cumsum.wgsl: inclusive cumulative sum along one axis of [outer, n, inner], from the front or (reverse = 1) from the end. f32.
//
// Kernels   ROWS     entry cumsum_rows: inner = 1, a workgroup a line, 1024 elements at a time with a carry.   Grid outer.
//           COLUMNS  entry cumsum_columns: a thread a line, neighbours side by side along inner; also for many short rows.
//                    Grid ceil(outer * inner / 256).
// Bindings  0 X, 1 Y.   Grid workgroups over x and, above 65535, y.

struct Params { outer: u32, n: u32, inner: u32, reverse: u32 }
var<immediate> p: Params;
@group(0) @binding(0) var<storage, read> X: array<f32>;
@group(0) @binding(1) var<storage, read_write> Y: array<f32>;

// The k-th element that is summed.
fn turned(k: u32) -> u32 { return select(k, p.n - 1u - k, p.reverse == 1u); }

//#if ROWS
var<workgroup> sums: array<f32, 512>; // two sets of 256: a step of the scan reads one and writes the other

@compute @workgroup_size(256)
fn cumsum_rows(@builtin(local_invocation_index) li: u32, @builtin(workgroup_id) w: vec3<u32>, @builtin(num_workgroups) nw: vec3<u32>) {
  let row = w.y * nw.x + w.x;
  if (row >= p.outer) { return; }
  let base = row * p.n;
  var carry = 0.0;
  for (var k0 = 0u; k0 < p.n; k0 += 1024u) {
    let k = k0 + li * 4u;
    var v = vec4<f32>(0.0);
    if (k < p.n) { v.x = X[base + turned(k)]; } if (k + 1u < p.n) { v.y = X[base + turned(k + 1u)]; }
    if (k + 2u < p.n) { v.z = X[base + turned(k + 2u)]; } if (k + 3u < p.n) { v.w = X[base + turned(k + 3u)]; }
    v.y += v.x; v.z += v.y; v.w += v.z;
    var from_set = 0u; // where the sums of the threads up to this one will lie
    sums[li] = v.w;
    for (var h = 1u; h < 256u; h <<= 1u) {
      workgroupBarrier();
      var s = sums[from_set + li];
      if (li >= h) { s += sums[from_set + li - h]; }
      from_set = 256u - from_set;
      sums[from_set + li] = s;
    }
    workgroupBarrier();
    var before = carry;
    if (li > 0u) { before += sums[from_set + li - 1u]; }
    v += before;
    if (k < p.n) { Y[base + turned(k)] = v.x; } if (k + 1u < p.n) { Y[base + turned(k + 1u)] = v.y; }
    if (k + 2u < p.n) { Y[base + turned(k + 2u)] = v.z; } if (k + 3u < p.n) { Y[base + turned(k + 3u)] = v.w; }
    carry += sums[from_set + 255u];
    workgroupBarrier();
  }
}
//#end

//#if COLUMNS
@compute @workgroup_size(256)
fn cumsum_columns(@builtin(local_invocation_index) li: u32, @builtin(workgroup_id) w: vec3<u32>, @builtin(num_workgroups) nw: vec3<u32>) {
  let line = (w.y * nw.x + w.x) * 256u + li;
  if (line >= p.outer * p.inner) { return; }
  let base = line / p.inner * p.n * p.inner + line % p.inner;
  var s = 0.0;
  for (var k = 0u; k < p.n; k++) {
    let at = base + turned(k) * p.inner;
    s += X[at];
    Y[at] = s;
  }
}
//#end
