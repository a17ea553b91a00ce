// attention_repair.wgsl: does again, by the definition, the rows of a result of attention in which a NaN is found: a row that sees no key
// becomes 0, and what lies where a key is hidden, NaN or infinite, takes no part. A row that is rightly NaN stays so. Dispatched where keys
// may be hidden, after the kernel whose result it looks at, it costs little more than reading it. What attention_shared says holds here.
//
// Kernels   FWD  rows of O, and STATS of those that see nothing: (-3.4e38, 0).   grid sq a head
//           DQ   rows of dQ.                                                  grid sq a head
//           DKV  rows of dK and dV.                                           grid sk a head
// Bindings  those of the kernel before.
// Flags     FWD | DQ | DKV, and of those of attention_shared MASK_ADD | MASK_BOOL and PACKED.

var<workgroup> flags: array<u32, 64>;
var<workgroup> bad: u32; // whether the row is to be done again
// Of 64 pairs: whether the key is seen, and what the other side's row is multiplied by.
var<workgroup> seen: array<u32, 64>;
var<workgroup> first: array<f32, 64>;
//#if DKV
var<workgroup> second: array<f32, 64>;
//#end

// What a thread has summed up of its vec4, and whether it saw a key.
var<private> any_seen: bool;
var<private> sum: vec4<f32>;
//#if DKV
var<private> sum_v: vec4<f32>;
//#end

//#if FWD
fn own_rows() -> u32 { return p.sq; }
fn other_rows() -> u32 { return p.sk; }
//#end
//#if DQ
fn own_rows() -> u32 { return p.sq; }
fn other_rows() -> u32 { return p.sk; }
//#end
//#if DKV
fn own_rows() -> u32 { return p.sk; }
fn other_rows() -> u32 { return p.sq; }
//#end

fn sees(query: u32, key: u32, mask_base: u32) -> bool {
  var seen = i32(key) <= i32(query) + p.diag;
//#if MASK_ADD
  seen = seen && bitcast<u32>(MASK[mask_base + query * p.m_r + key]) != 0xff800000u;
//#end
//#if MASK_BOOL
  seen = seen && MASK[mask_base + query * p.m_r + key] != 0u;
//#end
  return seen;
}
// Summed in the order of the tiles' products, so that the score is the same.
fn dot_of(a: vec4<f32>, b: vec4<f32>, sum: f32) -> f32 { return fma(a.w, b.w, fma(a.z, b.z, fma(a.y, b.y, fma(a.x, b.x, sum)))); }
fn nan_in(v: vec4<f32>) -> bool { return any((bitcast<vec4<u32>>(v) & vec4<u32>(0x7fffffffu)) > vec4<u32>(0x7f800000u)); }

// The weight of a pair that is seen, and for the gradients that of its score's gradient.
fn pair(base: Bases, query: u32, key: u32) -> vec2<f32> {
  let qi = base.q + query * row_step(); let kj = base.k + key * row_step();
  var s = 0.0;
  // Four at a time: all loops of a thread together must have few turns.
  for (var e = 0u; e < d4(); e += 4u) {
    s = dot_of(Q[qi + e + 1u], k_at(kj + e + 1u), dot_of(Q[qi + e], k_at(kj + e), s));
    s = dot_of(Q[qi + e + 3u], k_at(kj + e + 3u), dot_of(Q[qi + e + 2u], k_at(kj + e + 2u), s));
  }
  let stats = STATS[base.s + query];
  let weight = weights(scores(vec4<f32>(s), vec4<u32>(query), vec4<u32>(key), base.m, false), stats.xxxx).x;
//#if FWD
  return vec2<f32>(weight / stats.y, 0.0);
//#else
  let at = base.o + query * o_step();
  var g = 0.0;
  for (var e = 0u; e < d4(); e += 4u) {
    g = dot_of(dO[at + e + 1u], v_at(kj + e + 1u), dot_of(dO[at + e], v_at(kj + e), g));
    g = dot_of(dO[at + e + 3u], v_at(kj + e + 3u), dot_of(dO[at + e + 2u], v_at(kj + e + 2u), g));
  }
  return vec2<f32>(weight * stats.y, weight * stats.y * p.scale * (g - stats.z));
//#end
}

