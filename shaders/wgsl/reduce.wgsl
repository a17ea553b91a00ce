// reduce.wgsl: reductions along one axis of [outer, n, inner], in an order that depends on the shape alone. f32.
//
// Kernels   ROWS | COLUMNS   entry reduce: OUT [outer][chunks][inner] = scale * the reduction of each chunk of `chunk` elements along n
//                            (+ OUT's old value, if accumulate is 1). OP: 0 sum, 1 product, 2 maximum, 3 minimum. SQUARE: of the squares.
//                            Where n is long and outer * inner small, a first dispatch reduces chunks (scale 1, accumulate 0), a second one
//                            the chunks: n = chunk = the chunks of the first, without SQUARE. Over no element: 0, 1, -3.4e38, 3.4e38.
//                            Bindings 0 IN, 1 OUT.   Grid ceil(outer * chunks * inner / (256 / LANES)), over x and, above 65535, y.
//           with ARG         entry arg_reduce: OUT [outer][inner] (u32) = the first index along n of the largest (OP 2) or smallest
//                            (OP 3) element. n at least 1; chunk and chunks are not used. Bindings and grid alike.
//           COLUMN_SUM       entry column_sum: OUT[chunk][col] = scale * sum over `chunk` rows of the matrix IN [n][inner] (+ OUT's old
//                            value, if accumulate is 1): bias gradients, and second passes over partial sums. Uses n, inner, chunk.
//                            Grid x = ceil(inner / 64), y = ceil(n / chunk).
// Forms     ROWS: the LANES threads of a line lie side by side and read along n: for inner = 1. COLUMNS: neighbouring threads take
//           neighbouring lines (of inner), LANES of them far apart share one.
// Constants OP; LANES: threads a line, a power of two up to 256.
//
// A NaN may or may not survive a maximum: WGSL promises nothing.

struct Params { outer: u32, n: u32, inner: u32, chunk: u32, chunks: u32, accumulate: u32, scale: f32 }
var<immediate> p: Params;
@group(0) @binding(0) var<storage, read> IN: array<f32>;

//#if ROWS COLUMNS
override LANES: u32 = 256u;
override OP: u32 = 0u;
const HIGHEST = 3.4028234e38;

// A line is what one result is made of; `lane` counts the threads that share it, `apart` divides their places in the workgroup.
//#if ROWS
fn line_of(group: u32, li: u32) -> u32 { return group * (256u / LANES) + li / LANES; }
fn lane_of(li: u32) -> u32 { return li % LANES; }
fn apart() -> u32 { return 1u; }
//#else
fn line_of(group: u32, li: u32) -> u32 { return group * (256u / LANES) + li % (256u / LANES); }
fn lane_of(li: u32) -> u32 { return li / (256u / LANES); }
fn apart() -> u32 { return 256u / LANES; }
//#end

//#if ARG
@group(0) @binding(1) var<storage, read_write> OUT: array<u32>;
struct Best { value: f32, index: u32 } // index = NONE: of no element
const NONE = 0xffffffffu;
var<workgroup> values: array<f32, 256>;
var<workgroup> indices: array<u32, 256>;

fn better(a: Best, b: Best) -> Best {
  let b_wins = b.index != NONE && (a.index == NONE || b.value > a.value || (b.value == a.value && b.index < a.index));
  return Best(select(a.value, b.value, b_wins), select(a.index, b.index, b_wins));
}

@compute @workgroup_size(256)
fn arg_reduce(@builtin(local_invocation_index) li: u32, @builtin(workgroup_id) w: vec3<u32>, @builtin(num_workgroups) nw: vec3<u32>) {
  let line = line_of(w.y * nw.x + w.x, li); let lane = lane_of(li); let live = line < p.outer * p.inner;
  let base = line / p.inner * p.n * p.inner + line % p.inner; let end = select(0u, p.n, live);
  let sign = select(1.0, -1.0, OP == 3u);
  var best = Best(0.0, NONE);
  for (var k = lane; k < end; k += LANES) { best = better(best, Best(sign * IN[base + k * p.inner], k)); }
  values[li] = best.value; indices[li] = best.index;
  for (var h = LANES / 2u; h > 0u; h >>= 1u) {
    workgroupBarrier();
    if (lane < h) {
      let o = li + h * apart(); best = better(best, Best(values[o], indices[o]));
      values[li] = best.value; indices[li] = best.index;
    }
  }
  if (live && lane == 0u) { OUT[line] = best.index; }
}
//#else
@group(0) @binding(1) var<storage, read_write> OUT: array<f32>;
var<workgroup> scratch: array<f32, 256>;

