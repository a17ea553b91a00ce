// softmax.wgsl: softmax and log-softmax over rows, their gradients, and the losses on logits, each with its gradient in one dispatch. f32.
//
// Kernels   FORWARD   entry softmax: y = softmax(scale * x), with LOG its logarithm.             Bindings 0 X, 1 Y.
//           BACKWARD  entry softmax_input: dx = scale * y * (dy - sum(dy * y)), with LOG         Bindings 0 Y, 1 dY, 2 dX.
//                     dx = scale * (dy - exp(y) * sum(dy)), where y is the logarithm.
//           LOSS      entry cross_entropy: LOSS[row] = sum(q * (lse(x) - x)), dX = scale * (softmax(x) * sum(q) - q).
//           SIGMOID   entry sigmoid_cross_entropy: LOSS[row] = sum(softplus(x) - q * x), dX = scale * (sigmoid(x) - q).
//                     Bindings of both: 0 X, 1 LABELS (u32 [rows]; with SOFT f32 [rows][cols]), 2 LOSS, 3 dX (not with NO_GRAD).
// Targets   q = (1 - smoothing) * t + smoothing / cols, t = onehot(label), or, with SOFT, the row of LABELS, which need not sum to 1.
//           A label of 0xffffffff (or any beyond cols) is ignored: loss 0, gradient 0. scale is 1 / (number of counted rows) for a mean;
//           it does not touch LOSS.
// Grid      ceil(rows / (256 / LANES)) workgroups, over x and, above 65535, y.
// Flags     LOG; SOFT; NO_GRAD; VEC4: cols a multiple of 4.       Constants LANES: threads a row, a power of two up to 256.
//
// The maximum and the sum of exponentials come from one pass: a thread keeps (largest so far, sum relative to it) of its part, and parts
// are joined as pairs. Losses are summed from log sum - (x - largest), so that a common offset of the logits costs no digits.

struct Params { rows: u32, cols: u32, scale: f32, smoothing: f32 }
var<immediate> p: Params;
override LANES: u32 = 256u;
const LOWEST = -3.4028234e38; // the lowest f32: some masks write it, and a row of nothing else is a softmax of equals

//#if VEC4
alias T = vec4<f32>;
const WIDE = 4u;
fn total(v: T) -> f32 { return (v.x + v.y) + (v.z + v.w); }
fn largest(v: T) -> f32 { return max(max(v.x, v.y), max(v.z, v.w)); }
fn onehot(i: u32, label: u32) -> T {
  return select(T(0.0), T(1.0), vec4<u32>(4u * i, 4u * i + 1u, 4u * i + 2u, 4u * i + 3u) == vec4<u32>(label));
}
//#else
alias T = f32;
const WIDE = 1u;
fn total(v: T) -> f32 { return v; }
fn largest(v: T) -> f32 { return v; }
fn onehot(i: u32, label: u32) -> T { return select(0.0, 1.0, i == label); }
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
//#if FORWARD LOSS
// exp(x) for x <= 0. Below -120 it is 0 in f32 anyway, and masked logits may be as low as f32 goes. A clamp would hide a NaN: this lets it
// through where the hardware's exp does.
fn decay(x: f32) -> f32 { return select(exp(x), 0.0, x < -120.0); }
fn decays(x: T) -> T { return select(exp(x), T(0.0), x < T(-120.0)); }
// (max, sum of exp(x - max)) of two sets of numbers, from those of each.
fn join(a: vec2<f32>, b: vec2<f32>) -> vec2<f32> {
  let m = max(a.x, b.x);
  return vec2<f32>(m, a.y * decay(a.x - m) + b.y * decay(b.x - m));
}
fn row_join(v: vec2<f32>, li: u32) -> vec2<f32> {
  let lane = li % LANES;
  workgroupBarrier();
  scratch[li] = v;
  for (var h = LANES / 2u; h > 0u; h >>= 1u) { workgroupBarrier(); if (lane < h) { scratch[li] = join(scratch[li], scratch[li + h]); } }
  workgroupBarrier();
  return scratch[li - lane];
}
fn add(a: vec2<f32>, x: T) -> vec2<f32> {
  let m = max(a.x, largest(x));
  return vec2<f32>(m, a.y * decay(a.x - m) + total(decays(x - m)));
}
//#end

