// gemm.wgsl: C = act(alpha * op(A) * op(B) + beta * C + bias) + residual, f32, batched, any size.
//
// Shapes    op(A) is M x K, op(B) is K x N, C is M x N, all row-major with leading dimensions lda, ldb, ldc (elements).
//           A_T: A is stored K x M.   B_T: B is stored N x K.   (NN: no flag, NT: B_T, TN: A_T.)
// Grid      x = ceil(N / BN), y = ceil(M / BM), z = batch * slices, slices = ceil(K / k_slice). Without split-K, k_slice = K.
// Batch     item z -> outer = z / inner, in = z % inner; offset of A = outer * a_outer + in * a_inner, and so on: two levels serve [batch,
//           head] views without a copy; a stride of 0 broadcasts.
// Bindings  0 A, 1 B, 2 C (read_write), 3 bias [N] (BIAS), 4 residual, laid out as C (RESIDUAL), 5 pre-activation, laid out as C (PREACT).
// Entries   gemm: a product, or with SPLIT the partial sums of one.   reduce (REDUCE): adds those and finishes.
// Flags     TILE_128, TILE_64, TILE_64_TALL or TILE_32; A_T; B_T; VEC4; BIAS; RESIDUAL; PREACT;
//           SPLIT (without the last three) and REDUCE (without a tile, A_T, B_T): the two passes of split-K;
//           PREFETCH (the next tile's global loads fly during the product: 16 more registers a thread; for chips with registers to spare).
//           VEC4 needs every contiguous dimension, leading dimension, stride and k_slice to be a multiple of 4; leave it out for any other
//           size.
// Constants ACT: 0 none, 1 relu, 2 gelu (erf).
//
// Tiling    Both tiles lie in workgroup memory as [k][row / 4] vec4, so one inner loop serves NN, NT and TN. Half of the threads fetch A,
//           half fetch B, four vec4 each; an operand that is contiguous along k is transposed in registers as a 4 x 4 block, so that every
//           global load and every workgroup-memory access is a whole vec4. `slot` swaps columns (xor) so that the transposed stores meet no
//           bank twice.
//                          tile             threads   a thread   multiply-adds for each vec4 read   workgroup memory
//           TILE_128       128 x 128 x 16   256       8 x 8      16                                 16 KiB      large products
//           TILE_64        64 x 64 x 32     256       4 x 4      8                                  16 KiB      many threads for few tiles
//           TILE_64_TALL   64 x 64 x 16     128       8 x 4      10.7                               8 KiB       fewer reads, fewer threads
//           TILE_32        32 x 32 x 16     64        4 x 4      8                                  4 KiB       small or skinny products
// Split-K   z carries slices of K; slice s of item b goes to scratch[b][s][M][N] (bind it as C, ldc = N); entry reduce (bind scratch as A)
//           adds the slices in order, so the result does not depend on timing. B is not bound there.

struct Params {
  m: u32, n: u32, k: u32, k_slice: u32,
  lda: u32, ldb: u32, ldc: u32, inner: u32,
  a_outer: u32, a_inner: u32, b_outer: u32, b_inner: u32,
  c_outer: u32, c_inner: u32, alpha: f32, beta: f32,
}
var<immediate> p: Params;
override ACT: u32 = 0u;

//#if VEC4
alias E = vec4<f32>; // an element of a binding
//#else
alias E = f32;
//#end
@group(0) @binding(0) var<storage, read> A: array<E>;
@group(0) @binding(2) var<storage, read_write> C: array<E>;
//#if BIAS
@group(0) @binding(3) var<storage, read> BIAS: array<E>;
//#end
//#if RESIDUAL
@group(0) @binding(4) var<storage, read> RESIDUAL: array<E>;
//#end
//#if PREACT
@group(0) @binding(5) var<storage, read_write> PREACT: array<E>;
//#end

// Indices are clamped to the last row, column or depth, so that no load needs a branch; rows and columns past the edge repeat the last one
// and are never stored, depths past the end of the slice become zero.
//#if VEC4
fn a4(i: vec4<u32>) -> vec4<f32> { return A[i.x / 4u]; }
fn four(i: u32, count: u32) -> vec4<u32> { return vec4<u32>(min(i, count - 4u)); } // the places of elements i .. i + 3 in a line of `count`
//#else
fn a4(i: vec4<u32>) -> vec4<f32> { return vec4<f32>(A[i.x], A[i.y], A[i.z], A[i.w]); }
fn four(i: u32, count: u32) -> vec4<u32> { return min(vec4<u32>(i, i + 1u, i + 2u, i + 3u), vec4<u32>(count - 1u)); }
//#end