fn none() -> f32 {
  if (OP == 1u) { return 1.0; }
  if (OP == 2u) { return -HIGHEST; }
  if (OP == 3u) { return HIGHEST; }
  return 0.0;
}
fn combine(a: f32, b: f32) -> f32 {
  if (OP == 1u) { return a * b; }
  if (OP == 2u) { return max(a, b); }
  if (OP == 3u) { return min(a, b); }
  return a + b;
}
fn element(i: u32) -> f32 {
  let x = IN[i];
//#if SQUARE
  return x * x;
//#else
  return x;
//#end
}

@compute @workgroup_size(256)
fn reduce(@builtin(local_invocation_index) li: u32, @builtin(workgroup_id) w: vec3<u32>, @builtin(num_workgroups) nw: vec3<u32>) {
  let line = line_of(w.y * nw.x + w.x, li); let lane = lane_of(li); let live = line < p.outer * p.chunks * p.inner;
  let block = line / p.inner; let begin = block % p.chunks * p.chunk;
  let base = block / p.chunks * p.n * p.inner + line % p.inner; let end = select(0u, min(begin + p.chunk, p.n), live);
  // Four sums, so that four loads fly at once and long lines lose fewer digits.
  var a = none();
  if (OP >= 2u && begin < end) { a = element(base + begin * p.inner); } // so that lines of infinities alone keep them
  var b = a; var c = a; var d = a;
  var k = begin + lane;
  for (; k + 3u * LANES < end; k += 4u * LANES) {
    a = combine(a, element(base + k * p.inner)); b = combine(b, element(base + (k + LANES) * p.inner));
    c = combine(c, element(base + (k + 2u * LANES) * p.inner)); d = combine(d, element(base + (k + 3u * LANES) * p.inner));
  }
  for (; k < end; k += LANES) { a = combine(a, element(base + k * p.inner)); }
  scratch[li] = combine(combine(a, b), combine(c, d));
  for (var h = LANES / 2u; h > 0u; h >>= 1u) {
    workgroupBarrier();
    if (lane < h) { scratch[li] = combine(scratch[li], scratch[li + h * apart()]); }
  }
  if (live && lane == 0u) {
    var r = p.scale * scratch[li];
    if (p.accumulate == 1u) { r += OUT[line]; }
    OUT[line] = r;
  }
}
//#end
//#end

//#if COLUMN_SUM
@group(0) @binding(1) var<storage, read_write> OUT: array<f32>;
var<workgroup> sums: array<f32, 256>;
// A workgroup owns 64 columns, so that a wave reads whole lines; four threads share a column and take every fourth row.
@compute @workgroup_size(256)
fn column_sum(@builtin(local_invocation_index) li: u32, @builtin(workgroup_id) w: vec3<u32>) {
  let col = w.x * 64u + li % 64u; let end = select(0u, min((w.y + 1u) * p.chunk, p.n), col < p.inner);
  var s = 0.0;
  for (var row = w.y * p.chunk + li / 64u; row < end; row += 4u) { s += IN[row * p.inner + col]; }
  sums[li] = s;
  workgroupBarrier();
  if (li < 64u && col < p.inner) {
    var t = p.scale * ((sums[li] + sums[li + 64u]) + (sums[li + 128u] + sums[li + 192u]));
    let at = w.y * p.inner + col;
    if (p.accumulate == 1u) { t += OUT[at]; }
    OUT[at] = t;
  }
}
//#end