//#if FORWARD
@group(0) @binding(0) var<storage, read> X: array<T>;
@group(0) @binding(1) var<storage, read_write> Y: array<T>;
@compute @workgroup_size(256)
fn softmax(@builtin(local_invocation_index) li: u32, @builtin(workgroup_id) w: vec3<u32>, @builtin(num_workgroups) nw: vec3<u32>) {
  let row = (w.y * nw.x + w.x) * (256u / LANES) + li / LANES; let lane = li % LANES;
  let n = select(0u, p.cols / WIDE, row < p.rows); let base = row * (p.cols / WIDE);
  var s = vec2<f32>(LOWEST, 0.0);
  for (var i = lane; i < n; i += LANES) { s = add(s, X[base + i] * p.scale); }
  s = row_join(s, li);
//#if LOG
  let log_sum = log(s.y);
  for (var i = lane; i < n; i += LANES) { Y[base + i] = X[base + i] * p.scale - s.x - log_sum; }
//#else
  let inverse = 1.0 / s.y;
  for (var i = lane; i < n; i += LANES) { Y[base + i] = decays(X[base + i] * p.scale - s.x) * inverse; }
//#end
}
//#end

//#if BACKWARD
@group(0) @binding(0) var<storage, read> Y: array<T>;
@group(0) @binding(1) var<storage, read> dY: array<T>;
@group(0) @binding(2) var<storage, read_write> dX: array<T>;
@compute @workgroup_size(256)
fn softmax_input(@builtin(local_invocation_index) li: u32, @builtin(workgroup_id) w: vec3<u32>, @builtin(num_workgroups) nw: vec3<u32>) {
  let row = (w.y * nw.x + w.x) * (256u / LANES) + li / LANES; let lane = li % LANES;
  let n = select(0u, p.cols / WIDE, row < p.rows); let base = row * (p.cols / WIDE);
  var s = T();
//#if LOG
  for (var i = lane; i < n; i += LANES) { s += dY[base + i]; }
  let sum = row_sum(vec2<f32>(total(s), 0.0), li).x;
  for (var i = lane; i < n; i += LANES) { dX[base + i] = p.scale * (dY[base + i] - exp(clamp(Y[base + i], T(-120.0), T(0.0))) * sum); }
//#else
  for (var i = lane; i < n; i += LANES) { s = fma(Y[base + i], dY[base + i], s); }
  let dot = row_sum(vec2<f32>(total(s), 0.0), li).x;
  for (var i = lane; i < n; i += LANES) { dX[base + i] = p.scale * Y[base + i] * (dY[base + i] - dot); }
//#end
}
//#end

//#if LOSS SIGMOID
@group(0) @binding(0) var<storage, read> X: array<T>;
//#if SOFT
@group(0) @binding(1) var<storage, read> LABELS: array<T>;
//#else
@group(0) @binding(1) var<storage, read> LABELS: array<u32>;
//#end
@group(0) @binding(2) var<storage, read_write> LOSS: array<f32>;
//#if NO_GRAD
//#else
@group(0) @binding(3) var<storage, read_write> dX: array<T>;
//#end

//#if SOFT
fn label_of(row: u32) -> u32 { return 0u; }
fn target_of(i: u32, at: u32, label: u32) -> T { return (1.0 - p.smoothing) * LABELS[at] + p.smoothing / f32(p.cols); }
//#else
fn label_of(row: u32) -> u32 { return LABELS[min(row, p.rows - 1u)]; }
fn target_of(i: u32, at: u32, label: u32) -> T { return (1.0 - p.smoothing) * onehot(i, label) + p.smoothing / f32(p.cols); }
//#end
//#end

