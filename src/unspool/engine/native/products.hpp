// Products with packed weights, and gradients of weights: one micro-kernel under all of them.
//
// A weight is packed into panels of C vectors, in slices of W: element (k, column) of slice s lies at ((s K + k) W V +
// column). The kernel keeps M rows by W vectors of sums in registers and goes once along k, in order: a row's sums do not
// depend on the rows beside it.

#pragma once
#include <algorithm>
#include <atomic>
#include <utility>

#ifdef HALVES
#include <immintrin.h>
#endif

#include "cell.hpp"
#include "phases.hpp"

// Operands in registers.
#ifdef HALVES
typedef Operand operands __attribute__((vector_size(BYTES)));
typedef Operand operands_anywhere __attribute__((vector_size(BYTES), aligned(4), may_alias));
INLINE operands load(const Operand* p) { return *reinterpret_cast<const operands_anywhere*>(p); }
INLINE operands spread(Operand x) { return x - operands{}; }
INLINE void add_product(vec& sum, operands x, operands w) {
  sum = (vec)_mm512_dpbf16_ps((__m512)sum, (__m512bh)x, (__m512bh)w);
}
INLINE Operand rounded(T x) {  // to nearest even, in the upper half; a NaN stays one
  Operand bits;
  std::memcpy(&bits, &x, 4);
  return x != x ? bits | 0x00400000u : bits + 0x7fffu + ((bits >> 16) & 1u);
}
INLINE Operand paired(T first, T second) { return rounded(first) >> 16 | (rounded(second) & 0xffff0000u); }
// A vector of operands from a row, here and where operands are numbers.
INLINE __m512bh operands_from(const T* x) { return _mm512_cvtne2ps_pbh(_mm512_loadu_ps(x + 16), _mm512_loadu_ps(x)); }
const Operand* operands_of(const T* x, int64_t K, Operand* space) {
  int64_t k = 0;
  for (; k + 32 <= K; k += 32) {
    const __m512bh both = operands_from(x + k);
    std::memcpy(space + k / 2, &both, sizeof both);
  }
  for (; k + 1 < K; k += 2) space[k / 2] = paired(x[k], x[k + 1]);
  if (k < K) space[k / 2] = paired(x[k], 0);
  return space;
}
// Two rows as one row of operands.
INLINE void operands_of(const T* one, const T* next, int64_t count, Operand* to) {
  int64_t i = 0;
  for (; i + V <= count; i += V) {
    const __m256bh low = _mm512_cvtneps_pbh(_mm512_loadu_ps(one + i)), high = _mm512_cvtneps_pbh(_mm512_loadu_ps(next + i));
    const __m512i wide = _mm512_slli_epi32(_mm512_cvtepu16_epi32((__m256i)high), 16);
    _mm512_storeu_si512(to + i, _mm512_or_si512(_mm512_cvtepu16_epi32((__m256i)low), wide));
  }
  for (; i < count; ++i) to[i] = paired(one[i], next[i]);
}
#else
INLINE vec spread(T x) { return splat(x); }
INLINE vec operands_from(const T* x) { return load(x); }
INLINE void add_product(vec& sum, vec x, vec w) { sum += x * w; }
#endif

#ifndef AHEAD
#define AHEAD 8  // lines of a far panel between what is fetched and what is multiplied; 0 to fetch nothing ahead
#endif
constexpr int64_t NEAR = 32768;  // bytes of a slice that the nearest cache keeps from one tile to the next

// Of 32 registers, 24 hold sums; of 16, 12: a slice's line and a number of x take the others. Where registers are few, a
// panel of 4 vectors is two slices: their lines are those of a cache, and lie one after another, or they would fill only
// half of its sets.
#ifndef REGISTERS
#if defined(__AVX512F__) || defined(__aarch64__)
#define REGISTERS 32
#else
#define REGISTERS 16
#endif
#endif
constexpr int SUMS = REGISTERS * 3 / 4;
constexpr int LINES = 48 / SUMS;  // along k in one turn of the loop, whose own cost then counts for little
template <int N> using Int = std::integral_constant<int, N>;
constexpr int slice(int C) { return C == 4 && SUMS < 24 ? 2 : C; }  // vectors of a slice
constexpr int tile_rows(int C) { return C < 3 ? 12 / C : SUMS / slice(C); }
constexpr int FEW = SUMS / 4;  // rows whose sums of a whole panel fill the registers: of slices, they would wait for sums

