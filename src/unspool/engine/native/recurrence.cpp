// A cell over a ragged batch, forward in time and back: compiled once for all cells, and linked to each. `cell` is what
// emit.py writes.
//
// Each thread owns whole sequences and steps several of them at once. As one ends, the next takes its place, so that no
// step is computed that is not real, and no thread waits for another. Every row has its own addresses: nothing is
// gathered, packed or padded. Where there are more threads than sequences, a team of threads shares the columns of each
// step instead; see teams.hpp.

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <memory>
#include <mutex>
#include <numeric>
#include <thread>
#include <vector>
#ifdef _OPENMP
#include <omp.h>
#endif

#include "cell.hpp"
#include "products.hpp"

template void step_product<1>(T*, const Operand* const*, int, const Operand*, int64_t, Ahead*);
template void step_product<2>(T*, const Operand* const*, int, const Operand*, int64_t, Ahead*);
template void step_product<3>(T*, const Operand* const*, int, const Operand*, int64_t, Ahead*);
template void step_product<4>(T*, const Operand* const*, int, const Operand*, int64_t, Ahead*);

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

// Everything a call is told; the order of the fields is known to calling.py.
struct Told {
  int64_t batch, total, threads;
  const int64_t* lengths;  // (batch)
  int64_t input, reversed;
  int64_t adds;                         // whether to_x is added to what is there
  int64_t output_stride, given_stride;  // from one step's output to the next one's; a gradient may be one row for all
  const T *x, *weight_input, *bias_input;
  T* from_input;   // (total, GATES), rows `gates_apart` but for single steps, computed here where x is given
  T* tape;         // (total, TAPE), or null
  const T* given;  // gradient of the outputs
  T *to_x, *to_weight_input, *to_bias_input, *to_weight_hidden, *to_bias_hidden;  // null where no one asks
  T *to_input, *to_hidden;         // (total, GATES), (total, HIDDEN_GATES), their rows likewise
  T* sums;                         // (batch, SUMS)
  Operand *packed_input, *packed;  // for single steps: weights packed before
  const T* const* parameters;
  const T* const* initial;   // by field, (batch, width); null for zeros
  T* const* fields;          // by field, (total, width); null where no one asks
  T* const* final;           // by field, (batch, width)
  const T* const* to_final;  // gradients of the final state; null for none
  T* const* to_initial;      // by field, (batch, width); null where no one asks
  T* const* taps;            // (total, width)
  T* const* to_vectors;      // by vector of the update; null where no one asks
};

struct Call : Told {
  const int64_t *offsets, *order;  // (batch + 1); sequences from the longest to the shortest
  const T* zeros;                  // as wide as the widest field
};

// Calls over the same sequences, with the tables of these.
class Calls {
  std::vector<Call> calls;
  std::vector<int64_t> offsets, order;
  std::vector<T> zeros;

 public:
  Calls(const Told* told, int64_t n)
      : offsets(told->batch + 1), order(told->batch), zeros(*std::max_element(cell.widths, cell.widths + cell.fields)) {
    const int64_t* lengths = told->lengths;
    std::partial_sum(lengths, lengths + order.size(), offsets.begin() + 1);
    std::iota(order.begin(), order.end(), 0);
    std::stable_sort(order.begin(), order.end(), [&](int64_t a, int64_t b) { return lengths[a] > lengths[b]; });
    for (int64_t c = 0; c < n; ++c) calls.push_back({told[c], offsets.data(), order.data(), zeros.data()});
  }
  const Call* all() const { return calls.data(); }
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
  const In phase(WAITING);
  if (count > 1) {
#pragma omp barrier
  }
#endif
}

struct alignas(64) Barrier {
  std::atomic<int> arrived{0}, round{0};
};
void meet(Barrier& barrier, int size) {
  const In phase(WAITING);
  const int now = barrier.round.load(std::memory_order_acquire);
  if (barrier.arrived.fetch_add(1, std::memory_order_acq_rel) + 1 == size) {
    barrier.arrived.store(0, std::memory_order_relaxed);
    barrier.round.store(now + 1, std::memory_order_release);
    return;
  }
  // Soon, unless a thread is not running: there may be more of them than processors.
  for (int tries = 0; barrier.round.load(std::memory_order_acquire) == now; ++tries)
    if (tries > 2000) std::this_thread::yield();
}