//#if LOSS
@compute @workgroup_size(256)
fn cross_entropy(@builtin(local_invocation_index) li: u32, @builtin(workgroup_id) w: vec3<u32>, @builtin(num_workgroups) nw: vec3<u32>) {
  let row = (w.y * nw.x + w.x) * (256u / LANES) + li / LANES; let lane = li % LANES;
  let label = label_of(row); let counted = row < p.rows && label < p.cols;
  let n = select(0u, p.cols / WIDE, row < p.rows); let base = row * (p.cols / WIDE);
  var s = vec2<f32>(LOWEST, 0.0);
  for (var i = lane; i < n; i += LANES) { s = add(s, X[base + i]); }
  s = row_join(s, li);
  let log_sum = log(s.y); let inverse = 1.0 / s.y; let factor = select(0.0, p.scale, counted);
//#if SOFT
//#if NO_GRAD
//#else
  var weights = T();
  for (var i = lane; i < n; i += LANES) { weights += target_of(i, base + i, label); }
  let weight = row_sum(vec2<f32>(total(weights), 0.0), li).x;
//#end
//#else
  let weight = 1.0;
//#end
  var loss = T();
  for (var i = lane; i < n; i += LANES) {
    // The distance of a class masked with -infinity becomes finite: a target of 0 times it is 0.
    let x = max(X[base + i] - s.x, T(LOWEST)); let q = target_of(i, base + i, label);
    loss = fma(q, log_sum - x, loss);
//#if NO_GRAD
//#else
    dX[base + i] = factor * (decays(x) * inverse * weight - q);
//#end
  }
  let sum = row_sum(vec2<f32>(total(loss), 0.0), li).x;
  if (row < p.rows && lane == 0u) { LOSS[row] = select(0.0, sum, counted); }
}
//#end

//#if SIGMOID
// log(1 + e) for e in 0 .. 1, as 2 artanh(e / (2 + e)): log(1 + e) itself would lose a small e. Relative error of the series 1e-9.
fn log1p(e: T) -> T {
  let r = e / (2.0 + e); let w = r * r;
  var s = fma(w, T(1.0 / 15.0), T(1.0 / 13.0));
  s = fma(w, s, T(1.0 / 11.0)); s = fma(w, s, T(1.0 / 9.0)); s = fma(w, s, T(1.0 / 7.0));
  s = fma(w, s, T(1.0 / 5.0)); s = fma(w, s, T(1.0 / 3.0));
  return 2.0 * fma(r * w, s, r);
}
@compute @workgroup_size(256)
fn sigmoid_cross_entropy(@builtin(local_invocation_index) li: u32, @builtin(workgroup_id) w: vec3<u32>,
                         @builtin(num_workgroups) nw: vec3<u32>) {
  let row = (w.y * nw.x + w.x) * (256u / LANES) + li / LANES; let lane = li % LANES;
  let label = label_of(row); let counted = row < p.rows && label < p.cols;
  let n = select(0u, p.cols / WIDE, row < p.rows); let base = row * (p.cols / WIDE);
  let factor = select(0.0, p.scale, counted);
  var loss = T();
  for (var i = lane; i < n; i += LANES) {
    let x = X[base + i]; let q = target_of(i, base + i, label); let e = exp(-min(abs(x), T(80.0))); // exp(-|x|)
    loss += max(x, T(0.0)) - q * x + log1p(e);
//#if NO_GRAD
//#else
    dX[base + i] = factor * (select(e, T(1.0), x >= T(0.0)) / (1.0 + e) - q);
//#end
  }
  let sum = row_sum(vec2<f32>(total(loss), 0.0), li).x;
  if (row < p.rows && lane == 0u) { LOSS[row] = select(0.0, sum, counted); }
}
//#end