//#if REDUCE
//#else
@group(0) @binding(1) var<storage, read> B: array<E>;

//#if TILE_128
const BM = 128u; const BK = 16u; const THREADS = 256u; const WIDTH = 16u; const SWAP = 2u; const UNROLL = 1u;
//#end
//#if TILE_64
const BM = 64u; const BK = 32u; const THREADS = 256u; const WIDTH = 16u; const SWAP = 1u; const UNROLL = 4u;
//#end
//#if TILE_64_TALL
const BM = 64u; const BK = 16u; const THREADS = 128u; const WIDTH = 16u; const SWAP = 2u; const UNROLL = 4u;
//#end
//#if TILE_32
const BM = 32u; const BK = 16u; const THREADS = 64u; const WIDTH = 8u; const SWAP = 2u; const UNROLL = 4u;
//#end
const BN = BM; const HALF = THREADS / 2u; // HALF threads fetch A, HALF fetch B
const ROWS4 = BM / 4u; const KBLOCKS = BK / 4u; // vec4 in a row of a tile, 4 x 4 blocks along k

var<workgroup> As: array<vec4<f32>, BK * ROWS4>; // [k][m / 4]
var<workgroup> Bs: array<vec4<f32>, BK * ROWS4>; // [k][n / 4]

// ---- fetching ----
//#if VEC4
fn b4(i: vec4<u32>) -> vec4<f32> { return B[i.x / 4u]; }
fn zero_beyond(v: vec4<f32>, k: u32, end: u32) -> vec4<f32> { return select(vec4<f32>(0.0), v, k < end); }
//#else
fn b4(i: vec4<u32>) -> vec4<f32> { return vec4<f32>(B[i.x], B[i.y], B[i.z], B[i.w]); }
fn zero_beyond(v: vec4<f32>, k: u32, end: u32) -> vec4<f32> {
  return select(vec4<f32>(0.0), v, vec4<u32>(k, k + 1u, k + 2u, k + 3u) < vec4<u32>(end));
}
//#end

// Where the vec4 of rows 4 * r .. 4 * r + 3 at depth k lies. Transposed stores of neighbouring threads differ in k / 4: the xor spreads
// them over the banks.
//#if A_T
fn slot_a(k: u32, r: u32) -> u32 { return k * ROWS4 + r; }
//#else
fn slot_a(k: u32, r: u32) -> u32 { return k * ROWS4 + (r ^ (k / 4u * SWAP)); }
//#end
//#if B_T
fn slot_b(k: u32, r: u32) -> u32 { return k * ROWS4 + (r ^ (k / 4u * SWAP)); }
//#else
fn slot_b(k: u32, r: u32) -> u32 { return k * ROWS4 + r; }
//#end

