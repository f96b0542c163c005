// A cell over a ragged batch, forward in time and back. `Cell` is generated; see emit.py.
//
// Each thread owns whole sequences and steps up to R of them at once. As one ends, the next takes its place, so that no
// step is computed that is not real, and no thread waits for another. Every row has its own addresses: nothing is
// gathered, packed or padded. Where there are more threads than sequences, a team of threads shares the columns of each
// step instead; see teams.hpp.

#pragma once
#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <memory>
#include <mutex>
#include <vector>
#ifdef _OPENMP
#include <omp.h>
#endif

// Memory that is kept for the next call: to touch fresh memory costs a fault for every page.
class Store {
  static constexpr size_t MOST = size_t{1} << 26;  // bytes kept
  struct Block {
    void* at;
    size_t bytes;
  };
  std::mutex lock;
  std::vector<Block> kept;
  size_t held = 0;

 public:
  ~Store() {
    for (const Block& block : kept) std::free(block.at);
  }
  // Whoever finds it in use, as a child that was forked meanwhile might for ever, does without.
  void* take(size_t& bytes) {
    if (const std::unique_lock own(lock, std::try_to_lock); own)
      for (Block& block : kept)
        if (block.bytes >= bytes && block.bytes / 2 <= bytes) {
          void* found = block.at;
          held -= bytes = block.bytes;
          block = kept.back();
          kept.pop_back();
          return found;
        }
    return std::aligned_alloc(64, bytes);
  }
  void give(void* at, size_t bytes) {
    if (const std::unique_lock own(lock, std::try_to_lock); own && held + bytes <= MOST) {
      kept.push_back({at, bytes});
      held += bytes;
    } else {
      std::free(at);
    }
  }
};
inline Store& store() {
  static Store one;
  return one;
}

struct GiveBack {
  size_t bytes = 0;
  void operator()(void* p) const { store().give(p, bytes); }
};
template <class E> using Space = std::unique_ptr<E[], GiveBack>;
template <class E> Space<E> space_for(int64_t n) {
  size_t bytes = ((n + 64) * sizeof(E) + 63) / 64 * 64;
  void* p = store().take(bytes);
  if (!p) throw std::bad_alloc();
  return Space<E>(static_cast<E*>(p), GiveBack{bytes});
}
inline Space<T> numbers(int64_t n) { return space_for<T>(n); }
inline Space<Operand> operands_for(int64_t n) { return space_for<Operand>(n); }

// Everything a call needs; the order of the fields is known to calling.py.
struct Call {
  int64_t batch, total, input, threads, reversed;
  int64_t adds;                         // whether to_x is added to what is there
  int64_t output_stride, given_stride;  // from one step's output to the next one's; a gradient may be one row for all
  const int64_t *offsets, *order;       // (batch + 1); sequences from the longest to the shortest
  const T *x, *weight_input, *bias_input, *const *parameters;
  T* from_input;                                             // (total, GATES), computed here where x is given
  const T* const* initial;                                   // by field, (batch, width)
  T* const* fields;                                          // by field, (total, width); null where no one asks
  T* const* final;                                           // by field, (batch, width)
  T* tape;                                                   // (total, TAPE), or null
  const T* given;                                            // gradient of the outputs
  const T* const* to_final;                                  // gradients of the final state
  T *to_x, *to_weight_input, *to_bias_input, *to_weight_hidden, *to_bias_hidden;  // null where no one asks
  T *to_input, *to_hidden;                                   // (total, GATES), (total, HIDDEN_GATES)
  T* const* to_initial;                                      // by field, (batch, width)
  T* sums;                                                   // (batch, SUMS), zeros at first
  T* const* taps;                                            // (total, width)
  Operand *packed_input, *packed;                            // for single steps: weights packed before
};

template <class F> void in_parallel(int threads, F f) {
#ifdef _OPENMP
  if (threads > 1) {
#pragma omp parallel num_threads(threads)
    f(omp_get_thread_num(), omp_get_num_threads());
    return;
  }
#endif
  f(0, 1);
}

// All threads have arrived; `count` as `in_parallel` gave it.
INLINE void together(int count) {
#ifdef _OPENMP
  if (count > 1) {
#pragma omp barrier
  }
#endif
}

