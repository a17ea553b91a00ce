// conv.wgsl: 2-D convolution as an implicit matrix product, NCHW, f32; any stride, padding, dilation and group count. Nothing is unfolded
// in memory.
//
// Kernels   CONV    entry conv: the forward pass and the input gradient (one kernel, two tables).
//           WEIGHT  entry weight_gradient: partial sums of the weight gradient over slices of batch and space; entry reduce of gemm.wgsl
//           adds the slices in order.
// Table     TAPS, vec4<i32>, made by the host once for each geometry: two entries a phase, then the taps. A tap is one (channel, ky, kx) of
//           the sum: (offset in the input, dy, dx, offset in the weights).
//           Forward: one phase; channel c, ky, kx -> (c * H * W + ky * dil_y * W + kx * dil_x, ky * dil_y, kx * dil_x, index), in the order
//           of the weights.
//           Input gradient: dX at (y, x) takes dY at ((y + pad - ky * dil) / stride, ...) where that divides. Pixels with the same (y +
//           pad) mod stride, (x + pad) mod stride take the same taps, so each of the stride_y * stride_x phases is a dense convolution of
//           its own with stride 1, and nothing is multiplied by zero. For phase (py, px), taps with (ky * dil) mod stride = py: a = (ky *
//           dil - py) / stride, b likewise, output channel o of the group: (o * OH * OW - a * OW - b, -a, -b, o * Cin * KH * KW + ky * KW +
//           kx).
//           A phase's entries: (index of its first tap, number of taps, grid height, grid width), (input offset y, x, output offset y, x):
//           the pixel (y, x) of its grid reads the input from (y, x) * stride + input offset on and goes to (y, x) * out_stride + output
//           offset.
//
// entry conv             M = output channels of a group, N = batch * grid pixels, K = taps.   Input gradient: input is dY, output is dX, M
//                        = input channels.
//   grid x = ceil(largest N of a phase / BN), y = ceil(M / BN), z = groups * phases: all phases in one dispatch.
//   Bindings 0 input, 1 weights, 2 output (read_write), 3 bias [groups * M] (BIAS), 4 TAPS.    Constant ACT: 0 none, 1 relu.
// entry weight_gradient  M = output channels of a group, N = taps, K = batch * OH * OW, slices = ceil(K / slice), slice a multiple of 32.
//   grid x = ceil(N / BN), y = ceil(M / BN), z = groups * slices.   K below 2^24.
//   Bindings 0 input, 1 dY, 2 scratch [groups][slices][M][N] (read_write), 4 TAPS (the forward table).
// Flags     CONV or WEIGHT; TILE_128, TILE_64, TILE_64_TALL or TILE_32, as in gemm.wgsl; BIAS.
//
// Tiling    As gemm.wgsl: tiles as [k][vec4] in workgroup memory. A thread fetches the four columns c, c + BN/4, c + 2 BN/4, c + 3 BN/4 of
//           the image tile, so that neighbouring threads read neighbouring pixels; where its pixels lie is worked out once, and a tap costs
//           one table entry. Image borders are tested per element. Depthwise convolution (one channel a group) leaves most of a tile empty:
//           it wants a direct kernel.

struct Params {
  m: u32, n: u32, k: u32, slice: u32,  // conv: n = batch, k = phases. weight_gradient: the N, K and slice above
  grid_h: u32, grid_w: u32,            // weight_gradient: OH, OW
  stride: u32, offset: u32,            // pairs are two 16-bit halves, y low. offset: weight_gradient, minus the padding
  size: u32, channels: u32,            // input height and width, input channels of a group
  out_size: u32, out_stride: u32,      // conv: height and width of the output, distance of a phase's pixels in it
  w_row: u32, w_group: u32,            // conv: distance between rows (of M) of the weights, between groups
}
var<immediate> p: Params;
override ACT: u32 = 0u;

@group(0) @binding(0) var<storage, read> X: array<f32>;
@group(0) @binding(1) var<storage, read> W: array<f32>; // dY in weight_gradient
@group(0) @binding(2) var<storage, read_write> OUT: array<f32>;
//#if BIAS
@group(0) @binding(3) var<storage, read> BIAS: array<f32>;
//#end
@group(0) @binding(4) var<storage, read> TAPS: array<vec4<i32>>;

