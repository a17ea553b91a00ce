// optim.wgsl: AdamW and SGD over one flat vector: all parameters of a model, in place. f32.
//
// Kernels   ADAMW  entry adamw: a step.   Grid ceil(n / 1024).   Bindings 0 GRAD, 2 NORM, 3 THETA, 4 M, 5 V, 6 TABLE.
//           SGD    entry sgd: a step.     Grid ceil(n / 1024).   Bindings 0 GRAD, 2 NORM, 3 THETA, 4 B, 6 TABLE.
// Vectors   n elements, a multiple of 64 (a parameter starts at a multiple of 64, the padding is zero and stays zero).
// NORM      the norm of the whole gradient: the clip factor is min(1, max_norm / (norm + 1e-6)); a max_norm of 3e38 clips nothing.
//           Where it is not finite the step is left out, moments included: on the GPU, without a readback.
// TABLE     [n / 64] of (learning rate scale, weight decay): groups, exclusions. Scale 0 freezes: parameters and moments stay as they are.
// Grid      workgroups over x and, above 65535, y.
//
// With g = clip factor * gradient, l = lr * scale, and numbers that the host computes in f64 and rounds once:
//   AdamW   theta *= 1 - l * decay;  m += (1 - b1) (g - m);  v += (1 - b2) (g^2 - v);  theta -= l * (m * c1) / (sqrt(v * c2) + eps)
//           a1 = 1 - b1, a2 = 1 - b2; c1 = 1 / (1 - b1^t), c2 = 1 / (1 - b2^t), t = 1, 2, ...
//   SGD     theta *= 1 - l * decay;  b = momentum * b + g (the first step: b = g);  theta -= l * (nesterov ? g + momentum * b : b)

//#if ADAMW
struct Params { n: u32, max_norm: f32, lr: f32, a1: f32, a2: f32, eps: f32, c1: f32, c2: f32 }
//#end
//#if SGD
struct Params { n: u32, max_norm: f32, lr: f32, momentum: f32, first: u32, nesterov: u32 }
//#end
var<immediate> p: Params;

//#if ADAMW SGD
@group(0) @binding(0) var<storage, read> GRAD: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> NORM: array<f32>;
@group(0) @binding(3) var<storage, read_write> THETA: array<vec4<f32>>;
@group(0) @binding(6) var<storage, read> TABLE: array<vec2<f32>>;

// -1 for a norm that is not finite: a comparison may assume that there is no NaN; the bits do not lie.
fn clip_factor() -> f32 {
  let norm = NORM[0]; let finite = (bitcast<u32>(norm) & 0x7f800000u) != 0x7f800000u;
  return select(-1.0, min(1.0, p.max_norm / (norm + 1.0e-6)), finite);
}
//#end

//#if ADAMW
@group(0) @binding(4) var<storage, read_write> M: array<vec4<f32>>;
@group(0) @binding(5) var<storage, read_write> V: array<vec4<f32>>;
@compute @workgroup_size(256)
fn adamw(@builtin(local_invocation_index) li: u32, @builtin(workgroup_id) w: vec3<u32>, @builtin(num_workgroups) nw: vec3<u32>) {
  let i = (w.y * nw.x + w.x) * 256u + li;
  if (i >= p.n / 4u) { return; }
  let clip = clip_factor(); let group = TABLE[i / 16u];
  if (clip < 0.0 || group.x == 0.0) { return; }
  let g = GRAD[i] * clip; let lr = p.lr * group.x;
  let m = fma(g - M[i], vec4<f32>(p.a1), M[i]); let v = fma(g * g - V[i], vec4<f32>(p.a2), V[i]);
  M[i] = m; V[i] = v;
  let t = THETA[i]; // 1 - l * decay would round to the digits of 1
  THETA[i] = t - fma(t, vec4<f32>(lr * group.y), lr * (m * p.c1) / (sqrt(v * p.c2) + p.eps));
}
//#end

//#if SGD
@group(0) @binding(4) var<storage, read_write> B: array<vec4<f32>>;
@compute @workgroup_size(256)
fn sgd(@builtin(local_invocation_index) li: u32, @builtin(workgroup_id) w: vec3<u32>, @builtin(num_workgroups) nw: vec3<u32>) {
  let i = (w.y * nw.x + w.x) * 256u + li;
  if (i >= p.n / 4u) { return; }
  let clip = clip_factor(); let group = TABLE[i / 16u];
  if (clip < 0.0 || group.x == 0.0) { return; }
  let g = GRAD[i] * clip; let lr = p.lr * group.x;
  var b = g;
  if (p.first == 0u) { b = fma(vec4<f32>(p.momentum), B[i], g); }
  B[i] = b;
  var update = b;
  if (p.nesterov == 1u) { update = fma(vec4<f32>(p.momentum), b, g); }
  let t = THETA[i];
  THETA[i] = t - fma(t, vec4<f32>(lr * group.y), lr * update);
}
//#end
