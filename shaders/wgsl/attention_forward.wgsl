// attention_forward.wgsl: the output of attention, and of each row the largest score and the sum of weights relative to it.
// What attention_shared (shapes, mask, scores) and attention_tiles say holds here.
//
// Bindings  0 Q, 1 K, 2 V, 5 MASK; written: 3 O, 4 STATS [count, sq] of (top, sum).
// Flags     FWD, and those of attention_shared.
// Grid      ceil(sq / 64) workgroups for each panel of each head.

// Values, and zeros past the end: their weight is 0, but 0 times infinity is not.
fn v_row(base: u32, row: u32, column: u32) -> vec4<f32> {
  return select(vec4<f32>(0.0), v_at(one_row(base, row, p.sk, row_step()) + column), row < p.sk);
}

@compute @workgroup_size(256)
fn forward(@builtin(local_invocation_index) li: u32, @builtin(workgroup_id) w: vec3<u32>, @builtin(num_workgroups) n: vec3<u32>) {
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
  let share = tx / (16u / PARTS); let part = share * (8u / PARTS); let c = tx % COLS;
  let depth = 32u / PARTS; let start_at = share * depth * 16u;
  // always 2, but the compiler does not know: it must not unroll these loops, which costs registers (D = 128 spilled)
  let rounds = min(2u, p.sq + 1u);
  let column = panel + col;
  let q0 = origin; let row = q0 + ty * 4u;
  var o = empty();
//#if D128
  var o2 = empty();
//#end
  // of the thread's four rows: the largest score so far, and the sum over the thread's own columns
  var top = vec4<f32>(LOWEST); var total = vec4<f32>(0.0);
  let end = keys_end(q0);
  for (var k0 = 0u; k0 < end; k0 += 64u) {
    let first = select(k0 + r, q0 + r * 4u, left); let count = select(p.sk, p.sq, left);
    let at = q + four_rows(select(base.k, base.q, left), first, step, count, stride);
    var s = empty();
    for (var e = 0u; e < d4(); e += CHUNK / 4u) {
      var v: Four;
      if (left) { v = Four(Q[at.x + e], Q[at.y + e], Q[at.z + e], Q[at.w + e]); }
      else if (busy) { v = Four(k_at(at.x + e), k_at(at.y + e), k_at(at.z + e), k_at(at.w + e)); }
      workgroupBarrier();
      if (busy) { put(tile, q, r, v); }
      workgroupBarrier();
      s = multiply(s, CHUNK, 0u, ty, tx);
    }
    let key = vec4<u32>(k0 + tx) + vec4<u32>(0u, 16u, 32u, 48u); let edge = is_edge(q0, k0);
    s.a = scores(s.a, vec4<u32>(row), key, base.m, edge); s.b = scores(s.b, vec4<u32>(row + 1u), key, base.m, edge);
    s.c = scores(s.c, vec4<u32>(row + 2u), key, base.m, edge); s.d = scores(s.d, vec4<u32>(row + 3u), key, base.m, edge);
    workgroupBarrier();
    tiles[ty * 17u + tx] = vec4<f32>(largest(s.a), largest(s.b), largest(s.c), largest(s.d));
    workgroupBarrier();
    var t = top;
    for (var i = 0u; i < 16u; i++) { t = max(t, tiles[ty * 17u + i]); }
    let shrink = exp2((top - t) * p.unit);
    top = t;
    s.a = weights(s.a, t.xxxx); s.b = weights(s.b, t.yyyy); s.c = weights(s.c, t.zzzz); s.d = weights(s.d, t.wwww);
    total = total * shrink + vec4<f32>(sum(s.a), sum(s.b), sum(s.c), sum(s.d));
    o.a *= shrink.x; o.b *= shrink.y; o.c *= shrink.z; o.d *= shrink.w;
//#if D128
    o2.a *= shrink.x; o2.b *= shrink.y; o2.c *= shrink.z; o2.d *= shrink.w;
//#end
    for (var h = 0u; h < rounds; h++) {
      {
        let v0 = v_row(base.k, k0 + h * 32u + line, column);
//#if D64 D128
        let v1 = v_row(base.k, k0 + h * 32u + line + 16u, column);
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
        let v0 = v_row(base.k, k0 + h * 32u + line, 16u + column);
        let v1 = v_row(base.k, k0 + h * 32u + line + 16u, 16u + column);
        workgroupBarrier();
        tiles[YS + spot] = v0; tiles[YS + spot + 32u] = v1;
      }
      workgroupBarrier();
      o2 = multiply(o2, depth, start_at, ty ^ part, c ^ part);
//#end
    }
  }
  workgroupBarrier();
  tiles[ty * 17u + tx] = total;
  workgroupBarrier();
  total = vec4<f32>(0.0);
  for (var i = 0u; i < 16u; i++) { total += tiles[ty * 17u + i]; }
  // A row that has seen no weight becomes NaN: all scores that it sees are -inf, or, as attention_repair finds out, it sees none.
  let none = total == vec4<f32>(0.0); let nan = vec4<f32>(p.nan);
  let inverse = select(1.0 / total, nan, none); total = select(total, nan, none);
  o.a *= inverse.x; o.b *= inverse.y; o.c *= inverse.z; o.d *= inverse.w;
//#if D16 D32
  o = join(o, li);
  if (tx >= COLS) { return; }
//#end
  let at = base.o + row * o_step() + panel + c; let next = o_step();
  if (row < p.sq) { O[at] = o.a; } if (row + 1u < p.sq) { O[at + next] = o.b; }
  if (row + 2u < p.sq) { O[at + 2u * next] = o.c; } if (row + 3u < p.sq) { O[at + 3u * next] = o.d; }
//#if D128
  if (row < p.sq) { O[at + 16u] = o2.a * inverse.x; } if (row + 1u < p.sq) { O[at + next + 16u] = o2.b * inverse.y; }
  if (row + 2u < p.sq) { O[at + 2u * next + 16u] = o2.c * inverse.z; } if (row + 3u < p.sq) { O[at + 3u * next + 16u] = o2.d * inverse.w; }
//#end
  if (tx == 0u && panel == 0u) {
    let i = base.s + row;
    if (row < p.sq) { STATS[i] = vec2<f32>(top.x, total.x); } if (row + 1u < p.sq) { STATS[i + 1u] = vec2<f32>(top.y, total.y); }
    if (row + 2u < p.sq) { STATS[i + 2u] = vec2<f32>(top.z, total.z); } if (row + 3u < p.sq) { STATS[i + 3u] = vec2<f32>(top.w, total.w); }
  }
}
