// cumsum.wgsl: inclusive cumulative sum along one axis of [outer, n, inner], from the front or (reverse = 1) from the end. f32.
//
// A line is cut into chunks, so that no thread runs long and sums of many lose few digits: a reduction adds up each chunk, this file sums
// the chunks' sums (which may be cut again), and then the elements of each chunk, on from what came before it.
//
// Kernels   ROWS     entry cumsum_rows: inner = 1, a workgroup a chunk, chunk = 1024.   Grid outer * chunks.
//           COLUMNS  entry cumsum_columns: a thread a chunk, neighbours side by side along inner; also for many short rows.
//                    Grid ceil(outer * chunks * inner / 256).
// Bindings  0 X, 1 Y, 2 SUMS (CARRY): the cumulative sums [outer][chunks][inner] of the chunks, in the same direction.
// Flags     CARRY: for more than one chunk.   Grid workgroups over x and, above 65535, y.

struct Params { outer: u32, n: u32, inner: u32, reverse: u32, chunk: u32, chunks: u32 }
var<immediate> p: Params;
@group(0) @binding(0) var<storage, read> X: array<f32>;
@group(0) @binding(1) var<storage, read_write> Y: array<f32>;
//#if CARRY
@group(0) @binding(2) var<storage, read> SUMS: array<f32>;
// The sum of all that comes before a chunk.
fn before(o: u32, chunk: u32, i: u32) -> f32 {
  let first = select(0u, p.chunks - 1u, p.reverse == 1u);
  if (chunk == first) { return 0.0; }
  return SUMS[(o * p.chunks + select(chunk - 1u, chunk + 1u, p.reverse == 1u)) * p.inner + i];
}
//#else
fn before(o: u32, chunk: u32, i: u32) -> f32 { return 0.0; }
//#end

// The place of the k-th element that is summed, of a chunk of `count` elements from `begin` on.
fn turned(begin: u32, count: u32, k: u32) -> u32 { return begin + select(k, count - 1u - k, p.reverse == 1u); }

//#if ROWS
var<workgroup> sums: array<f32, 512>; // two sets of 256: a step of the scan reads one and writes the other

@compute @workgroup_size(256)
fn cumsum_rows(@builtin(local_invocation_index) li: u32, @builtin(workgroup_id) w: vec3<u32>, @builtin(num_workgroups) nw: vec3<u32>) {
  let part = w.y * nw.x + w.x; let row = part / p.chunks; let chunk = part % p.chunks;
  if (row >= p.outer) { return; }
  let begin = chunk * p.chunk; let count = min(p.chunk, p.n - begin); let base = row * p.n; let k = li * 4u;
  var v = vec4<f32>(0.0);
  for (var j = 0u; j < 4u; j++) { if (k + j < count) { v[j] = X[base + turned(begin, count, k + j)]; } }
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
  if (li > 0u) { v += sums[from_set + li - 1u]; }
  v += before(row, chunk, 0u);
  for (var j = 0u; j < 4u; j++) { if (k + j < count) { Y[base + turned(begin, count, k + j)] = v[j]; } }
}
//#end

//#if COLUMNS
@compute @workgroup_size(256)
fn cumsum_columns(@builtin(local_invocation_index) li: u32, @builtin(workgroup_id) w: vec3<u32>, @builtin(num_workgroups) nw: vec3<u32>) {
  let line = (w.y * nw.x + w.x) * 256u + li; let i = line % p.inner;
  let chunk = line / p.inner % p.chunks; let o = line / p.inner / p.chunks;
  if (o >= p.outer) { return; }
  let begin = chunk * p.chunk; let count = min(p.chunk, p.n - begin); let base = o * p.n * p.inner + i;
  let carry = before(o, chunk, i);
  var s = 0.0;
  for (var k = 0u; k < count; k++) {
    let at = base + turned(begin, count, k) * p.inner;
    s += X[at];
    Y[at] = carry + s;
  }
}
//#end
