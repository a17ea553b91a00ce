// attention_tiles.wgsl: products of tiles in workgroup memory, put behind attention_forward and attention_backward.
//
// Tiling    A workgroup owns 64 rows and walks over tiles of 64 rows of the other side; 256 threads, 16 x 16, hold 4 x 4 blocks. A score
//           tile is a product over the head dimension, 32 at a time: both operands are transposed through workgroup memory as in gemm.wgsl.
//           The output is a second product, over the 64 rows of the tile, 32 at a time: the block of P (or dS) goes to workgroup memory,
//           the rows of V (K, dO, Q) beside it. D = 128 does that for two panels of 64 columns; D = 32 (16) lets each half (quarter) of the
//           threads take its share of the rows and adds the shares once, at the end. No thread holds a row, so nothing spills. A thread's
//           columns of a score tile are tx, tx + 16, tx + 32, tx + 48: whole columns 32 c .. 32 c + 31 then come from all threads. WIDE
//           makes the score tile again for each panel of 128 columns.

//#if FWD DQ DKV
// CHUNK: depths of a score product brought at once; COLS: vec4 columns of an output panel; PARTS: shares of an output product's depth.
//#if D16
const CHUNK = 16u; const COLS = 4u; const PARTS = 4u;
//#end
//#if D32
const CHUNK = 32u; const COLS = 8u; const PARTS = 2u;
//#end
//#if D64 D128
const CHUNK = 32u; const COLS = 16u; const PARTS = 1u;
//#end
const SIDE = 4u * CHUNK; // threads that bring one operand of a score product: 16 blocks of rows times CHUNK / 4

// Two operand tiles, X from 0 and Y from 512, each [32 depths][16 vec4]: vec4 c of depth k lies at k * 16 + (c ^ (k / 4)), which keeps
// transposed stores off each other's banks.
var<workgroup> tiles: array<vec4<f32>, 1024>;
const YS = 512u;

struct Block { a: vec4<f32>, b: vec4<f32>, c: vec4<f32>, d: vec4<f32> } // four rows of four columns
fn largest(v: vec4<f32>) -> f32 { return max(max(v.x, v.y), max(v.z, v.w)); }
fn sum(v: vec4<f32>) -> f32 { return v.x + v.y + v.z + v.w; }
fn empty() -> Block { let z = vec4<f32>(0.0); return Block(z, z, z, z); }

// block += (rows x of X) times (columns y of Y), over `depth` depths from `base` on.
fn multiply(block: Block, depth: u32, base: u32, x: u32, y: u32) -> Block {
  var m = block;
  for (var k = 0u; k < depth; k += 4u) {
    let i = base + k * 16u + (x ^ (k / 4u)); let j = YS + base + k * 16u + (y ^ (k / 4u));
    for (var s = 0u; s < 4u; s++) {
      let a = tiles[i + s * 16u]; let b = tiles[j + s * 16u];
      m.a = fma(a.xxxx, b, m.a); m.b = fma(a.yyyy, b, m.b); m.c = fma(a.zzzz, b, m.c); m.d = fma(a.wwww, b, m.d);
    }
  }
  return m;
}
struct Four { a: vec4<f32>, b: vec4<f32>, c: vec4<f32>, d: vec4<f32> } // the same four depths of four rows
// Stores depths 4 q .. 4 q + 3 of four rows as vec4 r of these depths, in the tile that starts at `tile`.
fn put(tile: u32, q: u32, r: u32, v: Four) {
  let i = tile + q * 64u + (r ^ q);
  tiles[i] = vec4<f32>(v.a.x, v.b.x, v.c.x, v.d.x); tiles[i + 16u] = vec4<f32>(v.a.y, v.b.y, v.c.y, v.d.y);
  tiles[i + 32u] = vec4<f32>(v.a.z, v.b.z, v.c.z, v.d.z); tiles[i + 48u] = vec4<f32>(v.a.w, v.b.w, v.c.w, v.d.w);
}
// In an output product, row i of 32 takes depth i % 8 * 4 + i / 8: then the stores of put_columns, too, meet no bank twice.
fn slot_row(i: u32, c: u32) -> u32 { return (i % 8u * 4u + i / 8u) * 16u + (c ^ (i % 8u)); }
// Stores the block's columns 0 and 1, or 2 and 3 (`second`), which are columns tx and tx + 16 of that half of the tile.
fn put_columns(m: Block, second: bool, tx: u32, ty: u32) {
  let i = slot_row(tx, ty);
  tiles[i] = select(vec4<f32>(m.a.x, m.b.x, m.c.x, m.d.x), vec4<f32>(m.a.z, m.b.z, m.c.z, m.d.z), second);
  tiles[i + 32u] = select(vec4<f32>(m.a.y, m.b.y, m.c.y, m.d.y), vec4<f32>(m.a.w, m.b.w, m.c.w, m.d.w), second);
}
// One side of a score product, as a thread sees it: where its four rows start (in vec4), `step` apart; rows past the end repeat the last
// one.
fn four_rows(base: u32, first: u32, step: u32, count: u32, stride: u32) -> vec4<u32> {
  return base + min(vec4<u32>(first, first + step, first + 2u * step, first + 3u * step), vec4<u32>(count - 1u)) * stride;
}
fn one_row(base: u32, row: u32, count: u32, stride: u32) -> u32 { return base + min(row, count - 1u) * stride; }
// Does the tile of 64 queries from q0 and 64 keys from k0 hold a hidden pair?
fn is_edge(q0: u32, k0: u32) -> bool { return k0 + 64u > p.sk || q0 + 64u > p.sq || i32(k0) + 63 > i32(q0) + p.diag; }
// Keys that some query of the tile from q0 sees: 0 .. the result.
fn keys_end(q0: u32) -> u32 { return u32(clamp(i32(q0) + 64 + p.diag, 0, i32(p.sk))); }

//#if D16 D32
// Adds the shares of a block in order. The threads with tx < COLS then own the sum.
fn join(m: Block, li: u32) -> Block {
  workgroupBarrier();
  tiles[li] = m.a; tiles[256u + li] = m.b; tiles[512u + li] = m.c; tiles[768u + li] = m.d;
  workgroupBarrier();
  var s = empty();
  for (var i = 0u; i < PARTS; i++) {
    let at = li / 16u * 16u + li % COLS + i * COLS;
    s.a += tiles[at]; s.b += tiles[256u + at]; s.c += tiles[512u + at]; s.d += tiles[768u + at];
  }
  return s;
}
//#end
//#end