// x in a register, where these are few: a compiler may else read it from memory for each product.
template <class X> INLINE X held(X x) {
#if defined(__x86_64__) && REGISTERS == 16
  asm("" : "+x"(x));
#endif
  return x;
}

// Where a panel's vector c lies, in slices of W.
template <int W> INLINE int64_t place(int c, int64_t K) { return (c / W * K * W + c % W) * V; }

struct RowsAt {  // rows anywhere in memory
  const Operand* const* x;
  Ahead* ahead;
  INLINE Operand operator()(int m, int64_t k) const { return x[m][k]; }
};
constexpr int PER_PIECE = 8;  // along k, for each piece of what is fetched ahead

// sums[m][c] = Σ_k a(m, k) panel[k][c], (M, C V) with rows `stride` apart, for C vectors of a panel, in slices of W. One that
// is FAR is fetched ahead of its use.
template <int M, int C, int W, bool ADD, bool FAR, class A>
INLINE void tile(T* __restrict sums, int64_t stride, A a, const Operand* __restrict panel, int64_t K) {
  vec s[M][C];
#pragma GCC unroll 16
  for (int m = 0; m < M; ++m)
#pragma GCC unroll 16
    for (int c = 0; c < C; ++c) s[m][c] = ADD ? load(sums + m * stride + c * V) : vec{};
  auto line = [&](int64_t k) __attribute__((always_inline)) {
    if constexpr (FAR)
#pragma GCC unroll 16
      for (int c = 0; c < C; ++c) __builtin_prefetch(panel + AHEAD * W * V + place<W>(c, K));
    if constexpr (M < C) {
      decltype(spread(a(0, k))) x[M];
#pragma GCC unroll 16
      for (int m = 0; m < M; ++m) x[m] = held(spread(a(m, k)));
#pragma GCC unroll 16
      for (int c = 0; c < C; ++c) {
        const auto b = held(load(panel + place<W>(c, K)));
#pragma GCC unroll 16
        for (int m = 0; m < M; ++m) add_product(s[m][c], x[m], b);
      }
    } else {
      decltype(load(panel)) b[C];
#pragma GCC unroll 16
      for (int c = 0; c < C; ++c) b[c] = held(load(panel + place<W>(c, K)));
#pragma GCC unroll 16
      for (int m = 0; m < M; ++m) {
        const auto x = spread(a(m, k));
#pragma GCC unroll 16
        for (int c = 0; c < C; ++c) add_product(s[m][c], x, b[c]);
      }
    }
    panel += W * V;
  };
  int64_t k = 0;
  if constexpr (std::is_same_v<A, RowsAt>)
    if (a.ahead)
      for (const char* piece; k + PER_PIECE <= K && (piece = a.ahead->take()); k += PER_PIECE) {
#pragma GCC unroll 16
        for (int i = 0; i < PIECE; i += LINE) __builtin_prefetch(piece + i);
#pragma GCC unroll LINES
        for (int i = 0; i < PER_PIECE; ++i) line(k + i);
      }
#pragma GCC unroll LINES
  for (; k < K; ++k) line(k);
#pragma GCC unroll 16
  for (int m = 0; m < M; ++m)
#pragma GCC unroll 16
    for (int c = 0; c < C; ++c) store(sums + m * stride + c * V, s[m][c]);
}

template <int M, int C, int W, bool ADD, bool FAR = false, class A>
__attribute__((noinline)) void tile_of(T* sums, int64_t stride, A a, const Operand* panel, int64_t K) {
  tile<M, C, W, ADD, FAR>(sums, stride, a, panel, K);
}

// A tile of up to M rows by C vectors of a panel.
template <int M, int C, int W, bool ADD, class A>
INLINE void tile_upto(int rows, T* sums, int64_t stride, A a, const Operand* panel, int64_t K) {
  if constexpr (M > 1)
    if (rows < M) return tile_upto<M - 1, C, W, ADD>(rows, sums, stride, a, panel, K);
  if constexpr (M == tile_rows(W))
    if (AHEAD && K * W * BYTES > NEAR) return tile_of<M, C, W, ADD, true>(sums, stride, a, panel, K);
  tile_of<M, C, W, ADD>(sums, stride, a, panel, K);
}

