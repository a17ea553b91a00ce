// functions.wgsl: elementary functions of f32, and random bits, for generated kernels: no bindings, no entry point. Each function has a
// flag of its name; a flag keeps what its function needs.
//
// WGSL's own functions promise too little: log loses all digits next to 1, sin keeps 11 bits, tanh and exp may overflow inside, and
// erf, expm1 and log1p do not exist. These are the formulas and the coefficients of the CPU's vector functions, so that both devices agree
// to a few units in the last place. NaN goes through by its bits: comparisons, min and max promise nothing.

//#if EXP EXPM1 TANH SIGMOID SOFTPLUS ERF NORMAL POW
// x 2^n for whole n in -150 .. 128, by two factors, so that neither overflows nor underflows before the result does.
fn scale2(x: f32, n: f32) -> f32 {
  let i = i32(n); let h = i >> 1u;
  return x * bitcast<f32>(u32(h + 127) << 23u) * bitcast<f32>(u32(i - h + 127) << 23u);
}
//#end

//#if NAN EXP EXPM1 LOG1P TANH SIGMOID SOFTPLUS ERF NORMAL LOG SIN COS POW SIGN
fn is_nan(x: f32) -> bool { return (bitcast<u32>(x) & 0x7fffffffu) > 0x7f800000u; }
//#end

//#if TANH ERF QUANTILE
fn copy_sign(x: f32, sign: f32) -> f32 {
  return bitcast<f32>((bitcast<u32>(x) & 0x7fffffffu) | (bitcast<u32>(sign) & 0x80000000u));
}
//#end

//#if SIGN
// -1, 0 or 1.
fn signum(x: f32) -> f32 { return select(sign(x), x, is_nan(x)); }
//#end

//#if EXP SIGMOID SOFTPLUS POW
// e^x: x = n ln 2 + r, |r| <= ln 2 / 2. ln 2 in two parts, of which the first, 355 / 512, times n is exact, as an integer: of two products
// with the same float n some compilers make one.
fn exp_f(x: f32) -> f32 {
  let v = clamp(x, -104.0, 89.0);
  let n = round(v * 1.44269504);
  let r = fma(n, 2.1219444e-4, v - f32(i32(n) * 355) * 0.001953125);
  var q = fma(1.395455096e-03, r, 8.375057951e-03);
  q = fma(q, r, 4.166612402e-02); q = fma(q, r, 1.666641682e-01); q = fma(q, r, 0.5); q = fma(q, r, 1.0); q = fma(q, r, 1.0);
  return select(scale2(q, n), x, is_nan(x));
}
//#end

//#if EXPM1 TANH ERF
// e^x - 1. The power of two is halved, so that it does not overflow before the result does.
fn expm1_f(x: f32) -> f32 {
  let v = clamp(x, -20.0, 89.0);
  let n = round(v * 1.44269504);
  let r = fma(n, 2.1219444e-4, v - f32(i32(n) * 355) * 0.001953125);
  var q = fma(1.395455096e-03, r, 8.375057951e-03);
  q = fma(q, r, 4.166612402e-02); q = fma(q, r, 1.666641682e-01); q = fma(q, r, 0.5); q = fma(q, r, 1.0);
  let half = scale2(0.5, n); let e = fma(r * q, half, half - 0.5);
  return select(e + e, x, is_nan(x));
}
//#end

//#if LOG LOG1P SOFTPLUS QUANTILE POW
// ln x: x = m 2^e with m in 0.75 .. 1.5. log 0 = -inf, of a negative number NaN.
fn log_f(x: f32) -> f32 {
  let tiny = x < 1.17549435e-38;
  let bits = bitcast<u32>(select(x, x * 8388608.0, tiny));
  let off = bits - 0x3f400000u; // from the bits of 0.75
  let e = f32(bitcast<i32>(off) >> 23u) - select(0.0, 23.0, tiny);
  let f = bitcast<f32>(bits - (off & 0xff800000u)) - 1.0;
  var p = fma(-4.507478327e-02, f, 1.046302095e-01);
  p = fma(p, f, -1.316119432e-01); p = fma(p, f, 1.447839588e-01); p = fma(p, f, -1.664731205e-01);
  p = fma(p, f, 1.999086142e-01); p = fma(p, f, -2.500009537e-01); p = fma(p, f, 3.333345056e-01);
  let f2 = f * f;
  let low = fma(e, -2.1219444e-4, fma(f2 * f, p, f2 * -0.5));
  let r = fma(e, 0.693359375, f + low);
  let raw = bitcast<u32>(x); let size = raw & 0x7fffffffu;
  if (size == 0u) { return bitcast<f32>(0xff800000u | (raw & 0u)); }
  if (raw > 0x80000000u) { return bitcast<f32>(0x7fc00000u | raw); }
  return select(r, x, size >= 0x7f800000u);
}
//#end