// How many sequences are shared out at first: as many as teams of one thread have places for, or else all. The ones after
// these, which are shorter, go to whoever comes to need one, so that none waits for a team whose core is slow at the moment.
inline int64_t shared_out(const Call& a, const Team& team) {
  return team.size > 1 ? a.batch : std::min<int64_t>(a.batch, team.teams * Cell::R);
}

// The sequences of each call that a team begins with, the longest first: the next goes to whoever has the fewest steps
// so far.
using Shares = std::vector<std::vector<int64_t>>;
inline Shares share(const Call* calls, int64_t n, const Team& team) {
  std::vector<int64_t> steps(team.teams, 0);
  Shares mine(n);
  for (int64_t c = 0; c < n; ++c)
    for (int64_t i = 0; i < shared_out(calls[c], team); ++i) {
      const int64_t s = calls[c].order[i];
      const int who = std::min_element(steps.begin(), steps.end()) - steps.begin();
      steps[who] += calls[c].offsets[s + 1] - calls[c].offsets[s] + 1;
      if (who == team.number) mine[c].push_back(s);
    }
  return mine;
}

// A team's sequences: its own, then what is left of all.
struct Turn {
  const Call& a;
  const std::vector<int64_t>& mine;
  std::atomic<int64_t>& taken;  // by all teams, of those that were not shared out
  int64_t shared;
  size_t done = 0;
  bool next(int64_t& s) {
    if (done < mine.size()) {
      s = mine[done++];
      return true;
    }
    const int64_t i = shared < a.batch ? shared + taken.fetch_add(1, std::memory_order_relaxed) : a.batch;
    if (i >= a.batch) return false;
    s = a.order[i];
    return true;
  }
};

// Into how many teams so many threads part: one a thread, but for few sequences with much to do at a step.
inline int teams_for(const Call* calls, int64_t n, int threads) {
  int64_t sequences = 0;
  for (int64_t c = 0; c < n; ++c)
    for (int64_t s = 0; s < calls[c].batch; ++s) sequences += calls[c].offsets[s + 1] > calls[c].offsets[s];
  return Cell::FORWARD_PACKED < WORTH_A_TEAM ? threads : std::clamp<int64_t>(sequences, 1, threads);
}

struct Slot {
  int64_t sequence, done;
  int home;
};

// Runs `step(slots, count)` until all sequences are through; `empty(s)` for those of no step.
template <class Step, class Empty> void through(const Call& a, Turn turn, Step step, Empty empty) {
  Slot slots[Cell::R];
  int homes[Cell::R], count = 0, vacant = Cell::R;
  for (int i = 0; i < Cell::R; ++i) homes[i] = i;
  for (;;) {
    for (int64_t s; count < Cell::R && turn.next(s);) {
      if (a.offsets[s + 1] == a.offsets[s])
        empty(s);
      else
        slots[count++] = {s, 0, homes[--vacant]};
    }
    if (!count) return;
    step(slots, count);
    for (int i = 0; i < count;) {
      const int64_t s = slots[i].sequence;
      if (++slots[i].done < a.offsets[s + 1] - a.offsets[s]) {
        ++i;
      } else {
        homes[vacant++] = slots[i].home;
        slots[i] = slots[--count];
      }
    }
  }
}

constexpr int64_t field_offset(int k) {
  int64_t sum = 0;
  for (int i = 0; i < k; ++i) sum += Cell::WIDTHS[i];
  return sum;
}
constexpr int64_t STATE = field_offset(Cell::F);

INLINE void copy(T* to, const T* from, int64_t n) { std::memcpy(to, from, n * sizeof(T)); }

// Where the step number `t` of a sequence lies, counted in the direction of time.
INLINE int64_t row_of(const Call& a, int64_t s, int64_t t) {
  return a.reversed ? a.offsets[s + 1] - 1 - t : a.offsets[s] + t;
}
INLINE int64_t stride_of(const Call& a, int k) { return k == 0 ? a.output_stride : Cell::WIDTHS[k]; }

// The field before step t: of the step before, or the initial one.
INLINE const T* before(const Call& a, int64_t s, int64_t t, int k) {
  return t == 0 ? a.initial[k] + s * Cell::WIDTHS[k] : a.fields[k] + row_of(a, s, t - 1) * stride_of(a, k);
}