struct RowsApart {  // rows of a matrix
  const Operand* x;
  int64_t stride;
  INLINE Operand operator()(int m, int64_t k) const { return x[m * stride + k]; }
  INLINE RowsApart from(int64_t row) const { return {x + row * stride, stride}; }
};
struct Across {  // as many columns of a matrix as a tile has rows, copied beside each other
  const Operand* x;
  INLINE Operand operator()(int m, int64_t k) const { return x[k * tile_rows(4) + m]; }
};

template <int C>
void step_product(T* sums, const Operand* const* x, int rows, const Operand* panel, int64_t K, Ahead* ahead) {
  const In phase(PRODUCTS);
  constexpr int M = tile_rows(C), W = slice(C);
  int sliced = rows;
  if constexpr (W < C)
    if (const int last = rows % M; last <= FEW) sliced -= last;
  for (int c = 0; c < C; c += W)
    for (int r = 0; r < sliced; r += M)
      tile_upto<M, W, W, false>(sliced - r, sums + (r * C + c) * V, C * V, RowsAt{x + r, ahead}, panel + c * K * V, K);
  if constexpr (W < C)
    if (sliced < rows)
      tile_upto<FEW, C, W, false>(rows - sliced, sums + sliced * C * V, C * V, RowsAt{x + sliced, ahead}, panel, K);
}

#ifdef __GNUC__
#define TURNS
#ifdef __clang__
#define CHOSEN(x, y, ...) __builtin_shufflevector(x, y, __VA_ARGS__)
#else
#define CHOSEN(x, y, ...) __builtin_shuffle(x, y, ivec{__VA_ARGS__})
#endif
// Rows and columns of a square of numbers exchanged, one bit of their places after the other. What goes where is written as
// constants, for which there are instructions.
template <int BIT, Bits... LANE> INLINE void exchange(vec& x, vec& y, std::integer_sequence<Bits, LANE...>) {
  const vec first = CHOSEN(x, y, (LANE & BIT ? V + LANE - BIT : LANE)...);
  y = CHOSEN(x, y, (LANE & BIT ? V + LANE : LANE + BIT)...);
  x = first;
}
#undef CHOSEN
template <int BIT = 1> INLINE void turn(vec (&rows)[V]) {
  if constexpr (BIT < V) {
#pragma GCC unroll 16
    for (int i = 0; i < V; ++i)
      if (!(i & BIT)) exchange<BIT>(rows[i], rows[i | BIT], std::make_integer_sequence<Bits, V>{});
    turn<2 * BIT>(rows);
  }
}
#endif

void pack(Operand* packed, const T* source, int64_t K, int64_t columns, int64_t along_k, int64_t along_column, int C,
          int blocks, int block, int thread, int threads) {
  const In phase(PACKING);
  const int vectors = C / blocks, W = slice(C);  // of each map in a panel; of a slice
  const int64_t panels = (columns + vectors * V - 1) / (vectors * V);
  for (int64_t p = panels * thread / threads; p < panels * (thread + 1) / threads; ++p)
    for (int v = 0; v < vectors; ++v) {
      const int64_t first = (p * vectors + v) * V, n = std::clamp<int64_t>(columns - first, 0, V);
      const int c = v * blocks + block;
      Operand* to = packed + (p * C + c / W * W) * deep(K) * V + c % W * V;
      const T* from = source + first * along_column;
      if (n < V)
        for (int64_t k = 0; k < deep(K); ++k)
          for (int i = n; i < V; ++i) to[k * W * V + i] = 0;
      auto operand = [&](int64_t k, int i) {
        const T* one = from + DEEP * k * along_k + i * along_column;
#ifdef HALVES
        return paired(*one, 2 * k + 1 < K ? one[along_k] : T(0));
#else
        return *one;
#endif
      };
      // In squares, so that both what is read and what is written stays at hand.
      for (int64_t start = 0; start < deep(K); start += V) {
        const int64_t stop = std::min<int64_t>(start + V, deep(K));
#ifdef TURNS
        if (along_k == 1 && n == V && stop - start == V && DEEP * stop <= K) {
          vec square[V];
#pragma GCC unroll 16
          for (int i = 0; i < V; ++i) {
            const T* row = from + DEEP * start + i * along_column;
            const auto line = operands_from(row);
            std::memcpy(&square[i], &line, BYTES);
            for (int d = 0; d < DEEP; ++d)  // of the next V columns, which lie far
              __builtin_prefetch(row + V * along_column + d * V);
          }
          turn(square);
#pragma GCC unroll 16
          for (int i = 0; i < V; ++i) std::memcpy(to + (start + i) * W * V, &square[i], BYTES);
          continue;
        }
#endif
#ifdef HALVES
        if (along_column == 1 && n == V && DEEP * stop <= K) {
          for (int64_t k = start; k < stop; ++k)
            operands_of(from + DEEP * k * along_k, from + (DEEP * k + 1) * along_k, V, to + k * W * V);
          continue;
        }
#endif
        if (along_column == 1)
          for (int64_t k = start; k < stop; ++k)
            for (int i = 0; i < n; ++i) to[k * W * V + i] = operand(k, i);
        else
          for (int i = 0; i < n; ++i)
            for (int64_t k = start; k < stop; ++k) to[k * W * V + i] = operand(k, i);
      }
    }
}

