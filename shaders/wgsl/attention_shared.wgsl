// attention_shared.wgsl: what the kernels of attention have in common, put behind attention_forward, attention_backward and
// attention_repair: parameters, operands and where their rows lie, which keys a query sees, scores and weights. No kernel of its own.
//
// Attention is O = softmax(scale * Q K^T + mask) V without storing the scores. f32, rows of 16, 32, 64, 128 or a multiple of 128 floats.
//
// Shapes    Q, O, dO, dQ: sq rows for each of `count` heads, `heads` of which make an item; K, V, dK, dV: sk rows. Apart, all are [count,
//           rows, dim]; with PACKED, Q, K and V lie in one buffer [items, sq, 3, heads, dim] (binding 0), and so do their gradients
//           (binding 6), and O and dO are [items, sq, heads, dim]: a fused projection needs no copies.
// Mask      query i sees key j if j <= i + diag: diag = 0 is causal, 0x3fffffff shows all. MASK_ADD: an f32 is added to a score, -inf hides
//           the key; MASK_BOOL: a u32, 0 hides. Element (b, h, i, j) of the mask is at b * m_b + h * m_h + i * m_r + j (strides may be 0).
// Scores    s = factor * dot + mask; weights are in proportion to 2^(unit * (s - top)), top being the row's largest s. Without an additive
//           mask factor is 1 or -1 and unit holds the scale, so that no compiler can fuse a rounded product with the difference: the
//           largest weight is 2^0 however large the scores are, and forward and backward make the same scores bit by bit (one fma after
//           the other over dim). A hidden score is -inf (`hidden`), known by its bits.
// NaN       where a key is hidden, products of tiles still multiply what lies there by a weight of 0. That makes NaN of NaN and infinity;
//           attention_repair then does the row again. `nan` and `hidden` are parameters because WGSL has no such constants.
// Flags     D16 | D32 | D64 | D128 say how long a row is; D128 and WIDE: rows of several panels of 128, of which a workgroup writes one;
//           none of them: any row. Optional MASK_ADD | MASK_BOOL; optional PACKED.
// Grid      any: workgroups are counted along x, then y, then z; head by head, each with as many as its rows need.

struct Params {
  sq: u32, sk: u32, diag: i32, heads: u32, count: u32, dim: u32,
  scale: f32, factor: f32, unit: f32, hidden: f32, nan: f32,
  m_b: u32, m_h: u32, m_r: u32,
}
var<immediate> p: Params;

// Vec4 of a row, and panels that it is cut into.
//#if WIDE
fn d4() -> u32 { return p.dim / 4u; }
fn panels() -> u32 { return p.dim / 128u; }
//#else
fn panels() -> u32 { return 1u; }
//#if D16
fn d4() -> u32 { return 4u; }
//#end
//#if D32
fn d4() -> u32 { return 8u; }
//#end
//#if D64
fn d4() -> u32 { return 16u; }
//#end
//#if D128
fn d4() -> u32 { return 32u; }
//#end
//#if D16 D32 D64 D128
//#else
fn d4() -> u32 { return p.dim / 4u; }
//#end
//#end
const LOWEST = -0x1.fffffep+127f;

fn place(w: vec3<u32>, n: vec3<u32>) -> u32 { return w.x + n.x * (w.y + n.y * w.z); }

// Vec4 from one row to the next of Q, K, V and their gradients; of O and dO.
//#if PACKED
fn row_step() -> u32 { return 3u * p.heads * d4(); }
fn o_step() -> u32 { return p.heads * d4(); }
//#else
fn row_step() -> u32 { return d4(); }
fn o_step() -> u32 { return d4(); }
//#end

// Where a head's rows start, in vec4: of Q; K and V; O; and in elements: its part of the mask, its rows' statistics.
struct Bases { q: u32, k: u32, o: u32, m: u32, s: u32 }
fn bases(head: u32) -> Bases {
  let b = head / p.heads; let h = head % p.heads; let m = b * p.m_b + h * p.m_h; let s = head * p.sq;
//#if PACKED
  let q = (b * 3u * p.sq * p.heads + h) * d4();
  return Bases(q, q + p.heads * d4(), (b * p.sq * p.heads + h) * d4(), m, s);
//#else
  return Bases(s * d4(), head * p.sk * d4(), s * d4(), m, s);
//#end
}

