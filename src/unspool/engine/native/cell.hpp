// What a cell's code, which emit.py writes, is made of, and what the loop over time knows of it. What is declared here is
// compiled once for all cells: products.hpp, teams.hpp and recurrence.cpp.

#pragma once
#include "operands.hpp"
#include "teams.hpp"

// The rows of one step times one panel: sums (rows, C V). K counts operands, here and wherever there is a panel. Meanwhile
// what lies `ahead` is fetched, unless that is null.
template <int C>
void step_product(T* sums, const Operand* const* x, int rows, const Operand* panel, int64_t K, Ahead* ahead);

// One column block into panels. Element (k, column) is at source[k along_k + column along_column]. The panel's C
// vectors are `blocks` maps side by side (gates), of which this is number `block`.
void pack(Operand* packed, const T* source, int64_t K, int64_t columns, int64_t along_k, int64_t along_column, int C,
          int blocks, int block, int thread, int threads);

// One step of so many rows. `in` and `out` hold, by source and destination, the address of each of Cell::rows rows.
using Step = void(const Operand* packed, const T* const* parameters, const T* const* in, T* const* out, int rows,
                  T* scratch, const Team& team);
using Pack = void(Operand* packed, const T* const* parameters, int thread, int threads);

struct Cell {
  int64_t rows;  // sequences that a thread steps at once, at most
  int64_t fields, gates, hidden_gates;
  int64_t gates_apart, hidden_apart;  // from one row of them to the next
  int64_t tape, sums, taps;  // numbers that a step keeps, that a sequence adds up; rows that a step leaves for products
  int64_t scratch;           // numbers that a step works in
  int64_t forward_packed, backward_packed;  // operands
  const int64_t *widths, *tap_widths;       // by field, by tap
  int64_t vectors;                          // of the update
  const int64_t *vector_at, *vector_widths;  // where each lies among what a sequence adds up
  Step *forward, *forward_taped, *backward;
  Pack *pack_forward, *pack_backward;
};
extern const Cell cell;