constexpr int64_t WITHIN_CACHES = int64_t{1} << 22;  // bytes of packed weights that are read again from a cache

// Numbers of working space that a thread needs for `linear`.
INLINE constexpr int64_t linear_space(int64_t K) { return DEEP == 1 ? 0 : 8 * tile_rows(4) * deep(K); }

// Rows that threads take as they come to need more, so that none waits for one whose core is slow at the moment: pieces
// that get smaller towards the end.
class Rows {
  std::atomic<int64_t> taken{0};

 public:
  bool take(int64_t rows, int64_t unit, int threads, int64_t& first, int64_t& last) {
    first = taken.load(std::memory_order_relaxed);
    do {
      if (first >= rows) return false;
      const int64_t piece = (rows - first) / (2 * threads) / unit * unit;
      last = std::min(first + std::max(piece, 8 * unit), rows);
    } while (!taken.compare_exchange_weak(first, last, std::memory_order_relaxed));
    return true;
  }
};

// y = x w (+ bias), or y += with ADD, for C vectors of columns of one panel, or as many columns as there still are.
template <int M, int C, bool ADD>
void linear_slice(T* y, int64_t y_stride, RowsApart x, const Operand* panel, const T* bias, int64_t rows, int64_t K,
                  int64_t columns) {
  if (columns <= 0) return;
  alignas(64) T sums[M * C * V];
  for (int64_t r = 0; r < rows; r += M) {
    const int m = rows - r < M ? rows - r : M;
    tile_upto<M, C, slice(4), false>(m, sums, C * V, x.from(r), panel, K);
    for (int i = 0; i < m; ++i) {
      T* to = y + (r + i) * y_stride;
      const T* from = sums + i * C * V;
      const T* more = ADD ? to : bias;
      if (columns >= C * V && more)
        for (int c = 0; c < C; ++c) store(to + c * V, load(from + c * V) + load(more + c * V));
      else if (columns >= C * V)
        for (int c = 0; c < C; ++c) store(to + c * V, load(from + c * V));
      else
        for (int c = 0; c < columns; ++c) to[c] = from[c] + (more ? more[c] : T(0));
    }
  }
}

// y = x w (+ bias), or y += with ADD: x (rows, K), w packed in panels of 4 vectors, y (rows, columns). Threads share the
// rows, in pieces where they have `pieces`, or the panels where rows are few.
template <bool ADD>
void linear(T* y, int64_t y_stride, const T* x, int64_t x_stride, const Operand* packed, const T* bias, int64_t rows,
            int64_t K, int64_t columns, Operand* space, int thread, int threads, Rows* pieces = nullptr) {
  const In phase(PRODUCTS);
  constexpr int C = 4, M = tile_rows(C), W = slice(C);
  const int64_t tiles = (rows + M - 1) / M, panels = (columns + C * V - 1) / (C * V);
  const bool few = tiles < threads;
  if (pieces && threads > 1 && !few) {
    for (int64_t first, last; pieces->take(rows, M, threads, first, last);)
      linear<ADD>(y + first * y_stride, y_stride, x + first * x_stride, x_stride, packed, bias, last - first, K, columns,
                  space, 0, 1);
    return;
  }
  const int64_t first = few ? 0 : tiles * thread / threads * M;
  const int64_t last = few ? rows : std::min<int64_t>(tiles * (thread + 1) / threads * M, rows);
  const int64_t first_panel = few ? panels * thread / threads : 0, last_panel = few ? panels * (thread + 1) / threads : panels;
  // Rows at once: what many read and write would be gone from the nearest caches when the next panel asks for it. But for
  // each such block packed weights are read once more: blocks are larger where products are faster than what they read, and
  // where weights lie in no cache.
  constexpr int64_t FEW_ROWS = (REGISTERS == 16 ? 2 : 8) * M, MANY_ROWS = (DEEP == 1 ? 16 : 8) * M;
  const int64_t block = deep(K) * columns * int64_t{sizeof(Operand)} <= WITHIN_CACHES ? FEW_ROWS : MANY_ROWS;
  for (int64_t start = first; start < last; start += block) {
    const int64_t stop = std::min(start + block, last), stride = DEEP == 1 ? x_stride : deep(K);
    const Operand* begin = operands_of(x + start * x_stride, K, space);
    for (int64_t r = start + 1; DEEP > 1 && r < stop; ++r)
      operands_of(x + r * x_stride, K, space + (r - start) * stride);
    const RowsApart left{begin, stride};
    for (int64_t p = first_panel; p < last_panel; ++p) {
      const Operand* panel = packed + p * deep(K) * C * V;
      auto columns_from = [&](int c, auto tile_rows, auto width) {
        const int64_t at = p * C * V + c * V;
        linear_slice<tile_rows, width, ADD>(y + start * y_stride + at, y_stride, left, panel + c * deep(K) * V,
                                            bias ? bias + at : nullptr, stop - start, deep(K), columns - at);
      };
      if (W < C && stop - start <= FEW)
        columns_from(0, Int<FEW>{}, Int<C>{});
      else
        for (int c = 0; c < C; c += W) columns_from(c, Int<M>{}, Int<W>{});
    }
  }
}

