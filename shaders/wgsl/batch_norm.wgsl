// batch_norm.wgsl: batch normalisation of [batch, channels, area] (NCHW), and its gradient. f32.
//
// Kernels, in order
//   PARTIAL   entry batch_norm_partial: PART [chunks][channels] = (mean, sum of squared distances) of a chunk of a channel's batch * area
//             elements.   Grid x = channels, above 65535 over x and z, y = ceil(batch * area / chunk).   Bindings 0 X, 4 PART.
//   MERGE     entry batch_norm_merge: joins the chunks in order: STATS [channels] = (mean, rstd), and the running mean and (unbiased)
//             variance after this batch: (1 - momentum) * old + momentum * batch. The old ones are only read.
//             Grid ceil(channels / 64), over x and, above 65535, y.
//             Bindings 0 old mean [channels], 1 old variance [channels], 4 PART, 5 STATS, 6 new mean, 7 new variance.
//   FORWARD   entry batch_norm: y = (x - mean) * rstd * weight + bias, with RESIDUAL + residual, then with RELU max(y, 0): the end of a
//             residual block.   Bindings 0 X, 1 WEIGHT, 2 BIAS, 3 residual (RESIDUAL), 5 STATS, 6 Y.
//   GRADS     entry batch_norm_grads: PART [chunks][2][channels], sums of g * xhat (weight) and g (bias), g = dy (with RELU: where y > 0).
//             column_sum of reduce.wgsl adds the chunks: SUMS [2][channels].   Grid as PARTIAL.
//             Bindings 0 X, 2 Y (RELU), 3 dY, 4 PART, 5 STATS.
//   BACKWARD  entry batch_norm_input: dx = weight * rstd * (g - (sum(g) + xhat * sum(g * xhat)) / count); with RESIDUAL also the residual's
//             gradient g.   Bindings 0 X, 1 WEIGHT, 2 Y (RELU), 3 dY, 4 residual's gradient (RESIDUAL), 5 STATS, 6 dX, 7 SUMS.
// Grid of FORWARD and BACKWARD: ceil(batch * channels / (256 / LANES)) workgroups, over x and, above 65535, y.
// Flags RELU, RESIDUAL.   Constants LANES: threads a plane of `area` elements, a power of two up to 256.

struct Params { batch: u32, channels: u32, area: u32, chunk: u32, eps: f32, momentum: f32 }
var<immediate> p: Params;
//#if PARTIAL FORWARD GRADS BACKWARD
@group(0) @binding(0) var<storage, read> X: array<f32>;
//#end
//#if FORWARD BACKWARD
override LANES: u32 = 256u;
@group(0) @binding(1) var<storage, read> WEIGHT: array<f32>;
//#end
//#if MERGE
@group(0) @binding(0) var<storage, read> MEAN: array<f32>;
@group(0) @binding(1) var<storage, read> VARIANCE: array<f32>;
@group(0) @binding(5) var<storage, read_write> STATS: array<vec2<f32>>;
//#end
//#if FORWARD
@group(0) @binding(2) var<storage, read> BIAS: array<f32>;
@group(0) @binding(6) var<storage, read_write> Y: array<f32>;
//#if RESIDUAL
@group(0) @binding(3) var<storage, read> ADD: array<f32>;
//#end
//#end
//#if GRADS BACKWARD
//#if RELU
@group(0) @binding(2) var<storage, read> Y: array<f32>;
//#end
@group(0) @binding(3) var<storage, read> dY: array<f32>;
//#end
//#if FORWARD GRADS BACKWARD
@group(0) @binding(5) var<storage, read> STATS: array<vec2<f32>>;
//#end

//#if PARTIAL GRADS
var<workgroup> scratch: array<vec2<f32>, 256>;
fn group_sum(v: vec2<f32>, li: u32) -> vec2<f32> {
  workgroupBarrier();
  scratch[li] = v;
  for (var h = 128u; h > 0u; h >>= 1u) { workgroupBarrier(); if (li < h) { scratch[li] += scratch[li + h]; } }
  workgroupBarrier();
  return scratch[0];
}
// The place of element e of a channel's batch * area elements. `inverse` is 1 / area; the quotient is put right by one step. From 2^24
// elements on a float no longer tells them apart.
fn place(e: u32, channel: u32, inverse: f32) -> u32 {
  if (p.batch * p.area >= 0x1000000u) { return (e / p.area * p.channels + channel) * p.area + e % p.area; }
  var n = u32(f32(e) * inverse); var r = i32(e - n * p.area);
  if (r < 0) { n -= 1u; r += i32(p.area); }
  if (r >= i32(p.area)) { n += 1u; r -= i32(p.area); }
  return (n * p.channels + channel) * p.area + u32(r);
}
//#end
//#if GRADS BACKWARD
fn gradient(i: u32) -> f32 {
//#if RELU
  return select(0.0, dY[i], Y[i] > 0.0);
//#else
  return dY[i];
//#end
}
//#end