//#if LOG1P SOFTPLUS
// ln(1 + x): next to 0 as 2 artanh(x / (2 + x)), since 1 + x would lose digits of x. The series' relative error is 1e-9.
fn log1p_f(x: f32) -> f32 {
  if (abs(x) > 0.5 && !(x > 0.0 && x <= 1.0)) { return log_f(1.0 + x); }
  let r = x / (2.0 + x); let w = r * r;
  var s = fma(w, 0.0666666667, 0.0769230769);
  s = fma(w, s, 0.0909090909); s = fma(w, s, 0.111111111); s = fma(w, s, 0.142857143); s = fma(w, s, 0.2); s = fma(w, s, 0.333333333);
  let y = 2.0 * fma(r * w, s, r);
  return select(y, x, is_nan(x) || abs(x) < 1.0e-30);
}
//#end

//#if SOFTPLUS
// max(x, 0) + ln(1 + e^-|x|)
fn softplus(x: f32) -> f32 { return select(max(x, 0.0) + log1p_f(exp_f(-abs(x))), x, is_nan(x)); }
//#end

//#if TANH
// e / (e + 2), e = e^2|x| - 1.
fn tanh_f(x: f32) -> f32 {
  let e = expm1_f(min(abs(x + x), 20.0));
  return select(copy_sign(e / (e + 2.0), x), x, is_nan(x));
}
//#end

//#if SIGMOID
// 1 / (1 + e^-x), from e^-|x|, so that the left tail keeps its digits.
fn sigmoid(x: f32) -> f32 {
  let e = exp_f(-abs(x));
  return select(1.0, e, x < 0.0) / (1.0 + e);
}
//#end

//#if ERF
// erf x = 1 - e^-P(|x|), P = -ln erfc: one formula, relative accuracy everywhere.
fn erf_f(x: f32) -> f32 {
  let a = min(abs(x), 3.95);
  var q = fma(1.088508498e-06, a, -2.010016215e-05);
  q = fma(q, a, 1.615382935e-04); q = fma(q, a, -7.261416176e-04); q = fma(q, a, 1.779358834e-03); q = fma(q, a, -2.374176984e-04);
  q = fma(q, a, -1.912439615e-02); q = fma(q, a, 1.027726904e-01); q = fma(q, a, 6.366197467e-01); q = fma(q, a, 1.128379226e+00);
  return select(copy_sign(-expm1_f(-a * q), x), x, is_nan(x));
}
//#end

//#if NORMAL
// The normal distribution and its density at x. The distribution keeps its relative accuracy in the left tail, where 1 + erf cancels.
fn normal(x: f32) -> vec2<f32> {
  let a = min(abs(x), 15.0);
  let y = a * a * -0.72134752; let n = round(y); let z = y - n;
  var e = fma(1.340725925e-03, z, 9.671875276e-03);
  e = fma(e, z, 5.550308526e-02); e = fma(e, z, 2.402223498e-01); e = fma(e, z, 6.931472421e-01); e = fma(e, z, 1.0);
  e = scale2(e, max(n, -150.0)); // e^(-x^2 / 2)
  let t = 1.0 / fma(a, 0.3, 1.0);
  var g = fma(3.542372212e-02, t, -1.561583877e-01);
  g = fma(g, t, 2.045567036e-01); g = fma(g, t, -5.203394592e-02); g = fma(g, t, 1.276917458e-01); g = fma(g, t, 1.001759544e-01);
  g = fma(g, t, 1.207121387e-01); g = fma(g, t, 1.196320057e-01);
  let tail = g * t * e;
  let v = vec2<f32>(select(1.0 - tail, tail, x < 0.0), e * 0.3989423);
  return select(v, vec2<f32>(x), is_nan(x));
}
// x times the distribution, and its derivative.
fn gelu(x: f32) -> f32 { return x * normal(x).x; }
fn gelu_grad(x: f32) -> f32 { let v = normal(x); return fma(x, v.y, v.x); }
//#end

