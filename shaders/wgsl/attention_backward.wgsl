// attention_backward.wgsl: the gradients of attention. What attention_shared (shapes, mask, scores) and attention_tiles say holds here.
//
// Kernels   DELTA  STATS = (top, 1 / sum, sum(dO * O), 0) of each row, 0 for 1 / sum where a row saw nothing.   grid ceil(sq / 16) a head
//           DQ     dQ.                                       grid ceil(sq / 64) for each panel of each head
//           DKV    dK and dV.                                grid ceil(sk / 64) for each panel of each head
//           S and dP are computed again in DQ and in DKV (seven products instead of five), so that no two workgroups add to one place: no
//           atomics.
// Bindings  DELTA 0 O, 1 dO, 2 SUMS (the forward kernel's STATS), 3 STATS; DQ and DKV 0 Q, 1 K, 2 V, 3 dO, 4 STATS, 5 MASK; DQ 6 dQ; DKV
//           6 dK, 7 dV. The last ones are written.
// Flags     DELTA | DQ | DKV, and those of attention_shared; DELTA has PACKED only.

//#if DELTA
@group(0) @binding(0) var<storage, read> O: array<vec4<f32>>;
@group(0) @binding(1) var<storage, read> dO: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> SUMS: array<vec2<f32>>;
@group(0) @binding(3) var<storage, read_write> STATS: array<vec4<f32>>;
var<workgroup> part: array<f32, 256>;

