// What the threads of a call spend their time on, where compiled with -DPHASES: benchmarks/phases.py asks. Otherwise
// nothing is there.

#pragma once

enum Phase { PRODUCTS, UPDATE, PACKING, LAYING, WAITING, REST, PHASES_COUNT };

#ifdef PHASES
#include <atomic>
#include <chrono>
#include <cstdint>

inline std::atomic<int64_t> spent[PHASES_COUNT];  // ns, by all threads

inline int64_t now() {
  using namespace std::chrono;
  return duration_cast<nanoseconds>(steady_clock::now().time_since_epoch()).count();
}

// Until its end this thread is in a phase, but for the phases within.
class In {
  static inline thread_local Phase phase = REST;
  static inline thread_local int64_t since = 0;
  static inline thread_local int depth = 0;
  Phase outer;
  static void enter(Phase next) {
    const int64_t time = now();
    if (depth) spent[phase].fetch_add(time - since, std::memory_order_relaxed);
    since = time;
    phase = next;
  }

 public:
  explicit In(Phase next) : outer(phase) {
    enter(next);
    ++depth;
  }
  ~In() {
    enter(outer);
    --depth;
  }
  In(const In&) = delete;
};
#else
struct In {
  explicit In(Phase) {}
};
#endif