// Where teams are of one size, there may be threads too many: these are idle.
inline Team team_of(int thread, int threads, int teams, std::vector<Barrier>& barriers) {
  const int size = threads / teams, number = thread / size;
  return {thread % size, size, number, teams, number < teams ? &barriers[number] : nullptr, nullptr};
}
inline bool idle(const Team& team) { return team.number >= team.teams; }

// Packed numbers that a step must read for meeting after each of its loops to be worth it.
constexpr int64_t WORTH_A_TEAM = 32768;

// How many rows are stepped at once, of so many: in as few turns as can be, evenly, in whole tiles of a panel of 4 vectors.
inline int rows_at_once(int64_t rows) {
  constexpr int64_t TILE = tile_rows(4);
  const int64_t times = std::max<int64_t>((rows + cell.rows - 1) / cell.rows, 1), each = (rows + times - 1) / times;
  return std::clamp((each + TILE - 1) / TILE * TILE, 2 * TILE, cell.rows);
}
// How many sequences a thread steps at once: so many that all are through when the longest is.
inline int rows_for(const Call& a, const Team& team) {
  const int64_t first = a.batch ? a.order[0] : 0, longest = a.batch ? a.offsets[first + 1] - a.offsets[first] : 0;
  const int64_t steps = team.teams * std::max<int64_t>(longest, 1);
  return rows_at_once((a.total + steps - 1) / steps);
}

// How many sequences are shared out at first: as many as teams of one thread have places for, or else all. The ones after
// these, which are shorter, go to whoever comes to need one, so that none waits for a team whose core is slow at the moment.
inline int64_t shared_out(const Call& a, const Team& team) {
  return team.size > 1 ? a.batch : std::min<int64_t>(a.batch, team.teams * rows_for(a, team));
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
  int rows;  // at once
  size_t done = 0;
  Turn(const Call& a, const std::vector<int64_t>& mine, std::atomic<int64_t>& taken, const Team& team)
      : a(a), mine(mine), taken(taken), shared(shared_out(a, team)), rows(rows_for(a, team)) {}
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
  return cell.forward_packed < WORTH_A_TEAM ? threads : std::clamp<int64_t>(sequences, 1, threads);
}

struct Slot {
  int64_t sequence, done;
  int home;
};