//#if SIN COS
// The sine of x + ahead quarter turns: x = n pi / 2 + r. pi / 2 = 201 / 2^7 + 2029 / 2^22 + 1297 / 2^34 + 2.6e-12; n times each
// numerator is exact for |x| up to 8000, beyond which the result loses digits in proportion; beyond a million it is a number in -1 .. 1
// and no more. In integers, since compilers join products with the same float.
fn sine(x: f32, ahead: f32) -> f32 {
  let v = clamp(x, -1.0e6, 1.0e6); let n = round(v * 0.636619772); let i = i32(n);
  var r = v - f32(i * 201) * 0.0078125;
  r -= f32(i * 2029) * 2.384185791015625e-7; r -= f32(i * 1297) * 5.820766091346741e-11;
  r = fma(n, -2.563344068257090e-12, r);
  let t = r * r;
  let s = fma(r * t, fma(t, fma(t, -1.958285585e-04, 8.332724733e-03), -1.666666454e-01), r);
  let c = fma(t * t, fma(t, fma(t, 2.454289634e-05, -1.388827945e-03), 4.166664540e-02), fma(t, -0.5, 1.0));
  let turn = (n + ahead) - 4.0 * floor((n + ahead) * 0.25); // 0, 1, 2 or 3
  let y = select(s, c, turn == 1.0 || turn == 3.0);
  let bad = (bitcast<u32>(x) & 0x7f800000u) == 0x7f800000u;
  return select(select(y, -y, turn >= 2.0), bitcast<f32>(bitcast<u32>(x) | 0x7fc00000u), bad);
}
//#end

//#if QUANTILE
// The quantile function of the normal distribution at p in (0, 1): Wichura's PPND7 (Applied Statistics 37, 1988, AS 241).
fn quantile(p: f32) -> f32 {
  let q = p - 0.5;
  if (abs(q) <= 0.425) {
    let r = fma(-q, q, 0.180625);
    return q * fma(fma(fma(59.109374720, r, 159.29113202), r, 50.434271938), r, 3.3871327179)
      / fma(fma(fma(67.187563600, r, 78.757757664), r, 17.895169469), r, 1.0);
  }
  let tail = sqrt(-log_f(select(1.0 - p, p, q < 0.0)));
  let a = tail - 1.6; let b = tail - 5.0;
  let near = fma(fma(fma(0.17023821103, a, 1.3067284816), a, 2.7568153900), a, 1.4234372777)
    / fma(fma(0.12021132975, a, 0.73700164250), a, 1.0);
  let far = fma(fma(fma(0.017337203997, b, 0.42868294337), b, 3.0812263860), b, 6.6579051150)
    / fma(fma(0.012258202635, b, 0.24197894225), b, 1.0);
  return copy_sign(select(far, near, tail <= 5.0), q);
}
//#end

//#if POW
// a^b. Whole exponents up to 64 are products of a, so that they are exact where the products are; a^0 = 1, and a
// negative a has whole powers.
fn power(a: f32, b: f32) -> f32 {
  let size = abs(b); let whole = floor(size) == size;
  if (whole && size <= 64.0) {
    var left = u32(size); var square = a; var r = 1.0;
    while (left != 0u) {
      if ((left & 1u) == 1u) { r *= square; }
      square *= square; left >>= 1u;
    }
    return select(r, 1.0 / r, b < 0.0);
  }
  let r = exp_f(b * log_f(abs(a)));
  let odd = whole && size < 16777216.0 && (u32(size) & 1u) == 1u;
  let signed = select(r, -r, a < 0.0 && odd);
  let undefined = is_nan(a) || is_nan(b) || (a < 0.0 && !whole);
  return select(signed, bitcast<f32>(0x7fc00000u | bitcast<u32>(a)), undefined);
}
//#end

//#if PHILOX
// Philox 4x32-10 (Salmon, Moraes, Dror and Shaw 2011): the block of four words that belongs to a counter and a key, the same integers as on
// the CPU. Counter 0 and key 0 give 6627e8d5 e169c58d bc57ac4c 9b00dbd8.
// The high word of a product: WGSL has no 64-bit integers.
fn philox_high(a: u32, b: u32) -> u32 {
  let al = a & 0xffffu; let ah = a >> 16u; let bl = b & 0xffffu; let bh = b >> 16u;
  let m = ah * bl + ((al * bl) >> 16u); let n = al * bh + (m & 0xffffu);
  return ah * bh + (m >> 16u) + (n >> 16u);
}
fn philox(counter: vec4<u32>, key: vec2<u32>) -> vec4<u32> {
  var c = counter; var k = key;
  for (var round = 0u; round < 10u; round++) {
    let h0 = philox_high(0xD2511F53u, c.x); let l0 = 0xD2511F53u * c.x;
    let h1 = philox_high(0xCD9E8D57u, c.z); let l1 = 0xCD9E8D57u * c.z;
    c = vec4<u32>(h1 ^ c.y ^ k.x, l1, h0 ^ c.w ^ k.y, l0);
    k += vec2<u32>(0x9E3779B9u, 0xBB67AE85u);
  }
  return c;
}
//#end