//#if DELTA
//#else
@group(0) @binding(0) var<storage, read> Q: array<vec4<f32>>;
//#if PACKED
fn k_at(i: u32) -> vec4<f32> { return Q[i]; }
fn v_at(i: u32) -> vec4<f32> { return Q[i + p.heads * d4()]; }
//#else
@group(0) @binding(1) var<storage, read> K: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> V: array<vec4<f32>>;
fn k_at(i: u32) -> vec4<f32> { return K[i]; }
fn v_at(i: u32) -> vec4<f32> { return V[i]; }
//#end
//#if MASK_ADD
@group(0) @binding(5) var<storage, read> MASK: array<f32>;
//#end
//#if MASK_BOOL
@group(0) @binding(5) var<storage, read> MASK: array<u32>;
//#end
//#if FWD
@group(0) @binding(3) var<storage, read_write> O: array<vec4<f32>>;
@group(0) @binding(4) var<storage, read_write> STATS: array<vec2<f32>>;
//#end
//#if DQ DKV
@group(0) @binding(3) var<storage, read> dO: array<vec4<f32>>;
@group(0) @binding(4) var<storage, read> STATS: array<vec4<f32>>;
//#end
//#if DQ
@group(0) @binding(6) var<storage, read_write> dQ: array<vec4<f32>>;
//#end
//#if DKV
@group(0) @binding(6) var<storage, read_write> dK: array<vec4<f32>>;
//#if PACKED
fn set_v(i: u32, v: vec4<f32>) { dK[i + p.heads * d4()] = v; }
//#else
@group(0) @binding(7) var<storage, read_write> dV: array<vec4<f32>>;
fn set_v(i: u32, v: vec4<f32>) { dV[i] = v; }
//#end
//#end

fn is_hidden(v: vec4<f32>) -> vec4<bool> { return bitcast<vec4<u32>>(v) == vec4<u32>(0xff800000u); }
// Scores of four pairs with these products. `edge`: the tile touches the diagonal or the end, so it must be looked at.
fn scores(dots: vec4<f32>, query: vec4<u32>, key: vec4<u32>, mask_base: u32, edge: bool) -> vec4<f32> {
  let hidden = vec4<f32>(p.hidden);
  var x = dots * p.factor;
//#if MASK_ADD MASK_BOOL
  let at = mask_base + min(query, vec4<u32>(p.sq - 1u)) * p.m_r + min(key, vec4<u32>(p.sk - 1u));
//#end
//#if MASK_ADD
  let bias = vec4<f32>(MASK[at.x], MASK[at.y], MASK[at.z], MASK[at.w]);
  x = select(fma(dots, vec4<f32>(p.factor), bias), hidden, is_hidden(bias));
//#end
//#if MASK_BOOL
  x = select(hidden, x, vec4<u32>(MASK[at.x], MASK[at.y], MASK[at.z], MASK[at.w]) != vec4<u32>(0u));
//#end
  if (edge) {
    let seen = (vec4<i32>(key) <= vec4<i32>(query) + p.diag) & (key < vec4<u32>(p.sk)) & (query < vec4<u32>(p.sq));
    x = select(hidden, x, seen);
  }
  return x;
}
// Weights before they are divided by their sum; none above 1, whatever a compiler did to the scores. Positive is what lies between 0 and
// infinity as an integer: NaN stays.
fn weights(s: vec4<f32>, top: vec4<f32>) -> vec4<f32> {
  let x = (s - top) * p.unit;
  let above = bitcast<vec4<u32>>(x) - vec4<u32>(1u) < vec4<u32>(0x7f800000u);
  return select(exp2(select(x, vec4<f32>(0.0), above)), vec4<f32>(0.0), is_hidden(s));
}
//#end