struct Four { a: vec4<f32>, b: vec4<f32>, c: vec4<f32>, d: vec4<f32> }
const STEP = HALF / ROWS4;
// start_*: what a thread needs to know for the whole loop. load_*: the part of the tile at depth k0 that thread t of HALF brings. put_*:
// into workgroup memory.
//#if A_T
// A is contiguous along m: a line is one depth, BM / 4 threads a line, four lines a thread. `at`: the thread's columns.
fn start_a(t: u32, base: u32, m0: u32) -> vec4<u32> { return base + four(m0 + t % ROWS4 * 4u, p.m); }
fn load_a(t: u32, at: vec4<u32>, k0: u32, end: u32) -> Four {
  let k = k0 + t / ROWS4; let last = end - 1u;
  return Four(a4(at + min(k, last) * p.lda), a4(at + min(k + STEP, last) * p.lda),
    a4(at + min(k + 2u * STEP, last) * p.lda), a4(at + min(k + 3u * STEP, last) * p.lda));
}
fn put_a(t: u32, k0: u32, end: u32, v: Four) {
  let r = t % ROWS4; let k = t / ROWS4; let z = vec4<f32>(0.0); let left = end - k0; // depths that there are
  var a = v.a; var b = v.b; var c = v.c; var d = v.d;
  if (left < BK) {
    a = select(z, a, k < left); b = select(z, b, k + STEP < left);
    c = select(z, c, k + 2u * STEP < left); d = select(z, d, k + 3u * STEP < left);
  }
  As[slot_a(k, r)] = a; As[slot_a(k + STEP, r)] = b; As[slot_a(k + 2u * STEP, r)] = c; As[slot_a(k + 3u * STEP, r)] = d;
}
//#else
// A is contiguous along k: a line is one row; a 4 x 4 block a thread, transposed in registers. `at`: where the thread's four rows start.
fn start_a(t: u32, base: u32, m0: u32) -> vec4<u32> {
  let r = m0 + t / KBLOCKS * 4u;
  return base + min(vec4<u32>(r, r + 1u, r + 2u, r + 3u), vec4<u32>(p.m - 1u)) * p.lda;
}
fn load_a(t: u32, at: vec4<u32>, k0: u32, end: u32) -> Four {
  let i = four(k0 + t % KBLOCKS * 4u, end);
  return Four(a4(at.x + i), a4(at.y + i), a4(at.z + i), a4(at.w + i));
}
fn put_a(t: u32, k0: u32, end: u32, v: Four) {
  let q = t % KBLOCKS * 4u; let r = t / KBLOCKS; let k = k0 + q;
  var a = v.a; var b = v.b; var c = v.c; var d = v.d;
  if (k0 + BK > end) { a = zero_beyond(a, k, end); b = zero_beyond(b, k, end); c = zero_beyond(c, k, end); d = zero_beyond(d, k, end); }
  As[slot_a(q, r)] = vec4<f32>(a.x, b.x, c.x, d.x); As[slot_a(q + 1u, r)] = vec4<f32>(a.y, b.y, c.y, d.y);
  As[slot_a(q + 2u, r)] = vec4<f32>(a.z, b.z, c.z, d.z); As[slot_a(q + 3u, r)] = vec4<f32>(a.w, b.w, c.w, d.w);
}
//#end
//#if B_T
// B is contiguous along k: a line is one row; a 4 x 4 block a thread, transposed in registers. `at`: where the thread's four rows start.
fn start_b(t: u32, base: u32, n0: u32) -> vec4<u32> {
  let r = n0 + t / KBLOCKS * 4u;
  return base + min(vec4<u32>(r, r + 1u, r + 2u, r + 3u), vec4<u32>(p.n - 1u)) * p.ldb;
}
fn load_b(t: u32, at: vec4<u32>, k0: u32, end: u32) -> Four {
  let i = four(k0 + t % KBLOCKS * 4u, end);
  return Four(b4(at.x + i), b4(at.y + i), b4(at.z + i), b4(at.w + i));
}
fn put_b(t: u32, k0: u32, end: u32, v: Four) {
  let q = t % KBLOCKS * 4u; let r = t / KBLOCKS; let k = k0 + q;
  var a = v.a; var b = v.b; var c = v.c; var d = v.d;
  if (k0 + BK > end) { a = zero_beyond(a, k, end); b = zero_beyond(b, k, end); c = zero_beyond(c, k, end); d = zero_beyond(d, k, end); }
  Bs[slot_b(q, r)] = vec4<f32>(a.x, b.x, c.x, d.x); Bs[slot_b(q + 1u, r)] = vec4<f32>(a.y, b.y, c.y, d.y);
  Bs[slot_b(q + 2u, r)] = vec4<f32>(a.z, b.z, c.z, d.z); Bs[slot_b(q + 3u, r)] = vec4<f32>(a.w, b.w, c.w, d.w);
}
//#else
// B is contiguous along n: a line is one depth, BM / 4 threads a line, four lines a thread. `at`: the thread's columns.
fn start_b(t: u32, base: u32, n0: u32) -> vec4<u32> { return base + four(n0 + t % ROWS4 * 4u, p.n); }
fn load_b(t: u32, at: vec4<u32>, k0: u32, end: u32) -> Four {
  let k = k0 + t / ROWS4; let last = end - 1u;
  return Four(b4(at + min(k, last) * p.ldb), b4(at + min(k + STEP, last) * p.ldb),
    b4(at + min(k + 2u * STEP, last) * p.ldb), b4(at + min(k + 3u * STEP, last) * p.ldb));
}
fn put_b(t: u32, k0: u32, end: u32, v: Four) {
  let r = t % ROWS4; let k = t / ROWS4; let z = vec4<f32>(0.0); let left = end - k0; // depths that there are
  var a = v.a; var b = v.b; var c = v.c; var d = v.d;
  if (left < BK) {
    a = select(z, a, k < left); b = select(z, b, k + STEP < left);
    c = select(z, c, k + 2u * STEP < left); d = select(z, d, k + 3u * STEP < left);
  }
  Bs[slot_b(k, r)] = a; Bs[slot_b(k + STEP, r)] = b; Bs[slot_b(k + 2u * STEP, r)] = c; Bs[slot_b(k + 3u * STEP, r)] = d;
}
//#end