constexpr int ROWS_AHEAD = 12;  // between a row that is fetched and the one that is read, where rows lie far apart

// sums += the columns of g over all rows, row after row.
inline void add_rows(T* sums, const T* g, int64_t g_stride, int64_t rows, int64_t columns) {
  auto add = [&](int64_t c, auto vectors) {
    constexpr int C = vectors;
    vec s[C];
    for (int i = 0; i < C; ++i) s[i] = load(sums + c + i * V);
    for (int64_t r = 0; r < rows; ++r)
      for (int i = 0; i < C; ++i) {
        __builtin_prefetch(g + (r + ROWS_AHEAD) * g_stride + c + i * V);
        s[i] += load(g + r * g_stride + c + i * V);
      }
    for (int i = 0; i < C; ++i) store(sums + c + i * V, s[i]);
  };
  int64_t c = 0;
  for (; c + 3 * V <= columns; c += 3 * V) add(c, Int<3>{});
  for (; c + V <= columns; c += V) add(c, Int<1>{});
  for (int64_t r = 0; r < rows && c < columns; ++r)
    for (int64_t i = c; i < columns; ++i) sums[i] += g[r * g_stride + i];
}
inline void column_sums(T* sums, const T* g, int64_t g_stride, int64_t rows, int64_t columns, int thread, int threads) {
  const int64_t first = columns * thread / threads, count = columns * (thread + 1) / threads - first;
  std::fill_n(sums + first, count, T(0));
  add_rows(sums + first, g + first, g_stride, rows, count);
}

// Rows at once, so that a panel of x and a tile of g stay in the nearest caches.
constexpr int64_t DEPTH = REGISTERS == 16 ? 256 : 384;
constexpr int64_t TILES = 8;    // of g, copied at once: its rows lie far apart, and what is fetched of one is used
INLINE constexpr int64_t gradient_space(int64_t M, int64_t N) {
  return DEPTH * ((N + 4 * V - 1) / (4 * V) * 4 * V + TILES * tile_rows(4)) + (DEEP > 1 ? DEPTH / DEEP * M : 0);
}

// A row of operands from one row of numbers, or two: `count` of them, zeros up to `width`.
INLINE void lay(Operand* to, const T* one, const T* next, int64_t count, int64_t width) {
#ifdef HALVES
  if (next)
    operands_of(one, next, count, to);
  else
    for (int64_t i = 0; i < count; ++i) to[i] = paired(one[i], 0);
#else
  std::memcpy(to, one, count * sizeof(T));
#endif
  for (int64_t i = count; i < width; ++i) to[i] = 0;
}