//#if PARTIAL
@group(0) @binding(4) var<storage, read_write> PART: array<vec2<f32>>;
@compute @workgroup_size(256)
fn batch_norm_partial(@builtin(local_invocation_index) li: u32, @builtin(workgroup_id) w: vec3<u32>,
                      @builtin(num_workgroups) nw: vec3<u32>) {
  let c = w.z * nw.x + w.x;
  if (c >= p.channels) { return; }
  let begin = w.y * p.chunk; let end = min(begin + p.chunk, p.batch * p.area); let inverse = 1.0 / f32(p.area);
  var s = 0.0;
  for (var e = begin + li; e < end; e += 256u) { s += X[place(e, c, inverse)]; }
  let mean = group_sum(vec2<f32>(s, 0.0), li).x / f32(end - begin);
  s = 0.0; var t = 0.0;
  for (var e = begin + li; e < end; e += 256u) { let d = X[place(e, c, inverse)] - mean; s = fma(d, d, s); t += d; }
  // What the rounding of the mean left, which is as large as the deviations where the mean is large.
  let sums = group_sum(vec2<f32>(s, t), li); let rest = sums.y / f32(end - begin); let spread = sums.x - sums.y * rest;
  if (li == 0u) { PART[w.y * p.channels + c] = vec2<f32>(mean + rest, select(spread, 0.0, spread < 0.0)); }
}
//#end

//#if MERGE
@group(0) @binding(4) var<storage, read> PART: array<vec2<f32>>;
@group(0) @binding(6) var<storage, read_write> NEW_MEAN: array<f32>;
@group(0) @binding(7) var<storage, read_write> NEW_VARIANCE: array<f32>;
@compute @workgroup_size(64)
fn batch_norm_merge(@builtin(local_invocation_index) li: u32, @builtin(workgroup_id) w: vec3<u32>,
                    @builtin(num_workgroups) nw: vec3<u32>) {
  let c = (w.y * nw.x + w.x) * 64u + li; let all = p.batch * p.area;
  if (c >= p.channels) { return; }
  var mean = 0.0; var spread = 0.0; var count = 0.0;
  for (var begin = 0u; begin < all; begin += p.chunk) {
    let part = PART[begin / p.chunk * p.channels + c]; let n = f32(min(p.chunk, all - begin));
    let d = part.x - mean; let sum = count + n;
    mean = fma(d, n / sum, mean);
    spread += part.y + d * d * (count * n / sum);
    count = sum;
  }
  STATS[c] = vec2<f32>(mean, inverseSqrt(spread / count + p.eps));
  NEW_MEAN[c] = mix(MEAN[c], mean, p.momentum);
  NEW_VARIANCE[c] = mix(VARIANCE[c], spread / max(count - 1.0, 1.0), p.momentum);
}
//#end

//#if FORWARD
@compute @workgroup_size(256)
fn batch_norm(@builtin(local_invocation_index) li: u32, @builtin(workgroup_id) w: vec3<u32>, @builtin(num_workgroups) nw: vec3<u32>) {
  let plane = (w.y * nw.x + w.x) * (256u / LANES) + li / LANES;
  if (plane >= p.batch * p.channels) { return; }
  let c = plane % p.channels; let s = STATS[c]; let weight = WEIGHT[c] * s.y; let bias = BIAS[c];
  for (var i = plane * p.area + li % LANES; i < (plane + 1u) * p.area; i += LANES) {
    var y = fma(X[i] - s.x, weight, bias);
//#if RESIDUAL
    y += ADD[i];
//#end
//#if RELU
    Y[i] = max(y, 0.0);
//#else
    Y[i] = y;
//#end
  }
}
//#end

//#if GRADS
@group(0) @binding(4) var<storage, read_write> PART: array<f32>;
@compute @workgroup_size(256)
fn batch_norm_grads(@builtin(local_invocation_index) li: u32, @builtin(workgroup_id) w: vec3<u32>,
                    @builtin(num_workgroups) nw: vec3<u32>) {
  let c = w.z * nw.x + w.x;
  if (c >= p.channels) { return; }
  let begin = w.y * p.chunk; let end = min(begin + p.chunk, p.batch * p.area); let inverse = 1.0 / f32(p.area); let stats = STATS[c];
  var s = vec2<f32>(0.0);
  for (var e = begin + li; e < end; e += 256u) {
    let i = place(e, c, inverse); let g = gradient(i);
    s += vec2<f32>(g * ((X[i] - stats.x) * stats.y), g);
  }
  s = group_sum(s, li);
  if (li == 0u) { PART[w.y * 2u * p.channels + c] = s.x; PART[(w.y * 2u + 1u) * p.channels + c] = s.y; }
}
//#end

//#if BACKWARD
@group(0) @binding(6) var<storage, read_write> dX: array<f32>;
@group(0) @binding(7) var<storage, read> SUMS: array<f32>;
//#if RESIDUAL
@group(0) @binding(4) var<storage, read_write> dADD: array<f32>;
//#end
@compute @workgroup_size(256)
fn batch_norm_input(@builtin(local_invocation_index) li: u32, @builtin(workgroup_id) w: vec3<u32>, @builtin(num_workgroups) nw: vec3<u32>) {
  let plane = (w.y * nw.x + w.x) * (256u / LANES) + li / LANES;
  if (plane >= p.batch * p.channels) { return; }
  let c = plane % p.channels; let s = STATS[c]; let count = f32(p.batch * p.area);
  let factor = WEIGHT[c] * s.y; let a = SUMS[p.channels + c] / count; let b = SUMS[c] / count;
  for (var i = plane * p.area + li % LANES; i < (plane + 1u) * p.area; i += LANES) {
    let g = gradient(i);
    dX[i] = factor * (g - a - (X[i] - s.x) * s.y * b);
//#if RESIDUAL
    dADD[i] = g;
//#end
  }
}
//#end
