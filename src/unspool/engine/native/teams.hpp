// Threads that share the columns of a step, where there are fewer sequences than threads.
//
// Each computes whole columns, in the order in which one thread would, and all meet after each loop of the step: the
// numbers are those of one thread, bit for bit.

#pragma once
#include "ahead.hpp"

struct Barrier;
void meet(Barrier& barrier, int size);  // returns when so many threads are there

struct Part {
  int first, last;
};

struct Team {
  int place, size, number, teams;
  Barrier* barrier;
  Ahead* ahead;  // or null

  void wait() const {
    if (size > 1) meet(*barrier, size);
  }
  // From where to where of n, this thread.
  INLINE Part part(int n) const {
    if (size == 1) return {0, n};
    return {n * place / size, n * (place + 1) / size};
  }
};
