// gather.wgsl: picking places along one axis of [outer, n, inner] by index, and adding back to them. No atomics: each result is summed by
// one thread, in ascending order of the index's position.
//
// Index     u32 (or i32, the same bits) of [outer, k, inner]: element (o, j, i) at o * i_outer + j * i_k + i * i_inner. Strides of 0
//           broadcast: (0, 1, 0) is a 1-D index (index_select, embedding).
// Window    The axis has `total` places, of which X (or OUT) holds n, from place `first` on: a table that no binding can hold goes in
//           windows, each of which reads (or is added) what falls into it.
// Beyond    An index beyond `total` must not pass for a number: it reads the word `none` (NaN, or all ones for integers), and what is added
//           there makes NaN of all places that it might have meant: its line along the axis.
// Kernels   GATHER        entry gather: OUT [outer][k][inner] = X[o, INDEX(o, j, i), i], 32-bit words of any type.
//                         VEC4: inner a multiple of 4, i_inner = 0; inner is then given in vec4.
//                         Bindings 0 X, 1 INDEX, 2 OUT.   Grid ceil(outer * k * inner / 256).
//           SCATTER       entry scatter_add: OUT [chunks][outer][n][inner] = (OUT's old value, if accumulate is 1) + sum of X
//                         [outer][k][inner] where INDEX is the place; chunk c takes `chunk` entries of the index, from begin + c * chunk
//                         on. One thread a place and chunk: for an index that varies along inner. f32.
//                         Bindings 0 X, 1 INDEX, 2 OUT.   Grid ceil(chunks * outer * n * inner / 256).
//           SCATTER_ROWS  entry scatter_add_rows: the same for i_inner = 0: the gradient of an embedding. chunk a multiple of 1024.
//                         Bindings alike.   Grid chunks * outer * ceil(n / 8) * ceil(inner / 256).
// Chunks    bound how long a thread runs, and sums of many lose few digits. A column sum adds them up.
// Grid      workgroups over x and, above 65535, y.
//
// SCATTER_ROWS  A workgroup owns 8 rows of 256 columns, summed in workgroup memory, a column a thread. It walks over the index 1024 entries
//           at a time: 256 threads test four each, 32 threads pack the answers into words, and then every thread visits only the set bits:
//           about one instruction an entry where nothing is found, which is nearly always.

struct Params {
  outer: u32, n: u32, k: u32, inner: u32, i_outer: u32, i_k: u32, i_inner: u32, first: u32, total: u32, // and of GATHER:
  none: u32,                                                                                          // and of the others:
  accumulate: u32, begin: u32, chunk: u32, chunks: u32,
}
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
  let index = INDEX[o * p.i_outer + j * p.i_k + i * p.i_inner];
  let row = index - p.first; // below `first` it wraps around to a large number
  if (row < p.n) { OUT[at] = X[(o * p.n + row) * p.inner + i]; } else if (index >= p.total) { OUT[at] = T(p.none); }
}
//#end

//#if SCATTER SCATTER_ROWS
@group(0) @binding(0) var<storage, read> X: array<f32>;
@group(0) @binding(1) var<storage, read> INDEX: array<u32>;
@group(0) @binding(2) var<storage, read_write> OUT: array<f32>;
fn start_of(at: u32) -> f32 {
  var v = 0.0;
  if (p.accumulate == 1u) { v = OUT[at]; }
  return v;
}
//#end

//#if SCATTER
@compute @workgroup_size(256)
fn scatter_add(@builtin(local_invocation_index) li: u32, @builtin(workgroup_id) w: vec3<u32>, @builtin(num_workgroups) nw: vec3<u32>) {
  let at = (w.y * nw.x + w.x) * 256u + li; let size = p.outer * p.n * p.inner; let chunk = at / size; let place = at % size;
  if (chunk >= p.chunks) { return; }
  let i = place % p.inner; let row = place / p.inner % p.n + p.first; let o = place / p.inner / p.n;
  let begin = p.begin + chunk * p.chunk; let end = min(begin + p.chunk, p.k);
  var s = start_of(at); var index = o * p.i_outer + begin * p.i_k + i * p.i_inner; var x = (o * p.k + begin) * p.inner + i;
  for (var j = begin; j < end; j++) {
    let to = INDEX[index];
    if (to == row) { s += X[x]; } else if (to >= p.total) { s += bitcast<f32>(p.none); }
    index += p.i_k; x += p.inner;
  }
  OUT[at] = s;
}
//#end

