// How many times as fast as floats the processor multiplies bfloat16 numbers: `unspool_gain`.

#include <algorithm>
#include <chrono>

#include "products.hpp"

template <class X, class Add> double seconds(X x, X w, Add add) {
  constexpr int SUMS = 16, TIMES = 4000;
  double best = 1e9;
  for (int attempt = 0; attempt < 7; ++attempt) {
    vec sums[SUMS];  // none like another, and factors that no one knows: or the compiler would find a shorter way
    for (int s = 0; s < SUMS; ++s) sums[s] = settled(splat(s));
    const auto start = std::chrono::steady_clock::now();
    for (int i = 0; i < TIMES; ++i) {
      x = (X)settled((vec)x);
#pragma GCC unroll 16
      for (int s = 0; s < SUMS; ++s) add(sums[s], x, w);
    }
    vec all = sums[0];
    for (int s = 1; s < SUMS; ++s) all += sums[s];
    volatile const T kept = total(all);  // or there would be nothing to do
    (void)kept;
    best = std::min(best, std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
  }
  return best;
}

extern "C" __attribute__((visibility("default"))) double unspool_gain() {
  const vec x = settled(splat(1e-3f)), w = settled(splat(0.5f));
  operands halves_x, halves_w;
  std::memcpy(&halves_x, &x, BYTES);
  std::memcpy(&halves_w, &w, BYTES);
  const double floats = seconds(x, w, [](vec& sum, vec a, vec b) { sum += a * b; });
  const double halves = seconds(halves_x, halves_w, [](vec& sum, operands a, operands b) { add_product(sum, a, b); });
  return 2 * floats / halves;  // one instruction multiplies twice as many
}
