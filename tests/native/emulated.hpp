// What products use of AVX-512 and its BF16 instructions, in plain C++, for processors that have none.
//
// As Intel's manual (Software Developer's Manual, volume 2: VDPBF16PS, VCVTNE2PS2BF16, VCVTNEPS2BF16) says: the upper
// product of a pair is added first; numbers are rounded to nearest even, and those too small for a full mantissa are 0.

#pragma once
#include <immintrin.h>

#include <cstdint>
#include <cstring>

namespace emulated {
template <class To, class From> inline To bits_of(From x) {
  static_assert(sizeof(To) == sizeof(From));
  To y;
  std::memcpy(&y, &x, sizeof y);
  return y;
}
inline uint16_t half(float x) {
  const uint32_t bits = bits_of<uint32_t>(x);
  if (x != x) return bits >> 16 | 0x40;
  if (!(bits & 0x7f800000u)) return bits >> 16 & 0x8000;
  return (bits + 0x7fffu + (bits >> 16 & 1)) >> 16;
}
inline float number(uint32_t upper) { return bits_of<float>(upper & 0xffff0000u); }

struct Floats {
  float at[16];
};
struct Words {
  uint32_t at[16];
};
struct Halves {
  uint16_t at[16];
};

inline __m512 sum_of_products(__m512 sum, __m512bh x, __m512bh w) {
  Floats s = bits_of<Floats>(sum);
  const Words a = bits_of<Words>(x), b = bits_of<Words>(w);
  for (int i = 0; i < 16; ++i)
    s.at[i] = number(a.at[i] << 16) * number(b.at[i] << 16) + (number(a.at[i]) * number(b.at[i]) + s.at[i]);
  return bits_of<__m512>(s);
}
inline __m512 loaded(const void* from) {
  __m512 x;
  std::memcpy(&x, from, sizeof x);
  return x;
}
inline void stored(void* to, __m512i x) { std::memcpy(to, &x, sizeof x); }
inline __m256bh halved(__m512 x) {
  const Floats all = bits_of<Floats>(x);
  Halves y;
  for (int i = 0; i < 16; ++i) y.at[i] = half(all.at[i]);
  return bits_of<__m256bh>(y);
}
inline __m512bh both_halved(__m512 second, __m512 first) {
  const __m256bh parts[] = {halved(first), halved(second)};
  __m512bh y;
  std::memcpy(&y, parts, sizeof y);
  return y;
}
inline __m512i widened(__m256i x) {
  const Halves all = bits_of<Halves>(x);
  Words y;
  for (int i = 0; i < 16; ++i) y.at[i] = all.at[i];
  return bits_of<__m512i>(y);
}
inline __m512i shifted(__m512i x, int by) {
  Words y = bits_of<Words>(x);
  for (uint32_t& word : y.at) word <<= by;
  return bits_of<__m512i>(y);
}
inline __m512i either(__m512i x, __m512i y) {
  Words all = bits_of<Words>(x), more = bits_of<Words>(y);
  for (int i = 0; i < 16; ++i) all.at[i] |= more.at[i];
  return bits_of<__m512i>(all);
}
}  // namespace emulated

#undef _mm512_slli_epi32
#define _mm512_dpbf16_ps emulated::sum_of_products
#define _mm512_loadu_ps emulated::loaded
#define _mm512_storeu_si512 emulated::stored
#define _mm512_cvtneps_pbh emulated::halved
#define _mm512_cvtne2ps_pbh emulated::both_halved
#define _mm512_cvtepu16_epi32 emulated::widened
#define _mm512_slli_epi32 emulated::shifted
#define _mm512_or_si512 emulated::either