fn is_bad(base: Bases, row: u32, e: u32) -> bool {
//#if FWD
  return nan_in(O[base.o + row * o_step() + e]);
//#end
//#if DQ
  return nan_in(dQ[base.q + row * row_step() + e]);
//#end
//#if DKV
  let at = base.k + row * row_step() + e;
//#if PACKED
  return nan_in(dK[at]) || nan_in(dK[at + p.heads * d4()]);
//#else
  return nan_in(dK[at]) || nan_in(dV[at]);
//#end
//#end
}

// Adds what pair `i` of the 64 from row `start` of the other side on gives to vec4 `e` of the row.
fn add_pair(base: Bases, start: u32, i: u32, e: u32) {
  if (seen[i] == 0u) { return; }
  any_seen = true;
  if (e >= d4()) { return; }
  let other = start + i;
//#if FWD
  sum = fma(vec4<f32>(first[i]), v_at(base.k + other * row_step() + e), sum);
//#end
//#if DQ
  sum = fma(vec4<f32>(first[i]), k_at(base.k + other * row_step() + e), sum);
//#end
//#if DKV
  sum = fma(vec4<f32>(first[i]), Q[base.q + other * row_step() + e], sum);
  sum_v = fma(vec4<f32>(second[i]), dO[base.o + other * o_step() + e], sum_v);
//#end
}

// Vec4 `e` of row `own` again, where e is one; 64 rows of the other side at a time.
fn repair(base: Bases, own: u32, e: u32, li: u32) {
  any_seen = false; sum = vec4<f32>(0.0);
//#if DKV
  sum_v = vec4<f32>(0.0);
//#end
  for (var start = 0u; start < other_rows(); start += 64u) {
    let other = start + li;
//#if DKV
    let query = other; let key = own;
//#else
    let query = own; let key = other;
//#end
    let visible = other < other_rows() && sees(min(query, p.sq - 1u), min(key, p.sk - 1u), base.m);
    var x = vec2<f32>(0.0);
    if (visible) { x = pair(base, query, key); }
    workgroupBarrier();
    seen[li] = u32(visible);
//#if FWD
    first[li] = x.x;
//#else
    first[li] = x.y;
//#end
//#if DKV
    second[li] = x.x;
//#end
    workgroupBarrier();
    for (var i = 0u; i < 64u; i += 4u) {
      add_pair(base, start, i, e); add_pair(base, start, i + 1u, e);
      add_pair(base, start, i + 2u, e); add_pair(base, start, i + 3u, e);
    }
  }
//#if FWD
  if (e < d4()) { O[base.o + own * o_step() + e] = sum; }
  if (e == 0u && !any_seen) { STATS[base.s + own] = vec2<f32>(LOWEST, 0.0); }
//#end
//#if DQ
  if (e < d4()) { dQ[base.q + own * row_step() + e] = sum; }
//#end
//#if DKV
  if (e < d4()) { dK[base.k + own * row_step() + e] = sum; set_v(base.k + own * row_step() + e, sum_v); }
//#end
}

// A row a workgroup.
@compute @workgroup_size(64)
fn repair_rows(@builtin(local_invocation_index) li: u32, @builtin(workgroup_id) w: vec3<u32>, @builtin(num_workgroups) n: vec3<u32>) {
  let index = place(w, n); let own = index % own_rows(); let head = index / own_rows();
  if (head >= p.count) { return; }
  let base = bases(head);
  var found = false;
  for (var e = li; e < d4(); e += 64u) { found = found || is_bad(base, own, e); }
  flags[li] = u32(found);
  workgroupBarrier();
  if (li == 0u) {
    bad = 0u;
    for (var i = 0u; i < 64u; i++) { bad |= flags[i]; }
  }
  if (workgroupUniformLoad(&bad) == 0u) { return; }
  for (var e = 0u; e < d4(); e += 64u) { repair(base, own, e + li, li); }
}
