// What products multiply: numbers; or, with HALVES, pairs of bfloat16 neighbours along k, summed in float.

#pragma once
#include "vectors.hpp"

#ifdef HALVES
static_assert(sizeof(T) == 4 && BYTES == 64, "bfloat16 products are for float and 512 bits");
using Operand = uint32_t;
constexpr int64_t DEEP = 2;  // numbers in an operand
// A row as operands, in the space given.
const Operand* operands_of(const T* x, int64_t K, Operand* space);
#else
using Operand = T;
constexpr int64_t DEEP = 1;
INLINE const Operand* operands_of(const T* x, int64_t, Operand*) { return x; }
#endif
INLINE constexpr int64_t deep(int64_t K) { return (K + DEEP - 1) / DEEP; }

// How many operands a packed weight takes, of a map from `K` numbers: columns rounded up to whole panels.
INLINE constexpr int64_t packed_size(int64_t K, int64_t columns, int C, int blocks = 1) {
  const int64_t vectors = C / blocks * V;
  return (columns + vectors - 1) / vectors * C * V * deep(K);
}