//#end

// ---- epilogue ----
fn erf4(x: vec4<f32>) -> vec4<f32> { // Abramowitz and Stegun 7.1.26, absolute error 1.5e-7
  let a = abs(x); let t = 1.0 / (1.0 + 0.3275911 * a);
  let y = ((((1.061405429 * t - 1.453152027) * t + 1.421413741) * t - 0.284496736) * t + 0.254829592) * t;
  return sign(x) * (1.0 - y * exp(-min(a * a, vec4<f32>(80.0))));
}
fn activate(x: vec4<f32>) -> vec4<f32> {
  if (ACT == 1u) { return max(x, vec4<f32>(0.0)); }
  if (ACT == 2u) { return 0.5 * x * (1.0 + erf4(x * 0.70710678)); }
  return x;
}
// Finishes and stores columns col .. col + 3 of one row, of which those before N exist. `base` is the batch item's offset in C.
fn finish(sum: vec4<f32>, base: u32, row: u32, col: u32) {
  if (row >= p.m || col >= p.n) { return; }
  let at = base + row * p.ldc + col;
//#if VEC4
  var v = sum * p.alpha;
  if (p.beta != 0.0) { v = fma(vec4<f32>(p.beta), C[at / 4u], v); }
//#if BIAS
  v += BIAS[col / 4u];
//#end
//#if PREACT
  PREACT[at / 4u] = v;
//#end
  v = activate(v);
//#if RESIDUAL
  v += RESIDUAL[at / 4u];
//#end
  C[at / 4u] = v;
//#else
  for (var j = 0u; j < min(4u, p.n - col); j++) {
    var v = vec4<f32>(select(select(sum.x, sum.y, j == 1u), select(sum.z, sum.w, j == 3u), j >= 2u)) * p.alpha;
    if (p.beta != 0.0) { v += p.beta * C[at + j]; }
//#if BIAS
    v += BIAS[col + j];
//#end
//#if PREACT
    PREACT[at + j] = v.x;
//#end
    v = activate(v);
//#if RESIDUAL
    v += RESIDUAL[at + j];
//#end
    C[at + j] = v.x;
  }
//#end
}

//#if REDUCE
// Second pass of split-K: a thread adds one group of four columns. A = scratch [batch][slices][M][N].
// Grid ceil(M * ceil(N / 4) / 256) workgroups, over x and, above 65535, y; z = batch.
@compute @workgroup_size(256)
fn reduce(@builtin(local_invocation_index) li: u32, @builtin(workgroup_id) w: vec3<u32>, @builtin(num_workgroups) nw: vec3<u32>) {
  let n4 = (p.n + 3u) / 4u; let i = (w.y * nw.x + w.x) * 256u + li; let row = i / n4; let col = i % n4 * 4u;
  if (row >= p.m) { return; }
  let slices = (p.k + p.k_slice - 1u) / p.k_slice; let size = p.m * p.n;
  var at = w.z * slices * size + row * p.n + four(col, p.n);
  var sum = vec4<f32>(0.0);
  for (var s = 0u; s < slices; s++) { sum += a4(at); at += vec4<u32>(size); }
  finish(sum, w.z / p.inner * p.c_outer + w.z % p.inner * p.c_inner, row, col);
}
//#else
//#if SPLIT
fn store(sum: vec4<f32>, base: u32, row: u32, col: u32) { // a raw partial sum
  if (row >= p.m || col >= p.n) { return; }
  let at = base + row * p.n + col;
//#if VEC4
  C[at / 4u] = sum;
//#else
  C[at] = sum.x;
  if (col + 1u < p.n) { C[at + 1u] = sum.y; }
  if (col + 2u < p.n) { C[at + 2u] = sum.z; }
  if (col + 3u < p.n) { C[at + 3u] = sum.w; }
//#end
}
//#else
fn store(sum: vec4<f32>, base: u32, row: u32, col: u32) { finish(sum, base, row, col); }
//#end