// Memory that a team works in.
struct Work {
  Space<T> scratch = numbers(Cell::SCRATCH), spare = numbers(2 * Cell::R * STATE), tape, unused;
  explicit Work(bool again) : tape(numbers(again ? Cell::R * Cell::TAPE : 0)), unused(numbers(again ? Cell::R * STATE : 0)) {}
  T* kept(int home, int k, int64_t t) const { return spare.get() + ((t & 1) * Cell::R + home) * STATE + field_offset(k); }
};
inline std::vector<Work> works(int64_t count, bool again) {
  std::vector<Work> made;
  for (int64_t i = 0; i < count; ++i) made.emplace_back(again);
  return made;
}

template <bool TAPED>
void forward_rows(const Call& a, const Operand* packed, Turn turn, const Work& work, const Team& team) {
  constexpr int R = Cell::R, F = Cell::F;
  auto kept = [&](int home, int k, int64_t t) { return work.kept(home, k, t); };
  const T* in[F + 1][R];
  T* out[F + 1][R];
  auto step = [&](const Slot* slots, int count) {
    for (int r = 0; r < count; ++r) {
      const auto [s, t, home] = slots[r];
      const int64_t row = row_of(a, s, t);
      in[0][r] = a.from_input + row * Cell::GATES;
      for (int k = 0; k < F; ++k) {
        in[1 + k][r] = a.fields[k] || t == 0 ? before(a, s, t, k) : kept(home, k, t - 1);
        out[k][r] = a.fields[k] ? a.fields[k] + row * stride_of(a, k) : kept(home, k, t);
      }
      out[F][r] = TAPED ? a.tape + row * Cell::TAPE : nullptr;
    }
    Cell::forward<TAPED>(packed, a.parameters, in, out, count, work.scratch.get(), team);
    for (int r = 0; r < count && team.place == 0; ++r) {
      const int64_t s = slots[r].sequence;
      if (slots[r].done + 1 == a.offsets[s + 1] - a.offsets[s])
        for (int k = 0; k < F; ++k) copy(a.final[k] + s * Cell::WIDTHS[k], out[k][r], Cell::WIDTHS[k]);
    }
  };
  through(a, turn, step, [&](int64_t s) {
    for (int k = 0; k < F && team.place == 0; ++k)
      copy(a.final[k] + s * Cell::WIDTHS[k], a.initial[k] + s * Cell::WIDTHS[k], Cell::WIDTHS[k]);
  });
}

// The products with the input, in three parts between which all threads meet: packed weights, and rows.
struct Projection {
  Space<Operand> packed;
  explicit Projection(const Call& a) : packed(operands_for(a.x ? packed_size(a.input, Cell::GATES, 4) : 0)) {}
  void pack_weight(const Call& a, int thread, int threads) const {
    if (a.x) pack(packed.get(), a.weight_input, a.input, Cell::GATES, 1, a.input, 4, 1, 0, thread, threads);
  }
  void rows(const Call& a, Operand* space, int thread, int threads, Rows& pieces) const {
    if (a.x)
      linear<false>(a.from_input, Cell::GATES, a.x, a.input, packed.get(), a.bias_input, a.total, a.input, Cell::GATES,
                    space, thread, threads, &pieces);
  }
};

// Working space of each thread for products of whole matrices.
inline std::vector<Space<Operand>> spaces(int64_t threads, int64_t each) {
  std::vector<Space<Operand>> made;
  for (int64_t i = 0; i < threads; ++i) made.push_back(operands_for(each));
  return made;
}
inline int64_t widest_input(const Call* calls, int64_t n) {
  int64_t widest = 0;
  for (int64_t c = 0; c < n; ++c) widest = std::max(widest, calls[c].input);
  return widest;
}

