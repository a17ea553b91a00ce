// optim.wgsl: global gradient norm, clip factor, AdamW and SGD over one flat vector: all parameters of a model, in place. f32.
//
// Kernels   NORM   entry sum_squares: PART[first + workgroup] = sum of squares of 16384 gradients. `first` serves windows of a long vector.
//                  Grid ceil(n / 16384).   Bindings 0 GRAD, 1 PART.
//           CLIP   entry clip_factor: SCALARS = (min(1, max_norm / (norm + 1e-6)), norm) from `parts` partial sums; where the norm is not
//                  finite the factor is -1. A max_norm of 3e38 clips nothing.   One workgroup.   Bindings 1 PART, 2 SCALARS.
//           ADAMW  entry adamw: a step.   Grid ceil(n / 1024).   Bindings 0 GRAD, 2 SCALARS, 3 THETA, 4 M, 5 V, 6 TABLE.
//           SGD    entry sgd: a step.     Grid ceil(n / 1024).   Bindings 0 GRAD, 2 SCALARS, 3 THETA, 4 B (MOMENTUM), 6 TABLE.
// Vectors   n elements, a multiple of 64 (a parameter starts at a multiple of 64, the padding is zero and stays zero).
// TABLE     [n / 64] of (learning rate scale, weight decay): groups, exclusions. Scale 0 freezes: parameters and moments stay as they are.
// Grid      workgroups over x and, above 65535, y.
//
// With g = clip factor * gradient, l = lr * scale, and numbers that the host computes in f64 and rounds once:
//   AdamW   theta *= 1 - l * decay;  m += (1 - b1) (g - m);  v += (1 - b2) (g^2 - v);  theta -= l * (m * c1) / (sqrt(v * c2) + eps)
//           a1 = 1 - b1, a2 = 1 - b2; c1 = 1 / (1 - b1^t), c2 = 1 / (1 - b2^t), t = 1, 2, ...
//   SGD     theta *= 1 - l * decay;  b = momentum * b + g (the first step: b = g);  theta -= l * (nesterov ? g + momentum * b : b)
//           without MOMENTUM: theta -= l * g.
// A clip factor below 0 leaves the step out, moments included: on the GPU, without a readback.

//#if NORM
struct Params { n: u32, first: u32 }
//#end
//#if CLIP
struct Params { parts: u32, max_norm: f32 }
//#end
//#if ADAMW
struct Params { n: u32, lr: f32, a1: f32, a2: f32, eps: f32, c1: f32, c2: f32 }
//#end
//#if SGD
struct Params { n: u32, lr: f32, momentum: f32, first: u32, nesterov: u32 }
//#end
var<immediate> p: Params;

//#if NORM CLIP
var<workgroup> scratch: array<f32, 256>;
fn group_sum(v: f32, li: u32) -> f32 {
  scratch[li] = v;
  for (var h = 128u; h > 0u; h >>= 1u) { workgroupBarrier(); if (li < h) { scratch[li] += scratch[li + h]; } }
  workgroupBarrier();
  return scratch[0];
}
//#end

//#if NORM
@group(0) @binding(0) var<storage, read> GRAD: array<vec4<f32>>;
@group(0) @binding(1) var<storage, read_write> PART: array<f32>;
@compute @workgroup_size(256)
fn sum_squares(@builtin(local_invocation_index) li: u32, @builtin(workgroup_id) w: vec3<u32>, @builtin(num_workgroups) nw: vec3<u32>) {
  let part = w.y * nw.x + w.x;
  var s = vec4<f32>(0.0);
  for (var k = 0u; k < 16u; k++) { let i = (part * 16u + k) * 256u + li; if (i < p.n / 4u) { let g = GRAD[i]; s = fma(g, g, s); } }
  let sum = group_sum((s.x + s.y) + (s.z + s.w), li);
  if (li == 0u && part < (p.n + 16383u) / 16384u) { PART[p.first + part] = sum; }
}
//#end

//#if CLIP
@group(0) @binding(1) var<storage, read> PART: array<f32>;
@group(0) @binding(2) var<storage, read_write> SCALARS: array<f32>;
@compute @workgroup_size(256)
fn clip_factor(@builtin(local_invocation_index) li: u32) {
  var s = 0.0;
  for (var i = li; i < p.parts; i += 256u) { s += PART[i]; }
  let sum = group_sum(s, li);
  if (li == 0u) {
    // A comparison may assume that there is no NaN; the bits do not lie.
    let finite = (bitcast<u32>(sum) & 0x7f800000u) != 0x7f800000u;
    let norm = sqrt(sum);
    SCALARS[0] = select(-1.0, min(1.0, p.max_norm / (norm + 1.0e-6)), finite);
    SCALARS[1] = norm;
  }
}
//#end

//#if ADAMW SGD
@group(0) @binding(0) var<storage, read> GRAD: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> SCALARS: array<f32>;
@group(0) @binding(3) var<storage, read_write> THETA: array<vec4<f32>>;
@group(0) @binding(6) var<storage, read> TABLE: array<vec2<f32>>;
//#end

//#if ADAMW
@group(0) @binding(4) var<storage, read_write> M: array<vec4<f32>>;
@group(0) @binding(5) var<storage, read_write> V: array<vec4<f32>>;
@compute @workgroup_size(256)
fn adamw(@builtin(local_invocation_index) li: u32, @builtin(workgroup_id) w: vec3<u32>, @builtin(num_workgroups) nw: vec3<u32>) {
  let i = (w.y * nw.x + w.x) * 256u + li;
  if (i >= p.n / 4u) { return; }
  let clip = SCALARS[0]; let group = TABLE[i / 16u];
  if (clip < 0.0 || group.x == 0.0) { return; }
  let g = GRAD[i] * clip; let lr = p.lr * group.x;
  let m = fma(g - M[i], vec4<f32>(p.a1), M[i]); let v = fma(g * g - V[i], vec4<f32>(p.a2), V[i]);
  M[i] = m; V[i] = v;
  THETA[i] = THETA[i] * (1.0 - lr * group.y) - lr * (m * p.c1) / (sqrt(v * p.c2) + p.eps);
}
//#end

//#if SGD
//#if MOMENTUM
@group(0) @binding(4) var<storage, read_write> B: array<vec4<f32>>;
//#end
@compute @workgroup_size(256)
fn sgd(@builtin(local_invocation_index) li: u32, @builtin(workgroup_id) w: vec3<u32>, @builtin(num_workgroups) nw: vec3<u32>) {
  let i = (w.y * nw.x + w.x) * 256u + li;
  if (i >= p.n / 4u) { return; }
  let clip = SCALARS[0]; let group = TABLE[i / 16u];
  if (clip < 0.0 || group.x == 0.0) { return; }
  let g = GRAD[i] * clip; let lr = p.lr * group.x;
  var update = g;
//#if MOMENTUM
  var b = g;
  if (p.first == 0u) { b = fma(vec4<f32>(p.momentum), B[i], g); }
  B[i] = b;
  update = b;
  if (p.nesterov == 1u) { update = fma(vec4<f32>(p.momentum), b, g); }
//#end
  THETA[i] = THETA[i] * (1.0 - lr * group.y) - lr * update;
}
//#end