// w = g^T x over all rows: g (rows, M), x (rows, N) by pointers to its rows, w (M, N); and the sums of g's columns, unless
// `sums` is null. Rows are added in their order, whoever computes which part of w. `space` holds gradient_space(M, N) operands
// for each thread.
inline void weight_gradient(T* w, T* sums, const T* g, int64_t g_stride, int64_t M, const T* const* x, int64_t N, int64_t rows,
                            Operand* space, int thread, int threads) {
  const In phase(LAYING);
  constexpr int R = tile_rows(4), W = slice(4), WHOLE = 8;  // copied by one instruction
  static_assert(R <= WHOLE && WHOLE <= 2 * R);
  const int64_t tiles = (M + R - 1) / R, first = tiles * thread / threads * R;
  const int64_t last = std::min<int64_t>(tiles * (thread + 1) / threads * R, M);
  const int64_t panels = (N + W * V - 1) / (W * V);
  Operand *packed = space, *beside = packed + DEPTH * panels * W * V;
  alignas(64) T tile[R * W * V];
  if (first >= last) return;
  std::fill_n(w + first * N, (last - first) * N, T(0));
  if (sums) std::fill_n(sums + first, last - first, T(0));
  for (int64_t start = 0; start < rows; start += DEPTH) {
    const int64_t count = rows - start < DEPTH ? rows - start : DEPTH, K = deep(count);
    auto next = [&](int64_t k) { return DEEP > 1 && DEEP * k + 1 < count; };
    for (int64_t k = 0; k < K; ++k) {
      const T *const *row = x + start + DEEP * k, *later = row[k + ROWS_AHEAD < K ? DEEP * ROWS_AHEAD : 0];
      for (int64_t p = 0, column = 0; p < panels; ++p, column += W * V) {
        Operand* to = packed + (p * K + k) * W * V;
        const T* after = next(k) ? row[1] + column : nullptr;
        for (int i = 0; i < W * V; i += LINE / int{sizeof(T)}) __builtin_prefetch(later + column + i);
        if (column + W * V <= N)
          lay(to, row[0] + column, after, W * V, W * V);
        else
          lay(to, row[0] + column, after, N - column, W * V);
      }
    }
#ifdef HALVES
    Operand* halves = beside + TILES * R * DEPTH;
    for (int64_t k = 0; k < K; ++k) {
      const T *row = g + (start + DEEP * k) * g_stride + first, *after = next(k) ? row + g_stride : nullptr;
      lay(halves + k * (last - first), row, after, last - first, last - first);
    }
    const Operand* left = halves - first;
    const int64_t left_stride = last - first;
#else
    const Operand* left = g + start * g_stride;
    const int64_t left_stride = g_stride;
#endif
    for (int64_t group = first; group < last; group += TILES * R) {
      const int64_t stop = std::min(group + TILES * R, last);
      if (sums) add_rows(sums + group, g + start * g_stride + group, g_stride, count, stop - group);
      for (int64_t k = 0; k < K; ++k) {
        const Operand* from = left + k * left_stride + group;
        Operand* to = beside + k * R;
        for (int i = 0; i < TILES * R; i += LINE / int{sizeof(Operand)})
          __builtin_prefetch(from + ROWS_AHEAD * left_stride + i);
        int64_t m = group;
        if (m + TILES * R == stop && k + 1 < K) {  // what is too much of each is of the next row, which comes after it
#pragma GCC unroll 16
          for (int i = 0; i < TILES; ++i) std::memcpy(to + i * K * R, from + i * R, WHOLE * sizeof(Operand));
          continue;
        }
        for (; m + R <= stop; m += R, from += R, to += K * R) std::memcpy(to, from, R * sizeof(Operand));
        if (m < stop) std::memcpy(to, from, (stop - m) * sizeof(Operand));
      }
      const In products(PRODUCTS);
      for (int64_t column = 0; column < N; column += W * V) {
        const int n = N - column < W * V ? N - column : W * V;
        const Operand* panel = packed + column * K;
        for (int64_t m = group; m < stop; m += R) {
          const int rows = stop - m < R ? stop - m : R;
          const Across a{beside + (m - group) * K};
          T* to = w + m * N + column;
          if (n == W * V) {
            tile_upto<R, W, W, true>(rows, to, N, a, panel, K);
            continue;
          }
          for (int i = 0; i < rows; ++i)
            for (int c = 0; c < W * V; ++c) tile[i * W * V + c] = c < n ? to[i * N + c] : T(0);
          tile_upto<R, W, W, true>(rows, tile, W * V, a, panel, K);
          for (int i = 0; i < rows; ++i) std::memcpy(to + i * N, tile + i * W * V, n * sizeof(T));
        }
      }
    }
  }
}