// 16 rows a workgroup, 16 threads a row.
@compute @workgroup_size(256)
fn delta(@builtin(local_invocation_index) li: u32, @builtin(workgroup_id) w: vec3<u32>, @builtin(num_workgroups) n: vec3<u32>) {
  let index = place(w, n); let groups = (p.sq + 15u) / 16u; let head = index / groups;
  if (head >= p.count) { return; }
  let row = index % groups * 16u + li / 16u; let lane = li % 16u; let base = bases(head);
  let at = base.o + min(row, p.sq - 1u) * o_step();
  var sum = 0.0;
  for (var e = lane; e < d4(); e += 16u) { sum += dot(O[at + e], dO[at + e]); }
  part[li] = sum;
  for (var h = 8u; h > 0u; h >>= 1u) { workgroupBarrier(); if (lane < h) { part[li] += part[li + h]; } }
  if (lane == 0u && row < p.sq) {
    let i = base.s + row; let s = SUMS[i];
    STATS[i] = vec4<f32>(s.x, select(1.0 / s.y, 0.0, s.y == 0.0), part[li], 0.0);
  }
}
//#end
//#if DQ
@compute @workgroup_size(256)
fn backward_q(@builtin(local_invocation_index) li: u32, @builtin(workgroup_id) w: vec3<u32>, @builtin(num_workgroups) n: vec3<u32>) {
  let index = place(w, n); let tile_of_head = index / panels(); let groups = (p.sq + 63u) / 64u; let head = tile_of_head / groups;
  if (head >= p.count) { return; }
  let origin = tile_of_head % groups * 64u; let panel = index % panels() * 32u; let base = bases(head); let stride = row_step();
  let tx = li % 16u; let ty = li / 16u;
  // A score product: the first SIDE threads bring 4 x 4 blocks of the left operand, as many more those of the right one: vec4 q of the
  // depths, rows from r on.
  let q = li % (CHUNK / 4u); let r = li % SIDE / (CHUNK / 4u); let left = li < SIDE; let busy = 2u * SIDE == 256u || li < 2u * SIDE;
  let step = select(16u, 1u, left); let tile = select(YS, 0u, left);
  // An output product: a thread brings vec4 `col` of row `line` (and line + 16), and multiplies its share of the depths.
  let col = li % COLS; let line = li / COLS; let spot = slot_row(line, col); let bring = COLS > 4u || line < 32u;
  let portion = tx / (16u / PARTS); let part = portion * (8u / PARTS); let c = tx % COLS;
  let depth = 32u / PARTS; let start_at = portion * depth * 16u;
  // always 2, but the compiler does not know: it must not unroll these loops, which costs registers (D = 128 spilled)
  let rounds = min(2u, p.sq + 1u);
  let column = panel + col;
  let q0 = origin; let row = q0 + ty * 4u; let last = p.sq - 1u;
  let s0 = STATS[base.s + min(row, last)]; let s1 = STATS[base.s + min(row + 1u, last)];
  let s2 = STATS[base.s + min(row + 2u, last)]; let s3 = STATS[base.s + min(row + 3u, last)];
  let top = vec4<f32>(s0.x, s1.x, s2.x, s3.x); let delta = vec4<f32>(s0.z, s1.z, s2.z, s3.z);
  let share = vec4<f32>(s0.y, s1.y, s2.y, s3.y) * p.scale;
  var o = empty();
//#if D128
  var o2 = empty();
//#end
  let end = keys_end(q0);
  for (var k0 = 0u; k0 < end; k0 += 64u) {
    let first = select(k0 + r, q0 + r * 4u, left); let count = select(p.sk, p.sq, left);
    var at = q + four_rows(select(base.k, base.q, left), first, step, count, stride);
    var s = empty(); var g = empty();
    for (var e = 0u; e < d4(); e += CHUNK / 4u) {
      var v: Four;
      if (left) { v = Four(Q[at.x + e], Q[at.y + e], Q[at.z + e], Q[at.w + e]); }
      else if (busy) { v = Four(k_at(at.x + e), k_at(at.y + e), k_at(at.z + e), k_at(at.w + e)); }
      workgroupBarrier();
      if (busy) { put(tile, q, r, v); }
      workgroupBarrier();
      s = multiply(s, CHUNK, 0u, ty, tx);
    }
    at = q + four_rows(select(base.k, base.o, left), first, step, count, select(stride, o_step(), left));
    for (var e = 0u; e < d4(); e += CHUNK / 4u) {
      var v: Four;
      if (left) { v = Four(dO[at.x + e], dO[at.y + e], dO[at.z + e], dO[at.w + e]); }
      else if (busy) { v = Four(v_at(at.x + e), v_at(at.y + e), v_at(at.z + e), v_at(at.w + e)); }
      workgroupBarrier();
      if (busy) { put(tile, q, r, v); }
      workgroupBarrier();
      g = multiply(g, CHUNK, 0u, ty, tx);
    }
    let key = vec4<u32>(k0 + tx) + vec4<u32>(0u, 16u, 32u, 48u); let edge = is_edge(q0, k0);
    s.a = weights(scores(s.a, vec4<u32>(row), key, base.m, edge), top.xxxx) * share.x * (g.a - delta.x);
    s.b = weights(scores(s.b, vec4<u32>(row + 1u), key, base.m, edge), top.yyyy) * share.y * (g.b - delta.y);
    s.c = weights(scores(s.c, vec4<u32>(row + 2u), key, base.m, edge), top.zzzz) * share.z * (g.c - delta.z);
    s.d = weights(scores(s.d, vec4<u32>(row + 3u), key, base.m, edge), top.wwww) * share.w * (g.d - delta.w);
    for (var h = 0u; h < rounds; h++) {
      {
        let v0 = k_at(one_row(base.k, k0 + h * 32u + line, p.sk, stride) + column);
//#if D64 D128
        let v1 = k_at(one_row(base.k, k0 + h * 32u + line + 16u, p.sk, stride) + column);
//#end
        workgroupBarrier();
        put_columns(s, h == 1u, tx, ty);
        if (bring) { tiles[YS + spot] = v0; }
//#if D64 D128
        tiles[YS + spot + 32u] = v1;
//#end
      }
      workgroupBarrier();
      o = multiply(o, depth, start_at, ty ^ part, c ^ part);
//#if D128
      {
        let v0 = k_at(one_row(base.k, k0 + h * 32u + line, p.sk, stride) + 16u + column);
        let v1 = k_at(one_row(base.k, k0 + h * 32u + line + 16u, p.sk, stride) + 16u + column);
        workgroupBarrier();
        tiles[YS + spot] = v0; tiles[YS + spot + 32u] = v1;
      }
      workgroupBarrier();
      o2 = multiply(o2, depth, start_at, ty ^ part, c ^ part);
//#end
    }
  }
//#if D16 D32
  o = join(o, li);
  if (tx >= COLS) { return; }
//#end
  let at = base.q + row * stride + panel + c; let next = stride;
  if (row < p.sq) { dQ[at] = o.a; } if (row + 1u < p.sq) { dQ[at + next] = o.b; }
  if (row + 2u < p.sq) { dQ[at + 2u * next] = o.c; } if (row + 3u < p.sq) { dQ[at + 3u * next] = o.d; }
//#if D128
  if (row < p.sq) { dQ[at + 16u] = o2.a; } if (row + 1u < p.sq) { dQ[at + next + 16u] = o2.b; }
  if (row + 2u < p.sq) { dQ[at + 2u * next + 16u] = o2.c; } if (row + 3u < p.sq) { dQ[at + 3u * next + 16u] = o2.d; }
//#end
}
//#end
//#if DKV
// Gradients of outputs, and zeros past the end: their weight is 0, but 0 times infinity is not.
fn go_row(base: u32, row: u32, column: u32) -> vec4<f32> {
  return select(vec4<f32>(0.0), dO[one_row(base, row, p.sq, o_step()) + column], row < p.sq);
}