//#if SCATTER_ROWS
const ROWS = 8u;
var<workgroup> sums: array<f32, 2048>;   // [ROWS][256]
var<workgroup> found: array<u32, 256>;   // four bits a thread: which of its entries lie in the rows; and a fifth: one names no place
var<workgroup> words: array<u32, 32>;    // the same, 32 entries a word
var<workgroup> rows: array<u32, 1024>;   // an entry's row, counted from the workgroup's first
var<workgroup> beyond: array<u32, 32>;   // not 0 where an entry of these 32 names no place

@compute @workgroup_size(256)
fn scatter_add_rows(@builtin(local_invocation_index) li: u32, @builtin(workgroup_id) w: vec3<u32>, @builtin(num_workgroups) nw: vec3<u32>) {
  let across = (p.inner + 255u) / 256u; let down = (p.n + ROWS - 1u) / ROWS; let group = w.y * nw.x + w.x;
  let col = group % across * 256u + li; let row0 = group / across % down * ROWS; let part = group / across / down;
  let o = part % p.outer; let chunk = part / p.outer;
  if (chunk >= p.chunks) { return; }
  let rows_here = min(ROWS, p.n - row0); let live = col < p.inner; let out = (part * p.n + row0) * p.inner + col;
  let begin = p.begin + chunk * p.chunk; let end = min(begin + p.chunk, p.k);
  for (var r = 0u; r < rows_here; r++) { if (live) { sums[r * 256u + li] = start_of(out + r * p.inner); } }
  if (li < 32u) { beyond[li] = 0u; }
  for (var j0 = begin; j0 < end; j0 += 1024u) {
    var bits = 0u;
    for (var e = 0u; e < 4u; e++) {
      let j = j0 + li * 4u + e;
      if (j < end) {
        let index = INDEX[o * p.i_outer + j * p.i_k];
        let row = index - p.first - row0; // below these it wraps around to a large number
        rows[li * 4u + e] = row;
        bits |= select(0u, 1u << e, row < rows_here);
        if (index >= p.total) { bits |= 16u; }
      }
    }
    found[li] = bits;
    workgroupBarrier();
    if (li < 32u) {
      var word = 0u;
      for (var e = 0u; e < 8u; e++) {
        let four = found[li * 8u + e];
        word |= (four & 15u) << (4u * e); beyond[li] |= four >> 4u;
      }
      words[li] = word;
    }
    workgroupBarrier();
    for (var at = 0u; at < 32u; at++) {
      var word = words[at];
      // Neighbours that name one row are added up first: shorter chains, and fewer turns through memory.
      var row = ROWS; var s = 0.0;
      while (word != 0u) {
        let entry = at * 32u + firstTrailingBit(word); let to = rows[entry];
        word &= word - 1u;
        if (to != row) {
          if (row < ROWS) { sums[row * 256u + li] += s; }
          row = to; s = 0.0;
        }
        if (live) { s += X[(o * p.k + j0 + entry) * p.inner + col]; }
      }
      if (row < ROWS) { sums[row * 256u + li] += s; }
    }
    workgroupBarrier(); // before the next 1024 entries take this one's place
  }
  workgroupBarrier(); // where there are no entries
  var bad = 0u;
  for (var t = 0u; t < 32u; t++) { bad |= beyond[t]; }
  for (var r = 0u; r < rows_here; r++) {
    if (live) { OUT[out + r * p.inner] = select(sums[r * 256u + li], bitcast<f32>(p.none), bad != 0u); }
  }
}
//#end