// Several calls at once: both directions of a layer, say. They share the threads.
inline void forward(const Call* calls, int64_t n) {
  const int64_t threads = calls[0].threads;
  std::vector<Projection> projections;
  std::vector<Space<Operand>> packed;
  for (int64_t c = 0; c < n; ++c) {
    projections.emplace_back(calls[c]);
    packed.push_back(operands_for(Cell::FORWARD_PACKED));
  }
  const auto space = spaces(threads, linear_space(widest_input(calls, n)));
  const auto work = works(threads, false);
  std::vector<Barrier> barriers(threads);
  std::vector<Rows> pieces(n);
  std::vector<std::atomic<int64_t>> taken(n);
  in_parallel(threads, [&](int thread, int count) {
    for (int64_t c = 0; c < n; ++c) {
      projections[c].pack_weight(calls[c], thread, count);
      Cell::pack_forward(packed[c].get(), calls[c].parameters, thread, count);
    }
    together(count);
    for (int64_t c = 0; c < n; ++c) projections[c].rows(calls[c], space[thread].get(), thread, count, pieces[c]);
    together(count);
    const Team team(thread, count, teams_for(calls, n, count), barriers.data());
    if (team.idle) return;
    const Shares mine = share(calls, n, team);
    for (int64_t c = 0; c < n; ++c)
      (calls[c].tape && Cell::TAPE ? forward_rows<true> : forward_rows<false>)(
          calls[c], packed[c].get(), {calls[c], mine[c], taken[c], shared_out(calls[c], team)}, work[team.number], team);
  });
}

// Back through time. Without a tape, each step is computed once more just before its gradient.
template <bool AGAIN>
void backward_rows(const Call& a, const Operand* packed, const Operand* packed_forward, Turn turn, const Work& work,
                   const Team& team) {
  constexpr int R = Cell::R, F = Cell::F, BACK = 2;
  auto kept = [&](int home, int k, int64_t t) { return work.kept(home, k, t); };
  const T* in[4 + 3 * F - 1][R];
  T* out[BACK + F + 1 + Cell::TAPS][R];
  T* again[F + 1][R];
  auto step = [&](const Slot* slots, int count) {
    for (int r = 0; r < count; ++r) {
      const auto [s, done, home] = slots[r];
      const int64_t t = a.offsets[s + 1] - a.offsets[s] - 1 - done, row = row_of(a, s, t);
      in[0][r] = a.from_input ? a.from_input + row * Cell::GATES : nullptr;
      for (int k = 0; k < F; ++k) {
        in[1 + k][r] = before(a, s, t, k);
        in[1 + F + k][r] = a.fields[k] + row * stride_of(a, k);
        in[3 + 2 * F + k][r] = done == 0 ? a.to_final[k] + s * Cell::WIDTHS[k] : kept(home, k, done - 1);
        out[BACK + k][r] = t == 0 ? a.to_initial[k] + s * Cell::WIDTHS[k] : kept(home, k, done);
        if (AGAIN) again[k][r] = work.unused.get() + r * STATE + field_offset(k);
      }
      if (AGAIN) again[F][r] = work.tape.get() + r * Cell::TAPE;
      in[1 + 2 * F][r] = AGAIN ? again[F][r] : a.tape + row * Cell::TAPE;
      in[2 + 2 * F][r] = a.given + row * a.given_stride;
      out[0][r] = a.to_input + row * Cell::GATES;
      out[1][r] = a.to_hidden + row * Cell::HIDDEN_GATES;
      out[BACK + F][r] = a.sums + s * Cell::SUMS;
      for (int i = 0; i < Cell::TAPS; ++i) out[BACK + F + 1 + i][r] = a.taps[i] + row * Cell::TAP_WIDTHS[i];
    }
    if (AGAIN) Cell::forward<true>(packed_forward, a.parameters, in, again, count, work.scratch.get(), team);
    Cell::backward(packed, a.parameters, in, out, count, work.scratch.get(), team);
  };
  through(a, turn, step, [&](int64_t s) {
    for (int k = 0; k < F && team.place == 0; ++k)
      copy(a.to_initial[k] + s * Cell::WIDTHS[k], a.to_final[k] + s * Cell::WIDTHS[k], Cell::WIDTHS[k]);
  });
}