@compute @workgroup_size(THREADS)
fn gemm(@builtin(local_invocation_index) li: u32, @builtin(workgroup_id) w: vec3<u32>) {
  let m0 = w.y * BM; let n0 = w.x * BN; let tx = li % WIDTH; let ty = li / WIDTH; let t = li % HALF; let left = li < HALF;
  let slices = (p.k + p.k_slice - 1u) / p.k_slice; let item = w.z / slices;
  let begin = (w.z % slices) * p.k_slice; let end = min(begin + p.k_slice, p.k);
  let outer = item / p.inner; let in = item % p.inner;
  let a_base = outer * p.a_outer + in * p.a_inner; let b_base = outer * p.b_outer + in * p.b_inner;
//#if SPLIT
  let c_base = w.z * p.m * p.n;
//#else
  let c_base = outer * p.c_outer + in * p.c_inner;
//#end
  var at: vec4<u32>;
  if (left) { at = start_a(t, a_base, m0); } else { at = start_b(t, b_base, n0); }
  // Rows ty * 4 .. + 3 (c0 .. c3) and, from half of the tile on, four more (c4 .. c7); columns tx * 4 .. + 3 (c) and, from half of the tile
  // on, four more (d).
  var c0 = vec4<f32>(0.0); var c1 = c0; var c2 = c0; var c3 = c0;
//#if TILE_128 TILE_64_TALL
  var c4 = c0; var c5 = c0; var c6 = c0; var c7 = c0;
//#end
//#if TILE_128
  var d0 = c0; var d1 = c0; var d2 = c0; var d3 = c0; var d4 = c0; var d5 = c0; var d6 = c0; var d7 = c0;
//#end
//#if PREFETCH
  var v: Four;
  if (left) { v = load_a(t, at, begin, end); } else { v = load_b(t, at, begin, end); }
//#end
  for (var k0 = begin; k0 < end; k0 += BK) {
//#if PREFETCH
    workgroupBarrier();
    if (left) { put_a(t, k0, end, v); } else { put_b(t, k0, end, v); }
    workgroupBarrier();
    if (k0 + BK < end) { if (left) { v = load_a(t, at, k0 + BK, end); } else { v = load_b(t, at, k0 + BK, end); } }
//#else
    var v: Four;
    if (left) { v = load_a(t, at, k0, end); } else { v = load_b(t, at, k0, end); }
    workgroupBarrier(); // the loads fly while slower threads finish the product of the last tile
    if (left) { put_a(t, k0, end, v); } else { put_b(t, k0, end, v); }
    workgroupBarrier();
//#end
    for (var k = 0u; k < BK; k += UNROLL) { // the depths of a step share one xor
      let i = slot_a(k, ty); let j = slot_b(k, tx);
      for (var s = 0u; s < UNROLL; s++) {
        let a = As[i + s * ROWS4]; let b = Bs[j + s * ROWS4];
        c0 = fma(a.xxxx, b, c0); c1 = fma(a.yyyy, b, c1); c2 = fma(a.zzzz, b, c2); c3 = fma(a.wwww, b, c3);
//#if TILE_128 TILE_64_TALL
        let e = As[i + s * ROWS4 + ROWS4 / 2u];
        c4 = fma(e.xxxx, b, c4); c5 = fma(e.yyyy, b, c5); c6 = fma(e.zzzz, b, c6); c7 = fma(e.wwww, b, c7);
//#end
//#if TILE_128
        let f = Bs[j + s * ROWS4 + ROWS4 / 2u];
        d0 = fma(a.xxxx, f, d0); d1 = fma(a.yyyy, f, d1); d2 = fma(a.zzzz, f, d2); d3 = fma(a.wwww, f, d3);
        d4 = fma(e.xxxx, f, d4); d5 = fma(e.yyyy, f, d5); d6 = fma(e.zzzz, f, d6); d7 = fma(e.wwww, f, d7);
//#end
      }
    }
  }
  let row = m0 + ty * 4u; let col = n0 + tx * 4u;
  store(c0, c_base, row, col); store(c1, c_base, row + 1u, col); store(c2, c_base, row + 2u, col); store(c3, c_base, row + 3u, col);
//#if TILE_128 TILE_64_TALL
  let low = row + BM / 2u;
  store(c4, c_base, low, col); store(c5, c_base, low + 1u, col); store(c6, c_base, low + 2u, col); store(c7, c_base, low + 3u, col);
//#end
//#if TILE_128
  let right = col + BN / 2u;
  store(d0, c_base, row, right); store(d1, c_base, row + 1u, right); store(d2, c_base, row + 2u, right); store(d3, c_base, row + 3u, right);
  store(d4, c_base, low, right); store(d5, c_base, low + 1u, right); store(d6, c_base, low + 2u, right); store(d7, c_base, low + 3u, right);
//#end
}
//#end
