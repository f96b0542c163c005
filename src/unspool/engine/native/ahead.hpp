// What the next step will read and write, in pieces of memory: fetched while this step multiplies, which needs little of it.
//
// `Fetching` in recurrence.cpp says what that is; the kernel in products.hpp takes a piece every few turns.

#pragma once
#include "vectors.hpp"

constexpr int LINE = 64, PIECE = 4 * LINE;  // bytes

struct Ahead {
  const char *const *next, *const *end;
  INLINE const char* take() { return next == end ? nullptr : *next++; }
};