//#if TILE_128
const BN = 128u; const BK = 16u; const THREADS = 256u; const WIDTH = 16u; const SWAP = 2u;
//#end
//#if TILE_64
const BN = 64u; const BK = 32u; const THREADS = 256u; const WIDTH = 16u; const SWAP = 1u;
//#end
//#if TILE_64_TALL
const BN = 64u; const BK = 16u; const THREADS = 128u; const WIDTH = 16u; const SWAP = 2u;
//#end
//#if TILE_32
const BN = 32u; const BK = 16u; const THREADS = 64u; const WIDTH = 8u; const SWAP = 2u;
//#end
const ROWS4 = BN / 4u; const Q = BK / 4u;
const AT_ONCE = THREADS / BK; // threads side by side at one depth

var<workgroup> As: array<vec4<f32>, BK * ROWS4>;
var<workgroup> Bs: array<vec4<f32>, BK * ROWS4>;

fn low(v: u32) -> i32 { return i32(v << 16u) >> 16u; }
fn high(v: u32) -> i32 { return i32(v) >> 16u; }
// The k-th of a slab of BK taps takes depth k % Q * 4 + k / Q of the tile: neighbouring k differ in depth / 4, and with that in banks.
fn depth_of(k: u32) -> u32 { return k % Q * 4u + k / Q; }
fn tap_at(depth: u32) -> u32 { return depth / 4u + depth % 4u * Q; }
fn slot(depth: u32, c: u32) -> u32 { return depth * ROWS4 + (c ^ (depth / 4u * SWAP)); }

// Four values on their way to workgroup memory, and which of them count; the others become zero there, so that nothing waits for a load
// before the barrier.
struct Fetched { v: vec4<f32>, real: vec4<bool> }
fn arrived(f: Fetched) -> vec4<f32> { return select(vec4<f32>(0.0), f.v, f.real); }
// Four inputs at (y, x). `at` is the index of (y, x), valid only inside of the image.
fn pixels(at: vec4<i32>, y: vec4<i32>, x: vec4<i32>, h: u32, w: u32) -> Fetched {
  let inside = (vec4<u32>(y) < vec4<u32>(h)) & (vec4<u32>(x) < vec4<u32>(w));
  let i = select(vec4<i32>(0), at, inside);
  return Fetched(vec4<f32>(X[i.x], X[i.y], X[i.z], X[i.w]), inside);
}
fn weights(i: vec4<u32>, real: bool) -> Fetched { return Fetched(vec4<f32>(W[i.x], W[i.y], W[i.z], W[i.w]), vec4<bool>(real)); }

//#if CONV
struct Phase {
  taps: u32, count: u32, width: u32, area: u32, n: u32, from_y: i32, from_x: i32, to_y: i32, to_x: i32, group: u32, groups: u32,
}
fn phase_of(z: u32, all: u32) -> Phase {
  let i = z % p.k * 2u; let a = TAPS[i]; let b = TAPS[i + 1u]; let area = u32(a.z * a.w);
  return Phase(u32(a.x), u32(a.y), u32(a.w), area, p.n * area, b.x, b.y, b.z, b.w, z / p.k, all / p.k);
}
// The four pixels c + {0, 1, 2, 3} * ROWS4 of the tile at n0 (the last pixel again, where there are no more).
fn four_pixels(n0: u32, c: u32, h: Phase) -> vec4<u32> {
  return min(n0 + c + vec4<u32>(0u, ROWS4, 2u * ROWS4, 3u * ROWS4), vec4<u32>(h.n - 1u));
}
// Their places in the output's first channel of the group.
fn outputs(n0: u32, c: u32, h: Phase) -> vec4<u32> {
  let pixel = four_pixels(n0, c, h); let r = pixel % h.area; let plane = u32(low(p.out_size) * high(p.out_size));
  let y = vec4<i32>(r / h.width) * low(p.out_stride) + h.to_y; let x = vec4<i32>(r % h.width) * high(p.out_stride) + h.to_x;
  return (pixel / h.area * h.groups + h.group) * p.m * plane + vec4<u32>(y * high(p.out_size) + x);
}
fn store(sum: vec4<f32>, row: u32, col: u32, n0: u32, h: Phase, at: vec4<u32>) {
  if (row >= p.m) { return; }
  var v = sum;
//#if BIAS
  v += BIAS[h.group * p.m + row];
//#end
  if (ACT == 1u) { v = max(v, vec4<f32>(0.0)); }
  let i = at + row * u32(low(p.out_size) * high(p.out_size)); let n = n0 + col;
  if (n < h.n) { OUT[i.x] = v.x; } if (n + ROWS4 < h.n) { OUT[i.y] = v.y; }
  if (n + 2u * ROWS4 < h.n) { OUT[i.z] = v.z; } if (n + 3u * ROWS4 < h.n) { OUT[i.w] = v.w; }
}