// The gradients of weights and inputs, each one product over all steps.
struct WeightsBack {
  std::vector<const T*> hidden, x;  // where the rows lie
  Space<Operand> packed;
  explicit WeightsBack(const Call& a) : hidden(a.total), x(a.x ? a.total : 0), packed(operands_for(through_x(a) ? packed_size(Cell::GATES, a.input, 4) : 0)) {
    for (int64_t s = 0; s < a.batch; ++s)
      for (int64_t t = 0; t < a.offsets[s + 1] - a.offsets[s]; ++t) hidden[row_of(a, s, t)] = before(a, s, t, 0);
    for (size_t i = 0; i < x.size(); ++i) x[i] = a.x + i * a.input;
  }
  static bool through_x(const Call& a) { return a.to_x && a.x; }
  static int64_t space(int64_t input) {
    const int64_t columns = std::max<int64_t>(input, Cell::WIDTHS[0]);
    return std::max(gradient_space(std::max(Cell::GATES, Cell::HIDDEN_GATES), columns), linear_space(Cell::GATES));
  }
  void pack_weight(const Call& a, int thread, int threads) const {
    if (through_x(a)) pack(packed.get(), a.weight_input, Cell::GATES, a.input, a.input, 1, 4, 1, 0, thread, threads);
  }
  void of_inputs(const Call& a, Operand* space, int thread, int threads, Rows& pieces) const {
    if (through_x(a))
      (a.adds ? linear<true> : linear<false>)(a.to_x, a.input, a.to_input, Cell::GATES, packed.get(), nullptr, a.total,
                                              Cell::GATES, a.input, space, thread, threads, &pieces);
  }
  void of_weights(const Call& a, Operand* space, int thread, int threads) const {
    if (a.to_weight_input)
      weight_gradient(a.to_weight_input, a.to_input, Cell::GATES, Cell::GATES, x.data(), a.input, a.total, space, thread,
                      threads);
    if (a.to_weight_hidden)
      weight_gradient(a.to_weight_hidden, a.to_hidden, Cell::HIDDEN_GATES, Cell::HIDDEN_GATES, hidden.data(),
                      Cell::WIDTHS[0], a.total, space, thread, threads);
    if (a.to_bias_input) column_sums(a.to_bias_input, a.to_input, Cell::GATES, a.total, Cell::GATES, thread, threads);
    if (a.to_bias_hidden)
      column_sums(a.to_bias_hidden, a.to_hidden, Cell::HIDDEN_GATES, a.total, Cell::HIDDEN_GATES, thread, threads);
  }
};

inline void backward(const Call* calls, int64_t n) {
  const int64_t threads = calls[0].threads;
  const bool again = Cell::TAPE && !calls[0].tape;
  std::vector<Projection> projections;
  std::vector<WeightsBack> weights;
  std::vector<Space<Operand>> packed, packed_forward;
  for (int64_t c = 0; c < n; ++c) {
    if (again) projections.emplace_back(calls[c]);
    weights.emplace_back(calls[c]);
    packed.push_back(operands_for(Cell::BACKWARD_PACKED));
    packed_forward.push_back(operands_for(again ? Cell::FORWARD_PACKED : 0));
  }
  const int64_t widest = widest_input(calls, n);
  const auto space = spaces(threads, std::max(linear_space(widest), WeightsBack::space(widest)));
  const auto work = works(threads, again);
  std::vector<Barrier> barriers(threads);
  std::vector<Rows> pieces(n), again_pieces(n);
  std::vector<std::atomic<int64_t>> taken(n);
  in_parallel(threads, [&](int thread, int count) {
    for (int64_t c = 0; c < n; ++c) {
      weights[c].pack_weight(calls[c], thread, count);
      Cell::pack_backward(packed[c].get(), calls[c].parameters, thread, count);
      if (again) Cell::pack_forward(packed_forward[c].get(), calls[c].parameters, thread, count);
      if (again) projections[c].pack_weight(calls[c], thread, count);
    }
    together(count);
    for (int64_t c = 0; c < n && again; ++c)
      projections[c].rows(calls[c], space[thread].get(), thread, count, again_pieces[c]);
    if (again) together(count);
    const Team team(thread, count, teams_for(calls, n, count), barriers.data());
    if (!team.idle) {
      const Shares mine = share(calls, n, team);
      for (int64_t c = 0; c < n; ++c)
        (again ? backward_rows<true> : backward_rows<false>)(
            calls[c], packed[c].get(), packed_forward[c].get(),
            {calls[c], mine[c], taken[c], shared_out(calls[c], team)}, work[team.number], team);
    }
    together(count);
    for (int64_t c = 0; c < n; ++c) weights[c].of_weights(calls[c], space[thread].get(), thread, count);
    for (int64_t c = 0; c < n; ++c) {
      if (calls[c].adds) together(count);  // to what the call before has written
      weights[c].of_inputs(calls[c], space[thread].get(), thread, count, pieces[c]);
    }
  });
}