// Runs `step(slots, count)` until all sequences are through; `empty(s)` for those of no step.
template <class Step, class Empty> void through(const Call& a, Turn turn, Step step, Empty empty) {
  const int rows = turn.rows;
  std::vector<Slot> slots(rows);
  std::vector<int> homes(rows);
  int count = 0, vacant = rows;
  for (int i = 0; i < rows; ++i) homes[i] = i;
  for (;;) {
    for (int64_t s; count < rows && turn.next(s);) {
      if (a.offsets[s + 1] == a.offsets[s])
        empty(s);
      else
        slots[count++] = {s, 0, homes[--vacant]};
    }
    if (!count) return;
    step(slots.data(), count);
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

INLINE int64_t field_offset(int k) {
  int64_t sum = 0;
  for (int i = 0; i < k; ++i) sum += cell.widths[i];
  return sum;
}
INLINE int64_t state_width() { return field_offset(cell.fields); }

INLINE void copy(T* to, const T* from, int64_t n) { std::memcpy(to, from, n * sizeof(T)); }

// Where the step number `t` of a sequence lies, counted in the direction of time.
INLINE int64_t row_of(const Call& a, int64_t s, int64_t t) {
  return a.reversed ? a.offsets[s + 1] - 1 - t : a.offsets[s] + t;
}
INLINE int64_t stride_of(const Call& a, int k) { return k == 0 ? a.output_stride : cell.widths[k]; }

INLINE const T* initial(const Call& a, int64_t s, int k) {
  return a.initial[k] ? a.initial[k] + s * cell.widths[k] : a.zeros;
}
// The field before step t: of the step before, or the initial one.
INLINE const T* before(const Call& a, int64_t s, int64_t t, int k) {
  return t == 0 ? initial(a, s, k) : a.fields[k] + row_of(a, s, t - 1) * stride_of(a, k);
}

// Memory that a team works in.
struct Work {
  Space<T> scratch = numbers(cell.scratch), spare = numbers(2 * cell.rows * state_width()), tape, unused;
  explicit Work(bool again)
      : tape(numbers(again ? cell.rows * cell.tape : 0)), unused(numbers(again ? cell.rows * state_width() : 0)) {}
  T* kept(int home, int k, int64_t t) const {
    return spare.get() + ((t & 1) * cell.rows + home) * state_width() + field_offset(k);
  }
};
inline std::vector<Work> works(int64_t count, bool again) {
  std::vector<Work> made;
  for (int64_t i = 0; i < count; ++i) made.emplace_back(again);
  return made;
}

// By source or destination of a step, the address of each row.
template <class P> class Addresses {
  std::vector<P> all;

 public:
  explicit Addresses(int64_t count) : all(count * cell.rows) {}
  P* operator[](int64_t of) { return all.data() + of * cell.rows; }
  const P* data() const { return all.data(); }
};

// What the next step will read and write of each row that goes on: of so many numbers, in so many places. Nothing where a
// team has several threads, or where all steps' numbers stay in a thread's own cache.
class Fetching {
  static constexpr int64_t OWN = int64_t{1} << 20;  // bytes
  std::vector<const char*> pieces;
  Ahead ahead{};
  size_t count = 0;
  bool worth;

 public:
  Fetching(const Call& a, const Team& team, int64_t numbers, int64_t places)
      : worth(team.size == 1 && a.total * numbers * int64_t{sizeof(T)} > OWN * team.teams) {
    if (worth) pieces.resize(cell.rows * (numbers * sizeof(T) / PIECE + 2 * places));
  }
  void start() { count = 0; }
  void add(const T* row, int64_t numbers) {
    const char* from = reinterpret_cast<const char*>(row);
    for (int64_t i = 0; i < numbers * int64_t{sizeof(T)}; i += PIECE) pieces[count++] = from + i;
  }
  Team with(Team team) {
    ahead = {pieces.data(), pieces.data() + count};
    if (worth) team.ahead = &ahead;
    return team;
  }
  explicit operator bool() const { return worth; }
};

template <bool TAPED>
void forward_rows(const Call& a, const Operand* packed, Turn turn, const Work& work, const Team& team) {
  const int F = cell.fields;
  auto kept = [&](int home, int k, int64_t t) { return work.kept(home, k, t); };
  Addresses<const T*> in(F + 1);
  Addresses<T*> out(F + 1);
  Fetching fetching(a, team, cell.gates + state_width() + (TAPED ? cell.tape : 0), F + 2);
  auto step = [&](const Slot* slots, int count) {
    const In phase(UPDATE);
    fetching.start();
    for (int r = 0; r < count; ++r) {
      const auto [s, t, home] = slots[r];
      const int64_t row = row_of(a, s, t);
      in[0][r] = a.from_input + row * cell.gates_apart;
      for (int k = 0; k < F; ++k) {
        in[1 + k][r] = a.fields[k] || t == 0 ? before(a, s, t, k) : kept(home, k, t - 1);
        out[k][r] = a.fields[k] ? a.fields[k] + row * stride_of(a, k) : kept(home, k, t);
      }
      out[F][r] = TAPED ? a.tape + row * cell.tape : nullptr;
      if (fetching && t + 1 < a.offsets[s + 1] - a.offsets[s]) {
        const int64_t next = row_of(a, s, t + 1);
        fetching.add(a.from_input + next * cell.gates_apart, cell.gates);
        for (int k = 0; k < F; ++k)
          if (a.fields[k]) fetching.add(a.fields[k] + next * stride_of(a, k), cell.widths[k]);
        if (TAPED) fetching.add(a.tape + next * cell.tape, cell.tape);
      }
    }
    (TAPED ? cell.forward_taped : cell.forward)(packed, a.parameters, in.data(), out.data(), count, work.scratch.get(),
                                                fetching.with(team));
    for (int r = 0; r < count && team.place == 0; ++r) {
      const int64_t s = slots[r].sequence;
      if (slots[r].done + 1 == a.offsets[s + 1] - a.offsets[s])
        for (int k = 0; k < F; ++k) copy(a.final[k] + s * cell.widths[k], out[k][r], cell.widths[k]);
    }
  };
  through(a, turn, step, [&](int64_t s) {
    for (int k = 0; k < F && team.place == 0; ++k)
      copy(a.final[k] + s * cell.widths[k], initial(a, s, k), cell.widths[k]);
  });
  team.wait();  // the first step of the next call takes the place that final states are copied from
}

// The products with the input, in three parts between which all threads meet: packed weights, and rows.
struct Projection {
  Space<Operand> packed;
  explicit Projection(const Call& a) : packed(operands_for(a.x ? packed_size(a.input, cell.gates, 4) : 0)) {}
  void pack_weight(const Call& a, int thread, int threads) const {
    if (a.x) pack(packed.get(), a.weight_input, a.input, cell.gates, 1, a.input, 4, 1, 0, thread, threads);
  }
  void rows(const Call& a, Operand* space, int thread, int threads, Rows& pieces) const {
    if (a.x)
      linear<false>(a.from_input, cell.gates_apart, a.x, a.input, packed.get(), a.bias_input, a.total, a.input, cell.gates,
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
    packed.push_back(operands_for(cell.forward_packed));
  }
  const auto space = spaces(threads, linear_space(widest_input(calls, n)));
  const auto work = works(threads, false);
  std::vector<Barrier> barriers(threads);
  std::vector<Rows> pieces(n);
  std::vector<std::atomic<int64_t>> taken(n);
  in_parallel(threads, [&](int thread, int count) {
    const In phase(REST);
    for (int64_t c = 0; c < n; ++c) {
      projections[c].pack_weight(calls[c], thread, count);
      cell.pack_forward(packed[c].get(), calls[c].parameters, thread, count);
    }
    together(count);
    for (int64_t c = 0; c < n; ++c) projections[c].rows(calls[c], space[thread].get(), thread, count, pieces[c]);
    together(count);
    const Team team = team_of(thread, count, teams_for(calls, n, count), barriers);
    if (idle(team)) return;
    const Shares mine = share(calls, n, team);
    for (int64_t c = 0; c < n; ++c)
      (calls[c].tape && cell.tape ? forward_rows<true> : forward_rows<false>)(
          calls[c], packed[c].get(), {calls[c], mine[c], taken[c], team}, work[team.number], team);
  });
}

// Back through time. Without a tape, each step is computed once more just before its gradient.
template <bool AGAIN>
void backward_rows(const Call& a, const Operand* packed, const Operand* packed_forward, Turn turn, const Work& work,
                   const Team& team) {
  constexpr int BACK = 2;
  const int F = cell.fields;
  auto kept = [&](int home, int k, int64_t t) { return work.kept(home, k, t); };
  auto to_final = [&](int64_t s, int k) { return a.to_final[k] ? a.to_final[k] + s * cell.widths[k] : a.zeros; };
  Addresses<const T*> in(3 + 3 * F);
  Addresses<T*> out(BACK + F + 1 + cell.taps), again(F + 1);
  Fetching fetching(a, team, 2 * cell.gates + cell.hidden_gates + state_width() + cell.widths[0] + cell.tape, F + 5);
  auto step = [&](const Slot* slots, int count) {
    const In phase(UPDATE);
    fetching.start();
    for (int r = 0; r < count; ++r) {
      const auto [s, done, home] = slots[r];
      const int64_t t = a.offsets[s + 1] - a.offsets[s] - 1 - done, row = row_of(a, s, t);
      in[0][r] = a.from_input ? a.from_input + row * cell.gates_apart : nullptr;
      for (int k = 0; k < F; ++k) {
        in[1 + k][r] = before(a, s, t, k);
        in[1 + F + k][r] = a.fields[k] + row * stride_of(a, k);
        in[3 + 2 * F + k][r] = done == 0 ? to_final(s, k) : kept(home, k, done - 1);
        out[BACK + k][r] = t == 0 && a.to_initial[k] ? a.to_initial[k] + s * cell.widths[k] : kept(home, k, done);
        if (AGAIN) again[k][r] = work.unused.get() + r * state_width() + field_offset(k);
      }
      if (AGAIN) again[F][r] = work.tape.get() + r * cell.tape;
      in[1 + 2 * F][r] = AGAIN ? again[F][r] : a.tape + row * cell.tape;
      in[2 + 2 * F][r] = a.given + row * a.given_stride;
      out[0][r] = a.to_input + row * cell.gates_apart;
      out[1][r] = a.to_hidden + row * cell.hidden_apart;
      out[BACK + F][r] = a.sums + s * cell.sums;
      for (int i = 0; i < cell.taps; ++i) out[BACK + F + 1 + i][r] = a.taps[i] + row * cell.tap_widths[i];
      if (fetching && t > 0) {
        const int64_t next = row_of(a, s, t - 1);
        if (!AGAIN) fetching.add(a.tape + next * cell.tape, cell.tape);
        if (a.from_input) fetching.add(a.from_input + next * cell.gates_apart, cell.gates);
        if (a.given_stride) fetching.add(a.given + next * a.given_stride, cell.widths[0]);
        for (int k = 0; k < F; ++k) fetching.add(before(a, s, t - 1, k), cell.widths[k]);
        fetching.add(a.to_input + next * cell.gates_apart, cell.gates);
        if (a.to_hidden != a.to_input) fetching.add(a.to_hidden + next * cell.hidden_apart, cell.hidden_gates);
      }
    }
    if (AGAIN) cell.forward_taped(packed_forward, a.parameters, in.data(), again.data(), count, work.scratch.get(), team);
    cell.backward(packed, a.parameters, in.data(), out.data(), count, work.scratch.get(), fetching.with(team));
  };
  through(a, turn, step, [&](int64_t s) {
    for (int k = 0; k < F && team.place == 0; ++k)
      if (a.to_initial[k]) copy(a.to_initial[k] + s * cell.widths[k], to_final(s, k), cell.widths[k]);
  });
}

// The gradients of weights and inputs, each one product over all steps.
struct WeightsBack {
  std::vector<const T*> hidden, x;  // where the rows lie
  Space<Operand> packed;
  explicit WeightsBack(const Call& a) : hidden(a.total), x(a.x ? a.total : 0), packed(operands_for(through_x(a) ? packed_size(cell.gates, a.input, 4) : 0)) {
    for (int64_t s = 0; s < a.batch; ++s)
      for (int64_t t = 0; t < a.offsets[s + 1] - a.offsets[s]; ++t) hidden[row_of(a, s, t)] = before(a, s, t, 0);
    for (size_t i = 0; i < x.size(); ++i) x[i] = a.x + i * a.input;
  }
  static bool through_x(const Call& a) { return a.to_x && a.x; }
  static int64_t space(int64_t input) {
    const int64_t columns = std::max<int64_t>(input, cell.widths[0]);
    return std::max(gradient_space(std::max(cell.gates, cell.hidden_gates), columns), linear_space(cell.gates));
  }
  void pack_weight(const Call& a, int thread, int threads) const {
    if (through_x(a)) pack(packed.get(), a.weight_input, cell.gates, a.input, a.input, 1, 4, 1, 0, thread, threads);
  }
  void of_inputs(const Call& a, Operand* space, int thread, int threads, Rows& pieces) const {
    if (through_x(a))
      (a.adds ? linear<true> : linear<false>)(a.to_x, a.input, a.to_input, cell.gates_apart, packed.get(), nullptr, a.total,
                                              cell.gates, a.input, space, thread, threads, &pieces);
  }
  void of_weights(const Call& a, Operand* space, int thread, int threads) const {
    auto one = [&](T* weight, T* bias, const T* g, int64_t apart, int64_t gates, const T* const* rows, int64_t columns) {
      if (weight)
        weight_gradient(weight, bias, g, apart, gates, rows, columns, a.total, space, thread, threads);
      else if (bias)
        column_sums(bias, g, apart, a.total, gates, thread, threads);
    };
    one(a.to_weight_input, a.to_bias_input, a.to_input, cell.gates_apart, cell.gates, x.data(), a.input);
    one(a.to_weight_hidden, same_biases(a) ? nullptr : a.to_bias_hidden, a.to_hidden, cell.hidden_apart,
        cell.hidden_gates, hidden.data(), cell.widths[0]);
  }
  static bool same_biases(const Call& a) { return a.to_bias_input && a.to_bias_hidden && a.to_input == a.to_hidden; }
  // The gradients of vectors that the update itself applies.
  void clear_vectors(const Call& a, int thread, int threads) const {
    const int64_t count = a.batch * cell.sums;
    std::fill(a.sums + count * thread / threads, a.sums + count * (thread + 1) / threads, T(0));
  }
  void of_vectors(const Call& a, int thread, int threads) const {
    for (int64_t i = 0; i < cell.vectors; ++i)
      if (a.to_vectors[i])
        column_sums(a.to_vectors[i], a.sums + cell.vector_at[i], cell.sums, a.batch, cell.vector_widths[i], thread, threads);
  }
  void finish(const Call& a) const {
    if (same_biases(a)) copy(a.to_bias_hidden, a.to_bias_input, cell.gates);
  }
};

inline void backward(const Call* calls, int64_t n) {
  const int64_t threads = calls[0].threads;
  const bool again = cell.tape && !calls[0].tape;
  std::vector<Projection> projections;
  std::vector<WeightsBack> weights;
  std::vector<Space<Operand>> packed, packed_forward;
  for (int64_t c = 0; c < n; ++c) {
    if (again) projections.emplace_back(calls[c]);
    weights.emplace_back(calls[c]);
    packed.push_back(operands_for(cell.backward_packed));
    packed_forward.push_back(operands_for(again ? cell.forward_packed : 0));
  }
  const int64_t widest = widest_input(calls, n);
  const auto space = spaces(threads, std::max(linear_space(widest), WeightsBack::space(widest)));
  const auto work = works(threads, again);
  std::vector<Barrier> barriers(threads);
  std::vector<Rows> pieces(n), again_pieces(n);
  std::vector<std::atomic<int64_t>> taken(n);
  in_parallel(threads, [&](int thread, int count) {
    const In phase(REST);
    for (int64_t c = 0; c < n; ++c) {
      weights[c].pack_weight(calls[c], thread, count);
      weights[c].clear_vectors(calls[c], thread, count);
      cell.pack_backward(packed[c].get(), calls[c].parameters, thread, count);
      if (again) cell.pack_forward(packed_forward[c].get(), calls[c].parameters, thread, count);
      if (again) projections[c].pack_weight(calls[c], thread, count);
    }
    together(count);
    for (int64_t c = 0; c < n && again; ++c)
      projections[c].rows(calls[c], space[thread].get(), thread, count, again_pieces[c]);
    if (again) together(count);
    const Team team = team_of(thread, count, teams_for(calls, n, count), barriers);
    if (!idle(team)) {
      const Shares mine = share(calls, n, team);
      for (int64_t c = 0; c < n; ++c)
        (again ? backward_rows<true> : backward_rows<false>)(
            calls[c], packed[c].get(), packed_forward[c].get(), {calls[c], mine[c], taken[c], team}, work[team.number], team);
    }
    together(count);
    for (int64_t c = 0; c < n; ++c) {
      weights[c].of_vectors(calls[c], thread, count);
      weights[c].of_weights(calls[c], space[thread].get(), thread, count);
    }
    for (int64_t c = 0; c < n; ++c) {
      if (calls[c].adds) together(count);  // to what the call before has written
      weights[c].of_inputs(calls[c], space[thread].get(), thread, count, pieces[c]);
    }
  });
  for (int64_t c = 0; c < n; ++c) weights[c].finish(calls[c]);
}

// Single steps: weights packed once, then any number of steps of `batch` rows, from `initial` to `final`.
inline void pack_for_steps(const Told& a) {
  pack(a.packed_input, a.weight_input, a.input, cell.gates, 1, a.input, 4, 1, 0, 0, 1);
  cell.pack_forward(a.packed, a.parameters, 0, 1);
}
inline void step(const Told& a) {
  constexpr int64_t TILE = tile_rows(4);
  const int64_t F = cell.fields, tiles = (a.batch + TILE - 1) / TILE, teams = (tiles + 1) / 2;
  const bool worth = cell.forward_packed >= WORTH_A_TEAM;
  const int64_t threads = worth ? a.threads : std::min(a.threads, teams);
  const auto space = spaces(threads, linear_space(a.input));
  const auto scratch = works(threads, false);
  std::vector<Barrier> barriers(threads);
  in_parallel(threads, [&](int thread, int count) {
    linear<false>(a.from_input, cell.gates, a.x, a.input, a.packed_input, a.bias_input, a.batch, a.input, cell.gates,
                  space[thread].get(), thread, count);
    together(count);
    const Team team = team_of(thread, count, std::min<int64_t>(teams, count), barriers);
    if (idle(team)) return;
    Addresses<const T*> in(F + 1);
    Addresses<T*> out(F + 1);
    const int64_t first = tiles * team.number / team.teams * TILE;
    const int64_t stop = std::min(tiles * (team.number + 1) / team.teams * TILE, a.batch), R = rows_at_once(stop - first);
    for (int64_t start = first; start < stop; start += R) {
      const int rows = std::min<int64_t>(R, stop - start);
      for (int r = 0; r < rows; ++r) {
        in[0][r] = a.from_input + (start + r) * cell.gates;
        for (int k = 0; k < F; ++k) {
          in[1 + k][r] = a.initial[k] + (start + r) * cell.widths[k];
          out[k][r] = a.final[k] + (start + r) * cell.widths[k];
        }
        out[F][r] = nullptr;
      }
      cell.forward(a.packed, a.parameters, in.data(), out.data(), rows, scratch[team.number].scratch.get(), team);
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
PUBLIC int unspool_forward(const Told* told, int64_t n) { return guarded([&] { forward(Calls(told, n).all(), n); }); }
PUBLIC int unspool_backward(const Told* told, int64_t n) { return guarded([&] { backward(Calls(told, n).all(), n); }); }
// (g, n) and (x, m), both (total, …): to (n, m) += Σ g x^T, for a matrix that an update applies itself.
PUBLIC int unspool_outer(T* to, const T* g, int64_t n, const T* x, int64_t m, int64_t total, int64_t threads) {
  return guarded([&] {
    std::vector<const T*> rows(total);
    for (int64_t i = 0; i < total; ++i) rows[i] = x + i * m;
    in_parallel(threads, [&](int thread, int count) {
      Space<Operand> space = operands_for(gradient_space(n, m));
      weight_gradient(to, nullptr, g, n, n, rows.data(), m, total, space.get(), thread, count);
    });
  });
}
PUBLIC int unspool_pack(const Told* told) { return guarded([&] { pack_for_steps(*told); }); }
PUBLIC int unspool_step(const Told* told) { return guarded([&] { step(*told); }); }
PUBLIC int64_t unspool_packed_input(int64_t input) { return packed_size(input, cell.gates, 4) * sizeof(Operand); }
PUBLIC int64_t unspool_packed() { return cell.forward_packed * sizeof(Operand); }
PUBLIC int64_t unspool_size_of_call() { return sizeof(Told); }
#ifdef PHASES
// The nanoseconds of all threads in each phase since this was asked last.
PUBLIC void unspool_phases(int64_t* to) {
  for (int i = 0; i < PHASES_COUNT; ++i) to[i] = spent[i].exchange(0);
}
#endif
}
