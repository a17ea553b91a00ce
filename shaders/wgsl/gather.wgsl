// gather.wgsl: picking places along one axis of [outer, n, inner] by index, and adding back to them. No atomics: each result is summed by
// one thread, in ascending order of the index's position.
//
// Index     u32 (or i32, the same bits) of [outer, k, inner]: element (o, j, i) at o * i_outer + j * i_k + i * i_inner. Strides of 0
//           broadcast: (0, 1, 0) is a 1-D index (index_select, embedding). One beyond n picks the last place and adds nothing.
// Kernels   GATHER        entry gather: OUT [outer][k][inner] = X[o, INDEX(o, j, i), i], 32-bit words of any type.
//                         VEC4: inner a multiple of 4, i_inner = 0; inner is then given in vec4.
//                         Bindings 0 X, 1 INDEX, 2 OUT.   Grid ceil(outer * k * inner / 256).
//           SCATTER       entry scatter_add: OUT [outer][n][inner] = start + sum of X [outer][k][inner] where INDEX is the place. One
//                         thread a place, which reads all k indices: for small k, or an index that varies along inner. f32.
//                         Bindings 0 X, 1 INDEX, 2 OUT, 3 BASE.   Grid ceil(outer * n * inner / 256).
//           SCATTER_ROWS  entry scatter_add_rows: the same for i_inner = 0: the gradient of an embedding.
//                         Bindings alike.   Grid outer * ceil(n / 8) * ceil(inner / 256).
// Start     BASE: an array laid out as OUT; otherwise OUT's old value if accumulate is 1, else 0.
// Grid      workgroups over x and, above 65535, y.
//
// SCATTER_ROWS  A workgroup owns 8 rows of 256 columns, summed in workgroup memory, a column a thread. It walks over the index 1024 entries
//           at a time: 256 threads test four each, 32 threads pack the answers into words, and then every thread visits only the set bits:
//           about one instruction an entry where nothing is found, which is nearly always.

struct Params { outer: u32, n: u32, k: u32, inner: u32, i_outer: u32, i_k: u32, i_inner: u32, accumulate: u32 }
var<immediate> p: Params;

//#if GATHER
//#if VEC4
alias T = vec4<u32>;
//#else
alias T = u32;
//#end
@group(0) @binding(0) var<storage, read> X: array<T>;
@group(0) @binding(1) var<storage, read> INDEX: array<u32>;
@group(0) @binding(2) var<storage, read_write> OUT: array<T>;
@compute @workgroup_size(256)
fn gather(@builtin(local_invocation_index) li: u32, @builtin(workgroup_id) w: vec3<u32>, @builtin(num_workgroups) nw: vec3<u32>) {
  let at = (w.y * nw.x + w.x) * 256u + li; let i = at % p.inner; let j = at / p.inner % p.k; let o = at / p.inner / p.k;
  if (o >= p.outer) { return; }
  let row = min(INDEX[o * p.i_outer + j * p.i_k + i * p.i_inner], p.n - 1u);
  OUT[at] = X[(o * p.n + row) * p.inner + i];
}
//#end

//#if SCATTER SCATTER_ROWS
@group(0) @binding(0) var<storage, read> X: array<f32>;
@group(0) @binding(1) var<storage, read> INDEX: array<u32>;
@group(0) @binding(2) var<storage, read_write> OUT: array<f32>;
//#if BASE
@group(0) @binding(3) var<storage, read> BASE: array<f32>;
fn start_of(at: u32) -> f32 { return BASE[at]; }
//#else
fn start_of(at: u32) -> f32 {
  var v = 0.0;
  if (p.accumulate == 1u) { v = OUT[at]; }
  return v;
}
//#end
//#end

//#if SCATTER
@compute @workgroup_size(256)
fn scatter_add(@builtin(local_invocation_index) li: u32, @builtin(workgroup_id) w: vec3<u32>, @builtin(num_workgroups) nw: vec3<u32>) {
  let at = (w.y * nw.x + w.x) * 256u + li; let i = at % p.inner; let row = at / p.inner % p.n; let o = at / p.inner / p.n;
  if (o >= p.outer) { return; }
  var s = start_of(at); var index = o * p.i_outer + i * p.i_inner; var x = o * p.k * p.inner + i;
  for (var j = 0u; j < p.k; j++) {
    if (INDEX[index] == row) { s += X[x]; }
    index += p.i_k; x += p.inner;
  }
  OUT[at] = s;
}
//#end

//#if SCATTER_ROWS
const ROWS = 8u;
var<workgroup> sums: array<f32, 2048>;   // [ROWS][256]
var<workgroup> found: array<u32, 256>;   // four bits a thread: which of its entries lie in the rows
var<workgroup> words: array<u32, 32>;    // the same, 32 entries a word
var<workgroup> rows: array<u32, 1024>;   // an entry's row, counted from the workgroup's first

@compute @workgroup_size(256)
fn scatter_add_rows(@builtin(local_invocation_index) li: u32, @builtin(workgroup_id) w: vec3<u32>, @builtin(num_workgroups) nw: vec3<u32>) {
  let across = (p.inner + 255u) / 256u; let down = (p.n + ROWS - 1u) / ROWS; let group = w.y * nw.x + w.x;
  let col = group % across * 256u + li; let row0 = group / across % down * ROWS; let o = group / across / down;
  if (o >= p.outer) { return; }
  let rows_here = min(ROWS, p.n - row0); let live = col < p.inner; let out = (o * p.n + row0) * p.inner + col;
  for (var r = 0u; r < rows_here; r++) { if (live) { sums[r * 256u + li] = start_of(out + r * p.inner); } }
  for (var j0 = 0u; j0 < p.k; j0 += 1024u) {
    var bits = 0u;
    for (var e = 0u; e < 4u; e++) {
      let j = j0 + li * 4u + e;
      if (j < p.k) {
        let row = INDEX[o * p.i_outer + j * p.i_k] - row0; // below row0 it wraps around to a large number
        rows[li * 4u + e] = row;
        bits |= select(0u, 1u << e, row < rows_here);
      }
    }
    found[li] = bits;
    workgroupBarrier();
    if (li < 32u) {
      var word = 0u;
      for (var e = 0u; e < 8u; e++) { word |= found[li * 8u + e] << (4u * e); }
      words[li] = word;
    }
    workgroupBarrier();
    for (var at = 0u; at < 32u; at++) {
      var word = words[at];
      while (word != 0u) {
        let entry = at * 32u + firstTrailingBit(word);
        word &= word - 1u;
        if (live) { sums[rows[entry] * 256u + li] += X[(o * p.k + j0 + entry) * p.inner + col]; }
      }
    }
    workgroupBarrier(); // before the next 1024 entries take this one's place
  }
  for (var r = 0u; r < rows_here; r++) { if (live) { OUT[out + r * p.inner] = sums[r * 256u + li]; } }
}
//#end