// Single steps: weights packed once, then any number of steps of `batch` rows, from `initial` to `final`.
inline void pack_for_steps(const Call& a) {
  pack(a.packed_input, a.weight_input, a.input, Cell::GATES, 1, a.input, 4, 1, 0, 0, 1);
  Cell::pack_forward(a.packed, a.parameters, 0, 1);
}
inline void step(const Call& a) {
  constexpr int R = Cell::R, F = Cell::F;
  const int64_t tiles = (a.batch + R - 1) / R;
  const bool worth = Cell::FORWARD_PACKED >= WORTH_A_TEAM;
  const int64_t threads = worth ? a.threads : std::min(a.threads, tiles);
  const auto space = spaces(threads, linear_space(a.input));
  const auto scratch = works(threads, false);
  std::vector<Barrier> barriers(threads);
  in_parallel(threads, [&](int thread, int count) {
    linear<false>(a.from_input, Cell::GATES, a.x, a.input, a.packed_input, a.bias_input, a.batch, a.input, Cell::GATES,
                  space[thread].get(), thread, count);
    together(count);
    const Team team(thread, count, std::min<int64_t>(tiles, count), barriers.data());
    if (team.idle) return;
    const T* in[F + 1][R];
    T* out[F + 1][R];
    const int64_t stop = std::min(tiles * (team.number + 1) / team.teams * R, a.batch);
    for (int64_t start = tiles * team.number / team.teams * R; start < stop; start += R) {
      const int rows = std::min<int64_t>(R, stop - start);
      for (int r = 0; r < rows; ++r) {
        in[0][r] = a.from_input + (start + r) * Cell::GATES;
        for (int k = 0; k < F; ++k) {
          in[1 + k][r] = a.initial[k] + (start + r) * Cell::WIDTHS[k];
          out[k][r] = a.final[k] + (start + r) * Cell::WIDTHS[k];
        }
        out[F][r] = nullptr;
      }
      Cell::forward<false>(a.packed, a.parameters, in, out, rows, scratch[team.number].scratch.get(), team);
    }
  });
}

// 0, or 1 where there was not enough memory.
template <class F> int guarded(F f) {
  try {
    f();
    return 0;
  } catch (const std::bad_alloc&) {
    return 1;
  }
}

// The only names that leave the library: several cells live in one process.
#define PUBLIC __attribute__((visibility("default")))

extern "C" {
PUBLIC int unspool_forward(const Call* calls, int64_t n) { return guarded([&] { forward(calls, n); }); }
PUBLIC int unspool_backward(const Call* calls, int64_t n) { return guarded([&] { backward(calls, n); }); }
// (g, n) and (x, m), both (total, …): to (n, m) += Σ g x^T, for a matrix that an update applies itself.
PUBLIC int unspool_outer(T* to, const T* g, int64_t n, const T* x, int64_t m, int64_t total, int64_t threads) {
  return guarded([&] {
    std::vector<const T*> rows(total);
    for (int64_t i = 0; i < total; ++i) rows[i] = x + i * m;
    in_parallel(threads, [&](int thread, int count) {
      Space<Operand> space = operands_for(gradient_space(n, m));
      weight_gradient(to, g, n, n, rows.data(), m, total, space.get(), thread, count);
    });
  });
}
PUBLIC int unspool_pack(const Call* call) { return guarded([&] { pack_for_steps(*call); }); }
PUBLIC int unspool_step(const Call* call) { return guarded([&] { step(*call); }); }
PUBLIC int64_t unspool_packed_input(int64_t input) { return packed_size(input, Cell::GATES, 4) * sizeof(Operand); }
PUBLIC int64_t unspool_packed() { return Cell::FORWARD_PACKED * sizeof(Operand); }
PUBLIC int64_t unspool_size_of_call() { return sizeof(Call); }
}
