// layer_norm.wgsl: y = (x - mean) * rstd * weight + bias over rows of `cols` elements, and its gradients. f32.
//
// Kernels   FORWARD   entry layer_norm: y, and STATS = (mean, rstd) of each row.
//                     Bindings 0 X, 1 WEIGHT, 2 BIAS, 3 Y, 4 STATS.
//           BACKWARD  entry layer_norm_input: dx (with ADD: + the gradient of the branch that bypasses the norm).
//                     Bindings 0 X, 1 WEIGHT, 2 dY, 3 STATS, 4 dX, 5 gradient to add (ADD).
//           PARAMS    entry layer_norm_params: PART [chunks][2][cols], sums of dy * xhat (weight) and dy (bias) over `chunk` rows;
//                     column_sum of reduce.wgsl adds the chunks in order (as a matrix of `chunks` rows and 2 * cols columns).
//                     Bindings 0 X, 1 dY, 2 STATS, 3 PART.
// Grid      FORWARD, BACKWARD: ceil(rows / (256 / LANES)) workgroups, over x and, above 65535, y.
//           PARAMS: x = ceil(cols / 64), y = ceil(rows / chunk).
// Flags     VEC4: cols a multiple of 4 (FORWARD and BACKWARD); ADD.
// Constants LANES: threads a row, a power of two up to 256. About cols / 4 (VEC4: cols / 16), so that short rows share a workgroup.
//
// Mean and variance take two passes over the row (its second and third read come from cache): E[x^2] - E[x]^2 would lose all digits where
// the mean is large.

struct Params { rows: u32, cols: u32, eps: f32, chunk: u32 }
var<immediate> p: Params;

//#if FORWARD BACKWARD
override LANES: u32 = 256u;
//#if VEC4
alias T = vec4<f32>;
fn total(v: T) -> f32 { return (v.x + v.y) + (v.z + v.w); }
const WIDE = 4u;
//#else
alias T = f32;
fn total(v: T) -> f32 { return v; }
const WIDE = 1u;
//#end
var<workgroup> scratch: array<vec2<f32>, 256>;
// The sum of v over the LANES threads of a row, known to all of them.
fn row_sum(v: vec2<f32>, li: u32) -> vec2<f32> {
  let lane = li % LANES;
  workgroupBarrier();
  scratch[li] = v;
  for (var h = LANES / 2u; h > 0u; h >>= 1u) { workgroupBarrier(); if (lane < h) { scratch[li] += scratch[li + h]; } }
  workgroupBarrier();
  return scratch[li - lane];
}
//#end

//#if FORWARD
@group(0) @binding(0) var<storage, read> X: array<T>;
@group(0) @binding(1) var<storage, read> WEIGHT: array<T>;
@group(0) @binding(2) var<storage, read> BIAS: array<T>;
@group(0) @binding(3) var<storage, read_write> Y: array<T>;
@group(0) @binding(4) var<storage, read_write> STATS: array<vec2<f32>>;

@compute @workgroup_size(256)
fn layer_norm(@builtin(local_invocation_index) li: u32, @builtin(workgroup_id) w: vec3<u32>, @builtin(num_workgroups) nw: vec3<u32>) {
  let row = (w.y * nw.x + w.x) * (256u / LANES) + li / LANES; let lane = li % LANES; let live = row < p.rows;
  let n = select(0u, p.cols / WIDE, live); let base = row * (p.cols / WIDE); let count = f32(p.cols);
  var s = T();
  for (var i = lane; i < n; i += LANES) { s += X[base + i]; }
  let mean = row_sum(vec2<f32>(total(s), 0.0), li).x / count;
  s = T();
  for (var i = lane; i < n; i += LANES) { let d = X[base + i] - mean; s = fma(d, d, s); }
  let rstd = inverseSqrt(row_sum(vec2<f32>(total(s), 0.0), li).x / count + p.eps);
  for (var i = lane; i < n; i += LANES) { Y[base + i] = fma((X[base + i] - mean) * rstd, WEIGHT[i], BIAS[i]); }
  if (live && lane == 0u) { STATS[row] = vec2<f32>(mean, rstd); }
}
//#end

//#if BACKWARD
@group(0) @binding(0) var<storage, read> X: array<T>;
@group(0) @binding(1) var<storage, read> WEIGHT: array<T>;
@group(0) @binding(2) var<storage, read> dY: array<T>;
@group(0) @binding(3) var<storage, read> STATS: array<vec2<f32>>;
@group(0) @binding(4) var<storage, read_write> dX: array<T>;
//#if ADD
@group(0) @binding(5) var<storage, read> ADD: array<T>;
//#end

// dx = rstd * (g - mean(g) - xhat * mean(g * xhat)), g = dy * weight.
@compute @workgroup_size(256)
fn layer_norm_input(@builtin(local_invocation_index) li: u32, @builtin(workgroup_id) w: vec3<u32>, @builtin(num_workgroups) nw: vec3<u32>) {
  let row = (w.y * nw.x + w.x) * (256u / LANES) + li / LANES; let lane = li % LANES;
  let n = select(0u, p.cols / WIDE, row < p.rows); let base = row * (p.cols / WIDE);
  let stats = STATS[min(row, p.rows - 1u)];
  var a = T(); var b = T();
  for (var i = lane; i < n; i += LANES) { let g = dY[base + i] * WEIGHT[i]; a += g; b = fma(g, (X[base + i] - stats.x) * stats.y, b); }
  let m = row_sum(vec2<f32>(total(a), total(b)), li) / f32(p.cols);
  for (var i = lane; i < n; i += LANES) {
    let xhat = (X[base + i] - stats.x) * stats.y;
    var d = stats.y * (dY[base + i] * WEIGHT[i] - m.x - xhat * m.y);
//#if ADD
    d += ADD[base + i];
//#end
    dX[base + i] = d;
  }
}
//#end

//#if PARAMS
@group(0) @binding(0) var<storage, read> X: array<f32>;
@group(0) @binding(1) var<storage, read> dY: array<f32>;
@group(0) @binding(2) var<storage, read> STATS: array<vec2<f32>>;
@group(0) @binding(3) var<storage, read_write> PART: array<f32>;
var<workgroup> sums: array<vec2<f32>, 256>;

// 64 columns a workgroup; four threads share a column and take every fourth row.
@compute @workgroup_size(256)
fn layer_norm_params(@builtin(local_invocation_index) li: u32, @builtin(workgroup_id) w: vec3<u32>) {
  let col = w.x * 64u + li % 64u; let end = select(0u, min((w.y + 1u) * p.chunk, p.rows), col < p.cols);
  var s = vec2<f32>(0.0);
  for (var row = w.y * p.chunk + li / 64u; row < end; row += 4u) {
    let at = row * p.cols + col; let stats = STATS[row]; let g = dY[at];
    s += vec2<f32>(g * ((X[at] - stats.x) * stats.y), g);
  }
  sums[li] = s;
  workgroupBarrier();
  if (li < 64u && col < p.cols) {
    let t = (sums[li] + sums[li + 64u]) + (sums[li + 128u] + sums[li + 192u]);
    PART[w.y * 2u * p.cols + col] = t.x; PART[(w.y * 2u + 1u) * p.cols + col] = t.y;
  }
}
//#end