@compute @workgroup_size(256)
fn backward_kv(@builtin(local_invocation_index) li: u32, @builtin(workgroup_id) w: vec3<u32>, @builtin(num_workgroups) n: vec3<u32>) {
  let index = place(w, n); let tile_of_head = index / panels(); let groups = (p.sk + 63u) / 64u; let head = tile_of_head / groups;
  if (head >= p.count) { return; }
  let origin = tile_of_head % groups * 64u; let panel = index % panels() * 32u; let base = bases(head); let stride = row_step();
  let tx = li % 16u; let ty = li / 16u;
  // A score product: the first SIDE threads bring 4 x 4 blocks of the left operand, as many more those of the right one: vec4 q of the
  // depths, rows from r on.
  let q = li % (CHUNK / 4u); let r = li % SIDE / (CHUNK / 4u); let left = li < SIDE; let busy = 2u * SIDE == 256u || li < 2u * SIDE;
  let step = select(16u, 1u, left); let tile = select(YS, 0u, left);
  // An output product: a thread brings vec4 `col` of row `line` (and line + 16), and multiplies its share of the depths.
  let col = li % COLS; let line = li / COLS; let spot = slot_row(line, col); let bring = COLS > 4u || line < 32u;
  let portion = tx / (16u / PARTS); let part = portion * (8u / PARTS); let c = tx % COLS;
  let depth = 32u / PARTS; let start_at = portion * depth * 16u;
  // always 2, but the compiler does not know: it must not unroll these loops, which costs registers (D = 128 spilled)
  let rounds = min(2u, p.sq + 1u);
  let column = panel + col;
  // Rows of a block are keys, columns are queries: S^T = K Q^T, dP^T = V dO^T, dV += P^T dO, dK += dS^T Q.
  let k0 = origin; let row = k0 + ty * 4u; let last = p.sq - 1u;
  var gk = empty(); var gv = empty();
//#if D128
  var gk2 = empty(); var gv2 = empty();
//#end
  let start = u32(max(i32(k0) - p.diag, 0)) / 64u * 64u; // the first tile with a query that sees a key of this tile
  for (var q0 = start; q0 < p.sq; q0 += 64u) {
    let first = select(q0 + r, k0 + r * 4u, left); let count = select(p.sq, p.sk, left);
    var at = q + four_rows(select(base.q, base.k, left), first, step, count, stride);
    var s = empty();
    for (var e = 0u; e < d4(); e += CHUNK / 4u) {
      var v: Four;
      if (left) { v = Four(k_at(at.x + e), k_at(at.y + e), k_at(at.z + e), k_at(at.w + e)); }
      else if (busy) { v = Four(Q[at.x + e], Q[at.y + e], Q[at.z + e], Q[at.w + e]); }
      workgroupBarrier();
      if (busy) { put(tile, q, r, v); }
      workgroupBarrier();
      s = multiply(s, CHUNK, 0u, ty, tx);
    }
    let query = vec4<u32>(q0 + tx) + vec4<u32>(0u, 16u, 32u, 48u); let edge = is_edge(q0, k0);
    let i = base.s + min(query, vec4<u32>(last));
    let s0 = STATS[i.x]; let s1 = STATS[i.y]; let s2 = STATS[i.z]; let s3 = STATS[i.w];
    let top = vec4<f32>(s0.x, s1.x, s2.x, s3.x);
    let share = vec4<f32>(s0.y, s1.y, s2.y, s3.y); let delta = vec4<f32>(s0.z, s1.z, s2.z, s3.z);
    s.a = weights(scores(s.a, query, vec4<u32>(row), base.m, edge), top) * share;
    s.b = weights(scores(s.b, query, vec4<u32>(row + 1u), base.m, edge), top) * share;
    s.c = weights(scores(s.c, query, vec4<u32>(row + 2u), base.m, edge), top) * share;
    s.d = weights(scores(s.d, query, vec4<u32>(row + 3u), base.m, edge), top) * share;
    for (var h = 0u; h < rounds; h++) {
      {
        let v0 = go_row(base.o, q0 + h * 32u + line, column);
//#if D64 D128
        let v1 = go_row(base.o, q0 + h * 32u + line + 16u, column);
//#end
        workgroupBarrier();
        put_columns(s, h == 1u, tx, ty);
        if (bring) { tiles[YS + spot] = v0; }
//#if D64 D128
        tiles[YS + spot + 32u] = v1;
//#end
      }
      workgroupBarrier();
      gv = multiply(gv, depth, start_at, ty ^ part, c ^ part);
//#if D128
      {
        let v0 = go_row(base.o, q0 + h * 32u + line, 16u + column);
        let v1 = go_row(base.o, q0 + h * 32u + line + 16u, 16u + column);
        workgroupBarrier();
        tiles[YS + spot] = v0; tiles[YS + spot + 32u] = v1;
      }
      workgroupBarrier();
      gv2 = multiply(gv2, depth, start_at, ty ^ part, c ^ part);
//#end
    }
    at = q + four_rows(select(base.o, base.k, left), first, step, count, select(o_step(), stride, left));
    var g = empty();
    for (var e = 0u; e < d4(); e += CHUNK / 4u) {
      var v: Four;
      if (left) { v = Four(v_at(at.x + e), v_at(at.y + e), v_at(at.z + e), v_at(at.w + e)); }
      else if (busy) { v = Four(dO[at.x + e], dO[at.y + e], dO[at.z + e], dO[at.w + e]); }
      workgroupBarrier();
      if (busy) { put(tile, q, r, v); }
      workgroupBarrier();
      g = multiply(g, CHUNK, 0u, ty, tx);
    }
    g.a = s.a * (g.a - delta) * p.scale; g.b = s.b * (g.b - delta) * p.scale;
    g.c = s.c * (g.c - delta) * p.scale; g.d = s.d * (g.d - delta) * p.scale;
    for (var h = 0u; h < rounds; h++) {
      {
        let v0 = Q[one_row(base.q, q0 + h * 32u + line, p.sq, stride) + column];
//#if D64 D128
        let v1 = Q[one_row(base.q, q0 + h * 32u + line + 16u, p.sq, stride) + column];
//#end
        workgroupBarrier();
        put_columns(g, h == 1u, tx, ty);
        if (bring) { tiles[YS + spot] = v0; }
//#if D64 D128
        tiles[YS + spot + 32u] = v1;
//#end
      }
      workgroupBarrier();
      gk = multiply(gk, depth, start_at, ty ^ part, c ^ part);
//#if D128
      {
        let v0 = Q[one_row(base.q, q0 + h * 32u + line, p.sq, stride) + 16u + column];
        let v1 = Q[one_row(base.q, q0 + h * 32u + line + 16u, p.sq, stride) + 16u + column];
        workgroupBarrier();
        tiles[YS + spot] = v0; tiles[YS + spot + 32u] = v1;
      }
      workgroupBarrier();
      gk2 = multiply(gk2, depth, start_at, ty ^ part, c ^ part);
//#end
    }
  }
//#if D16 D32
  gk = join(gk, li);
  gv = join(gv, li);
  if (tx >= COLS) { return; }
//#end
  let at = base.k + row * stride + panel + c; let next = stride;
  if (row < p.sk) { dK[at] = gk.a; set_v(at, gv.a); } if (row + 1u < p.sk) { dK[at + next] = gk.b; set_v(at + next, gv.b); }
  if (row + 2u < p.sk) { dK[at + 2u * next] = gk.c; set_v(at + 2u * next, gv.c); }
  if (row + 3u < p.sk) { dK[at + 3u * next] = gk.d; set_v(at + 3u * next, gv.d); }
//#if D128
  if (row < p.sk) { dK[at + 16u] = gk2.a; set_v(at + 16u, gv2.a); }
  if (row + 1u < p.sk) { dK[at + next + 16u] = gk2.b; set_v(at + next + 16u, gv2.b); }
  if (row + 2u < p.sk) { dK[at + 2u * next + 16u] = gk2.c; set_v(at + 2u * next + 16u, gv2.c); }
  if (row + 3u < p.sk) { dK[at + 3u * next + 16u] = gk2.d; set_v(at + 3u * next + 16u, gv2.d); }
//#end
}
//#end
