// Threads that share the columns of a step, where there are fewer sequences than threads.
//
// Each computes whole columns, in the order in which one thread would, and all meet after each loop of the step: the
// numbers are those of one thread, bit for bit.

#pragma once
#include <atomic>
#include <thread>
#include <utility>

#include "vectors.hpp"

// Packed numbers that a step must read for meeting after each of its loops to be worth it.
constexpr int64_t WORTH_A_TEAM = 32768;

struct alignas(64) Barrier {
  std::atomic<int> arrived{0}, round{0};
  void wait(int size) {
    const int now = round.load(std::memory_order_acquire);
    if (arrived.fetch_add(1, std::memory_order_acq_rel) + 1 == size) {
      arrived.store(0, std::memory_order_relaxed);
      round.store(now + 1, std::memory_order_release);
      return;
    }
    // Soon, unless a thread is not running: there may be more of them than processors.
    for (int tries = 0; round.load(std::memory_order_acquire) == now; ++tries)
      if (tries > 2000) std::this_thread::yield();
  }
};

struct Team {
  int place, size, number, teams;
  bool idle;  // a thread too many
  Barrier* barrier;
  Team(int thread, int threads, int teams, Barrier* barriers)
      : place(thread % (threads / teams)),
        size(threads / teams),
        number(thread / (threads / teams)),
        teams(teams),
        idle(number >= teams),
        barrier(barriers + number) {}

  void wait() const {
    if (size > 1) barrier->wait(size);
  }
  // From where to where of n, this thread.
  INLINE std::pair<int, int> part(int n) const {
    if (size == 1) return {0, n};
    return {n * place / size, n * (place + 1) / size};
  }
};