@compute @workgroup_size(THREADS)
fn conv(@builtin(local_invocation_index) li: u32, @builtin(workgroup_id) wg: vec3<u32>, @builtin(num_workgroups) nw: vec3<u32>) {
  let m0 = wg.y * BN; let n0 = wg.x * BN; let tx = li % WIDTH; let ty = li / WIDTH; let ph = phase_of(wg.z, nw.z);
  if (n0 >= ph.n) { return; } // a phase with fewer pixels than the largest one
  let h = u32(low(p.size)); let w = u32(high(p.size));
  // Left operand: this thread's depth and rows. Right operand: its four pixels and depths.
  let a_k = li % BK; let a_c = li / BK; let b_c = li % ROWS4; let b_depth = li / ROWS4;
  let pixel = four_pixels(n0, b_c, ph); let r = pixel % ph.area;
  let y0 = vec4<i32>(r / ph.width) * low(p.stride) + ph.from_y; let x0 = vec4<i32>(r % ph.width) * high(p.stride) + ph.from_x;
  let at0 = vec4<i32>((pixel / ph.area * ph.groups + ph.group) * p.channels * h * w) + y0 * i32(w) + x0;
  let row = vec4<u32>(m0 + a_c * 4u) + vec4<u32>(0u, 1u, 2u, 3u);
  let w0 = ph.group * p.w_group + min(row, vec4<u32>(p.m - 1u)) * p.w_row;
  let w1 = ph.group * p.w_group + min(row + 4u * AT_ONCE, vec4<u32>(p.m - 1u)) * p.w_row;
//#end

//#if WEIGHT
// a / b for a below 2^24, with the remainder; `inverse` is 1 / b.
fn divide(a: u32, b: u32, inverse: f32) -> vec2<u32> {
  var q = u32(f32(a) * inverse); var r = i32(a - q * b);
  if (r < 0) { q -= 1u; r += i32(b); }
  if (r >= i32(b)) { q += 1u; r -= i32(b); }
  return vec2<u32>(q, u32(r));
}
fn store(sum: vec4<f32>, row: u32, col: u32, base: u32) { // a raw partial sum
  if (row >= p.m) { return; }
  let i = base + row * p.n + col;
  if (col < p.n) { OUT[i] = sum.x; } if (col + 1u < p.n) { OUT[i + 1u] = sum.y; }
  if (col + 2u < p.n) { OUT[i + 2u] = sum.z; } if (col + 3u < p.n) { OUT[i + 3u] = sum.w; }
}
fn pack(tap: vec4<i32>) -> u32 { return (u32(tap.y) & 0xffffu) | (u32(tap.z) << 16u); }
fn low4(v: vec4<u32>) -> vec4<i32> { return vec4<i32>(v << vec4<u32>(16u)) >> vec4<u32>(16u); }
fn high4(v: vec4<u32>) -> vec4<i32> { return vec4<i32>(v) >> vec4<u32>(16u); }
fn four_taps(first: u32) -> array<vec4<i32>, 4> {
  let last = p.n - 1u;
  return array<vec4<i32>, 4>(TAPS[2u + min(first, last)], TAPS[2u + min(first + 1u, last)],
    TAPS[2u + min(first + 2u, last)], TAPS[2u + min(first + 3u, last)]);
}

@compute @workgroup_size(THREADS)
fn weight_gradient(@builtin(local_invocation_index) li: u32, @builtin(workgroup_id) wg: vec3<u32>, @builtin(num_workgroups) nw: vec3<u32>) {
  let m0 = wg.y * BN; let n0 = wg.x * BN; let tx = li % WIDTH; let ty = li / WIDTH;
  let slices = (p.k + p.slice - 1u) / p.slice; let groups = nw.z / slices; let group = wg.z / slices;
  let begin = wg.z % slices * p.slice; let end = min(begin + p.slice, p.k);
  let h = u32(low(p.size)); let w = u32(high(p.size));
  let area = p.grid_h * p.grid_w; let per_area = 1.0 / f32(area); let per_row = 1.0 / f32(p.grid_w);
  let a_k = li % BK; let a_c = li / BK; let depth = depth_of(a_k); // one pixel a thread and slab, for both operands
  let row = vec4<u32>(m0 + a_c * 4u) + vec4<u32>(0u, 1u, 2u, 3u); let last = vec4<u32>(p.m - 1u);
  let w0 = min(row, last) * area; let w1 = min(row + 4u * AT_ONCE, last) * area;
  // The eight taps of this thread, rows of the right operand: offsets, and (dy, dx) packed as in the parameters, to save registers.
  let s = four_taps(n0 + a_c * 4u); let t = four_taps(n0 + (a_c + AT_ONCE) * 4u);
  let s_at = vec4<i32>(s[0].x, s[1].x, s[2].x, s[3].x); let s_yx = vec4<u32>(pack(s[0]), pack(s[1]), pack(s[2]), pack(s[3]));
  let t_at = vec4<i32>(t[0].x, t[1].x, t[2].x, t[3].x); let t_yx = vec4<u32>(pack(t[0]), pack(t[1]), pack(t[2]), pack(t[3]));
//#end

  var c0 = vec4<f32>(0.0); var c1 = c0; var c2 = c0; var c3 = c0;
  // Rows ty * 4 .. + 3 (c0 .. c3) and, from half of the tile on, four more (c4 .. c7); vec4 columns tx (c) and, from half of the tile on, a
  // second one (d).
//#if TILE_128 TILE_64_TALL
  var c4 = c0; var c5 = c0; var c6 = c0; var c7 = c0;
//#end
//#if TILE_128
  var d0 = c0; var d1 = c0; var d2 = c0; var d3 = c0; var d4 = c0; var d5 = c0; var d6 = c0; var d7 = c0;
//#end
//#if CONV
  for (var k0 = 0u; k0 < ph.count; k0 += BK) {
    let tap_w = u32(TAPS[ph.taps + min(k0 + a_k, ph.count - 1u)].w); let in_k = k0 + a_k < ph.count;
    let a0 = weights(w0 + tap_w, in_k); let a1 = weights(w1 + tap_w, in_k);
    let k = k0 + tap_at(b_depth); let m = k0 + tap_at(b_depth + BK / 2u);
    let t0 = TAPS[ph.taps + min(k, ph.count - 1u)]; let t1 = TAPS[ph.taps + min(m, ph.count - 1u)];
    let b0 = pixels(at0 + t0.x, y0 + select(-0x10000, t0.y, k < ph.count), x0 + t0.z, h, w); // far outside: zero
    let b1 = pixels(at0 + t1.x, y0 + select(-0x10000, t1.y, m < ph.count), x0 + t1.z, h, w);
    workgroupBarrier(); // the loads fly while slower threads finish the product of the last tile
    As[slot(depth_of(a_k), a_c)] = arrived(a0); As[slot(depth_of(a_k), a_c + AT_ONCE)] = arrived(a1);
    Bs[slot(b_depth, b_c)] = arrived(b0); Bs[slot(b_depth + BK / 2u, b_c)] = arrived(b1);
//#end
//#if WEIGHT
  for (var k0 = begin; k0 < end; k0 += BK) {
    let k = k0 + a_k; let in_k = k < end; let image = divide(min(k, end - 1u), area, per_area); let yx = divide(image.y, p.grid_w, per_row);
    let base = (image.x * groups + group) * p.m * area + image.y;
    let a0 = weights(base + w0, in_k); let a1 = weights(base + w1, in_k);
    let y = i32(yx.x) * low(p.stride) + select(-0x10000, low(p.offset), in_k); let x = i32(yx.y) * high(p.stride) + high(p.offset);
    let at = i32((image.x * groups + group) * p.channels * h * w) + y * i32(w) + x;
    let b0 = pixels(at + s_at, y + low4(s_yx), x + high4(s_yx), h, w); let b1 = pixels(at + t_at, y + low4(t_yx), x + high4(t_yx), h, w);
    workgroupBarrier();
    As[slot(depth, a_c)] = arrived(a0); As[slot(depth, a_c + AT_ONCE)] = arrived(a1);
    Bs[slot(depth, a_c)] = arrived(b0); Bs[slot(depth, a_c + AT_ONCE)] = arrived(b1);
//#end
    workgroupBarrier();
    for (var k = 0u; k < BK; k += 4u) {
      let i = slot(k, ty); let j = slot(k, tx);
      for (var s = 0u; s < 4u; s++) {
        let a = As[i + s * ROWS4]; let b = Bs[j + s * ROWS4];
        c0 = fma(a.xxxx, b, c0); c1 = fma(a.yyyy, b, c1); c2 = fma(a.zzzz, b, c2); c3 = fma(a.wwww, b, c3);
//#if TILE_128 TILE_64_TALL
        let e = As[i + s * ROWS4 + ROWS4 / 2u];
        c4 = fma(e.xxxx, b, c4); c5 = fma(e.yyyy, b, c5); c6 = fma(e.zzzz, b, c6); c7 = fma(e.wwww, b, c7);
//#end
//#if TILE_128
        let f = Bs[j + s * ROWS4 + ROWS4 / 2u];
        d0 = fma(a.xxxx, f, d0); d1 = fma(a.yyyy, f, d1); d2 = fma(a.zzzz, f, d2); d3 = fma(a.wwww, f, d3);
        d4 = fma(e.xxxx, f, d4); d5 = fma(e.yyyy, f, d5); d6 = fma(e.zzzz, f, d6); d7 = fma(e.wwww, f, d7);
//#end
      }
    }
  }
  let top = m0 + ty * 4u; let below = top + BN / 2u;
//#if CONV
  let o = outputs(n0, tx, ph);
  store(c0, top, tx, n0, ph, o); store(c1, top + 1u, tx, n0, ph, o); store(c2, top + 2u, tx, n0, ph, o); store(c3, top + 3u, tx, n0, ph, o);
//#if TILE_128 TILE_64_TALL
  store(c4, below, tx, n0, ph, o); store(c5, below + 1u, tx, n0, ph, o);
  store(c6, below + 2u, tx, n0, ph, o); store(c7, below + 3u, tx, n0, ph, o);
//#end
//#if TILE_128
  let right = tx + ROWS4 / 2u; let ro = outputs(n0, right, ph);
  store(d0, top, right, n0, ph, ro); store(d1, top + 1u, right, n0, ph, ro);
  store(d2, top + 2u, right, n0, ph, ro); store(d3, top + 3u, right, n0, ph, ro);
  store(d4, below, right, n0, ph, ro); store(d5, below + 1u, right, n0, ph, ro);
  store(d6, below + 2u, right, n0, ph, ro); store(d7, below + 3u, right, n0, ph, ro);
//#end
//#end
//#if WEIGHT
  let o = wg.z * p.m * p.n; let col = n0 + tx * 4u;
  store(c0, top, col, o); store(c1, top + 1u, col, o); store(c2, top + 2u, col, o); store(c3, top + 3u, col, o);
//#if TILE_128 TILE_64_TALL
  store(c4, below, col, o); store(c5, below + 1u, col, o); store(c6, below + 2u, col, o); store(c7, below + 3u, col, o);
//#end
//#if TILE_128
  let right = col + BN / 2u;
  store(d0, top, right, o); store(d1, top + 1u, right, o); store(d2, top + 2u, right, o); store(d3, top + 3u, right, o);
  store(d4, below, right, o); store(d5, below + 1u, right, o); store(d6, below + 2u, right, o); store(d7, below + 3u, right, o);
//#end
//#end
}
