// Vectors of numbers and the functions of one variable that updates are made of.
//
// NUMBER is float or double; BYTES is the width of a vector register. Compiler vector extensions become AVX-512, AVX2
// or whatever the machine has; nothing here names an instruction.

#pragma once
#include <cstdint>
#include <cstring>
#include <limits>
#include <type_traits>

#ifndef NUMBER
#define NUMBER float
#endif
#ifndef BYTES
#define BYTES 16
#endif
#define INLINE inline __attribute__((always_inline))

using T = NUMBER;
using Bits = std::conditional_t<sizeof(T) == 4, int32_t, int64_t>;
constexpr int V = BYTES / sizeof(T);  // lanes
typedef T vec __attribute__((vector_size(BYTES)));
typedef Bits ivec __attribute__((vector_size(BYTES)));
typedef T anywhere __attribute__((vector_size(BYTES), aligned(sizeof(T)), may_alias));

// Of <cmath>, which takes as long to read as a cell to compile.
namespace plain {
#define OF_ONE(name) \
  INLINE float name(float x) { return __builtin_##name##f(x); } \
  INLINE double name(double x) { return __builtin_##name(x); }
OF_ONE(exp)
OF_ONE(expm1)
OF_ONE(log)
OF_ONE(log1p)
OF_ONE(sqrt)
OF_ONE(tanh)
OF_ONE(sin)
OF_ONE(cos)
OF_ONE(erf)
OF_ONE(floor)
#undef OF_ONE
INLINE float pow(float x, float y) { return __builtin_powf(x, y); }
INLINE double pow(double x, double y) { return __builtin_pow(x, y); }
}  // namespace plain

INLINE vec splat(T x) { return x - vec{}; }
INLINE vec load(const T* p) { return *reinterpret_cast<const anywhere*>(p); }
INLINE void store(T* p, vec x) { *reinterpret_cast<anywhere*>(p) = x; }

// The first n lanes only, where a row's width is no multiple of V; the others are zero.
template <bool FULL> INLINE vec load(const T* p, int n) {
  if constexpr (FULL) return load(p);
  vec x = {};
  for (int i = 0; i < n; ++i) x[i] = p[i];
  return x;
}
template <bool FULL> INLINE void store(T* p, int n, vec x) {
  if constexpr (FULL) return store(p, x);
  for (int i = 0; i < n; ++i) p[i] = x[i];
}
template <bool FULL> INLINE vec only(vec x, int n, T otherwise) {
  if constexpr (!FULL)
    for (int i = n; i < V; ++i) x[i] = otherwise;
  return x;
}

template <class F> INLINE vec each(vec x, F f) {
  for (int i = 0; i < V; ++i) x[i] = f(x[i]);
  return x;
}

// x, rounded: what follows can't be fused with the product that made it, so that it is the same wherever it is taken.
INLINE vec settled(vec x) {
#if defined(__AVX512F__) || (defined(__x86_64__) && (BYTES == 16 || defined(__AVX2__) && BYTES == 32))
  asm("" : "+x"(x));
#elif defined(__aarch64__) && BYTES == 16
  asm("" : "+w"(x));
#else
  asm("" : "+m"(x));
#endif
  return x;
}

INLINE vec select(ivec mask, vec yes, vec no) { return mask ? yes : no; }
INLINE vec truth(ivec mask) { return select(mask, splat(1), splat(0)); }
INLINE vec vabs(vec x) {
  ivec bits;
  std::memcpy(&bits, &x, BYTES);
  bits &= std::numeric_limits<Bits>::max();
  std::memcpy(&x, &bits, BYTES);
  return x;
}
// Both let a NaN through, as torch does.
INLINE vec vmax(vec a, vec b) { return select((a > b) | (a != a), a, b); }
INLINE vec vmin(vec a, vec b) { return select((a < b) | (a != a), a, b); }
INLINE vec within(vec x, T low, T high) {  // a NaN stays one; without `select`, each line is one instruction
  const vec least = splat(low), most = splat(high);
  x = x < least ? least : x;
  return x > most ? most : x;
}
INLINE vec vsqrt(vec x) {
  return each(x, [](T v) { return plain::sqrt(v); });
}

// e^x = 2^n (1 + p), n whole. Returns p and 2^n; |p| <= 0.42, without the rounding of 1 + p. Float only.
INLINE void power(vec x, vec& p, vec& scale) {
  const vec magic = splat(12582912.f + 127);  // 1.5 * 2^23: adding it leaves the nearest integer, and 127, in the low bits
  vec shifted = x * splat(1.44269504088896341f) + magic;
  vec n = shifted - magic;
  vec r = x - n * splat(0.693359375f);
  r = r - n * splat(-2.12194440e-4f);
  // Cephes' expf (Moshier): e^r = 1 + r + r^2 q(r) on |r| <= ln 2 / 2
  vec q = splat(1.9875691500e-4f);
  q = q * r + splat(1.3981999507e-3f);
  q = q * r + splat(8.3334519073e-3f);
  q = q * r + splat(4.1665795894e-2f);
  q = q * r + splat(1.6666665459e-1f);
  q = q * r + splat(5.0000001201e-1f);
  p = q * r * r + r;
  ivec bits;
  std::memcpy(&bits, &shifted, BYTES);
  bits <<= 23;  // the bits above the low ones are shifted out
  std::memcpy(&scale, &bits, BYTES);
}

INLINE vec vexp(vec x) {
  if constexpr (sizeof(T) == 8) return each(x, [](T v) { return plain::exp(v); });
  const vec bounded = within(x, -87.3f, 88.3f);
  vec p, scale;
  power(bounded, p, scale);
  vec y = scale * p + scale;
  y = select(x > splat(88.72f), splat(std::numeric_limits<T>::infinity()), y);
  return select(x < splat(-87.3f), splat(0), y);
}
INLINE vec vexpm1(vec x) {
  if constexpr (sizeof(T) == 8) return each(x, [](T v) { return plain::expm1(v); });
  const vec bounded = within(x, -87.3f, 88.3f);
  vec p, scale;
  power(bounded, p, scale);
  vec y = scale * p + (scale - splat(1));
  return select(x > splat(88.72f), splat(std::numeric_limits<T>::infinity()), y);
}
INLINE vec vsigmoid(vec x) {
  if constexpr (sizeof(T) == 8) return each(x, [](T v) { return 1 / (1 + plain::exp(-v)); });
  vec p, scale;
  power(within(splat(0) - x, -87.3f, 88.3f), p, scale);
  return splat(1) / (splat(1) + (scale * p + scale));
}
INLINE vec vtanh(vec x) {  // (e^2x - 1) / (e^2x + 1), where e^2x - 1 has lost nothing
  if constexpr (sizeof(T) == 8) return each(x, [](T v) { return plain::tanh(v); });
  vec p, scale;
  power(splat(2) * within(x, -10, 10), p, scale);
  vec above = scale * p + (scale - splat(1));
  return above / (above + splat(2));
}
INLINE vec vlog(vec x) { return each(x, [](T v) { return plain::log(v); }); }
INLINE vec vlog1p(vec x) { return each(x, [](T v) { return plain::log1p(v); }); }
INLINE vec vsin(vec x) { return each(x, [](T v) { return plain::sin(v); }); }
INLINE vec vcos(vec x) { return each(x, [](T v) { return plain::cos(v); }); }
INLINE vec verf(vec x) { return each(x, [](T v) { return plain::erf(v); }); }
INLINE vec vpow(vec x, vec y) {
  for (int i = 0; i < V; ++i) x[i] = plain::pow(x[i], y[i]);
  return x;
}
INLINE vec vsign(vec x) { return select(x != x, x, truth(x > splat(0)) - truth(x < splat(0))); }
INLINE vec vfloor(vec x) {
  return each(x, [](T v) { return plain::floor(v); });
}

// Over lanes, in one fixed order.
INLINE T total(vec x) {
  for (int half = V / 2; half; half /= 2)
    for (int i = 0; i < half; ++i) x[i] += x[i + half];
  return x[0];
}
INLINE T greatest(vec x) {
  T best = x[0];
  for (int i = 1; i < V; ++i) best = x[i] > best || x[i] != x[i] ? x[i] : best;
  return best;
}

// What a row's reduction does to two vectors, in as many lanes as it has, and at last to these.
template <int I> using Lane = std::integral_constant<int, I>;
struct Plus {
  INLINE vec operator()(vec a, vec b) const { return a + b; }
};
struct Most {
  INLINE vec operator()(vec a, vec b) const { return vmax(a, b); }
};
template <class Join> INLINE vec joined(const vec (&lanes)[1], Join) { return lanes[0]; }
template <class Join> INLINE vec joined(const vec (&lanes)[4], Join join) {
  return join(join(lanes[0], lanes[1]), join(lanes[2], lanes[3]));
}
// Over a row of vectors that were stored, in the same order.
template <int LANES, class Join> INLINE vec over(const T* row, int width, vec start, Join join) {
  vec lanes[LANES];
  for (vec& lane : lanes) lane = start;
  int j = 0;
  for (; LANES > 1 && j + LANES * V <= width; j += LANES * V)
    for (int i = 0; i < LANES; ++i) lanes[i] = join(lanes[i], load(row + j + i * V));
  for (; j < width; j += V) lanes[0] = join(lanes[0], load(row + j));
  return joined(lanes, join);
}
