"""The C++ of one function of a cell: a step, or its vector–Jacobian product, loop after loop."""

from __future__ import annotations

from dataclasses import dataclass, field

from unspool.engine.graph import Matrix, Node
from unspool.engine.native.body import JOIN, Body
from unspool.engine.plan import Loop, Place, Plan

_START = {"sum": "splat(0)", "max": "splat(-std::numeric_limits<T>::infinity())"}  # of a reduction


@dataclass
class _Group:
    """Linear maps of one row, computed together: their panels lie side by side."""

    loop: int
    x: Node
    maps: list[Node]
    offset: str = ""  # of its packed weights among those of the step

    @property
    def vectors(self) -> int:
        """Of each map in a panel."""
        return {1: 4, 2: 2}.get(len(self.maps), 1)

    @property
    def panel(self) -> int:
        """Vectors in a panel."""
        return self.vectors * len(self.maps)


@dataclass
class Function:
    """One of a cell's two functions, forward and backward."""

    name: str
    plan: Plan
    sources: list[str]
    destinations: list[str]
    parameters: list[str]
    shapes: dict[str, tuple[int, ...]]
    rows: int
    scratch: int = 0
    groups: list[_Group] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._kept: dict[str, int] = {}
        for name, width in self.plan.kept.items():
            self._kept[name] = self.scratch
            self.scratch += self.rows * self._padded(width)
        self._reduced: dict[Node, int] = {}
        for loop in self.plan.loops:
            for node in loop.reductions:
                self._reduced[node] = len(self._reduced)
        self._contributions: dict[Node, int] = {}
        for index, loop in enumerate(self.plan.loops):
            self._group(index, loop)
            for node in loop.reductions:
                self._contributions[node] = self.scratch
                self.scratch += self.rows * self._padded(loop.width)

    def _padded(self, width: int) -> int:
        return -(-width // 16) * 16

    def _group(self, index: int, loop: Loop) -> None:
        alike: dict[Node, list[Node]] = {}
        for node in loop.products:
            alike.setdefault(node.args[0], []).append(node)
        for x, maps in alike.items():
            while maps:
                # Five maps are three and two: a panel has at most four vectors, and no odd one out.
                count = min(4, len(maps)) if len(maps) != 5 else 3
                self.groups.append(_Group(index, x, maps[:count]))
                maps = maps[count:]

    # The text

    def lines(self) -> list[str]:
        return [*self._packing(), *self._step()]

    def _packing(self) -> list[str]:
        lines, offset = [], "0"
        for group in self.groups:
            group.offset = offset
            depth, width = group.x.width, group.maps[0].width
            # A panel holds `vectors` of each map, and whole panels cover a map's columns.
            size = f"packed_size({depth}, {width}, {group.panel}, {len(group.maps)})"
            for block, node in enumerate(group.maps):
                matrix: Matrix = node.data
                columns = self.shapes[matrix.name][1]
                along_k, along_column = (columns, 1) if matrix.transposed else (1, columns)
                source = f"{self.parameter(matrix.name)} + {matrix.row * columns}"
                lines.append(
                    f"  pack(packed + {offset}, {source}, {depth}, {width}, {along_k}, {along_column}, "
                    f"{group.panel}, {len(group.maps)}, {block}, thread, threads);"
                )
            offset = f"{offset} + {size}"
        signature = "Operand* packed, const T* const* parameters, int thread, int threads"
        return [
            f"constexpr int64_t {self.name.upper()}_PACKED = {offset};",
            f"void pack_{self.name}({signature}) {{",
            *lines,
            "}",
        ]

    def _step(self) -> list[str]:
        tape = "template <bool TAPED> " if self.name == "forward" else ""
        signature = (
            "const Operand* packed, const T* const* parameters, const T* const* in, T* const* out, int rows, "
            "T* scratch, const Team& team"
        )
        lines = [f"{tape}void {self.name}({signature}) {{"]
        if self._reduced:
            lines += [f"  T reduced[{len(self._reduced)}][R];", "  const bool several = team.size > 1;"]
        for index, loop in enumerate(self.plan.loops):
            lines += ["  " + line for line in self._loop(index, loop)]
        return [*lines, "}"]

    def _loop(self, index: int, loop: Loop) -> list[str]:
        groups = [(number, group) for number, group in enumerate(self.groups) if group.loop == index]
        wide = max((group.vectors for _, group in groups), default=1)
        lines = ["{"]
        for number, group in groups:
            lines.append(f"  alignas(64) T sums{number}[R * {group.panel * wide // group.vectors} * V];")
            depth = group.x.width
            halves = f"halves{number} + (DEEP - 1) * r * deep({depth})"
            lines += [
                f"  alignas(64) Operand halves{number}[DEEP == 1 ? 1 : R * deep({depth})];",
                f"  const Operand* x{number}[R];",
                "  for (int r = 0; r < rows; ++r)",
                f"    x{number}[r] = operands_of({self._address(group.x)}, {depth}, {halves});",
            ]
        for node in loop.reductions:
            lines.append(f"  vec part{self._reduced[node]}[R];")
            if groups:
                lines.append(f"  for (int r = 0; r < rows; ++r) part{self._reduced[node]}[r] = {_START[node.op]};")
        lines += [f"  const auto [first, last] = team.part(({loop.width} + {wide} * V - 1) / ({wide} * V));"]
        body = Body(self, loop, wide, by_rows=not groups)
        if not groups:
            return [*lines, *self._row_by_row(loop, body), "}"]
        lines += [
            "  auto body = [&](auto full, int r, int j, int n, int q) __attribute__((always_inline)) {",
            "    constexpr bool FULL = decltype(full)::value;",
            *("    " + line for line in (*body.before, *body.text)),
            "  };",
        ]
        lines.append(f"  for (int p = first, j = first * {wide} * V; p < last; j += {wide} * V, ++p) {{")
        if body.far:
            lines.append(f"    if (j + {wide} * V < {loop.width}) for (int r = 0; r < rows; ++r) {{")
            for address in body.far:
                for vector in range(wide):
                    lines.append(f"      __builtin_prefetch({address} + j + {wide + vector} * V);")
            lines.append("    }")
        for number, group in groups:
            times = wide // group.vectors
            panel = f"packed + {group.offset} + (p * {times} + {{}}) * deep({group.x.width}) * {group.panel} * V"
            for part in range(times):
                guard = f"if (j + {part * group.vectors} * V < {loop.width}) " if part else ""
                lines.append(
                    f"    {guard}step_product<{group.panel}>(sums{number} + {part} * R * {group.panel} * V, "
                    f"x{number}, rows, {panel.format(part)}, deep({group.x.width}), team.ahead);"
                )
        lines += [
            "    for (int r = 0; r < rows; ++r)",
            f"      for (int q = 0; q < {wide} && j + q * V < {loop.width}; ++q) {{",
            "        const int at = j + q * V;",
            f"        if (at + V <= {loop.width}) body(std::true_type{{}}, r, at, V, q);",
            f"        else body(std::false_type{{}}, r, at, {loop.width} - at, q);",
            "      }",
            "  }",
        ]
        return [*lines, *self._close(loop, 1), "}"]

    def _row_by_row(self, loop: Loop, body: Body) -> list[str]:
        """So that what is read and written lies in a line, and what is the same all along a row is computed once."""
        # Sums in registers: in memory, each would wait for the one before. In four, if it would wait there, too.
        lanes = 1 if body.costly else 4
        lines = ["  for (int r = 0; r < rows; ++r) {", *("    " + line for line in body.before)]
        for node in loop.reductions:
            lines.append(f"    vec so_far{self._reduced[node]}[] = {{{', '.join([_START[node.op]] * lanes)}}};")
        lines += [
            "    auto body = [&](auto full, int j, int n, auto lane) __attribute__((always_inline)) {",
            "      constexpr bool FULL = decltype(full)::value;",
            *("      " + line for line in body.text),
            "    };",
            f"    int j = first * V, stop = last * V < {loop.width} ? last * V : {loop.width};",
        ]
        if loop.reductions and lanes > 1:
            lines.append(f"    for (; j + {lanes} * V <= stop; j += {lanes} * V) {{")
            lines += [f"      body(std::true_type{{}}, j + {lane} * V, V, Lane<{lane}>{{}});" for lane in range(lanes)]
            lines.append("    }")
        lines += [
            "    for (; j + V <= stop; j += V) body(std::true_type{}, j, V, Lane<0>{});",
            "    if (j < stop) body(std::false_type{}, j, stop - j, Lane<0>{});",
        ]
        for node in loop.reductions:
            lines.append(f"    part{self._reduced[node]}[r] = joined(so_far{self._reduced[node]}, {JOIN[node.op]});")
        return [*lines, "  }", *self._close(loop, lanes)]

    def _close(self, loop: Loop, lanes: int) -> list[str]:
        lines = ["  team.wait();"]
        for node in loop.reductions:
            lines.append(
                f"  for (int r = 0; several && r < rows; ++r) part{self._reduced[node]}[r] = "
                f"over<{lanes}>({self.contribution(node)}, {loop.width}, {_START[node.op]}, {JOIN[node.op]});"
            )
        for node in loop.reductions:
            number, close = self._reduced[node], "total" if node.op == "sum" else "greatest"
            lines.append(f"  for (int r = 0; r < rows; ++r) reduced[{number}][r] = {close}(part{number}[r]);")
        return lines

    def sum_of(self, node: Node, wide: int) -> str:
        """What the kernel left of a linear map, at the vectors of body's `q`."""
        number = next(i for i, group in enumerate(self.groups) if node in group.maps)
        group = self.groups[number]
        block = group.maps.index(node)
        part, vector = (f"(q / {group.vectors})", f"(q % {group.vectors})") if wide > 1 else ("0", "0")
        inner = f"{vector} * {len(group.maps)} + {block}"
        return f"load(sums{number} + (({part} * R + r) * {group.panel} + {inner}) * V)"

    def _address(self, node: Node) -> str:
        """Where a row begins in memory."""
        if node.op == "input":
            source, offset = node.data
            return f"in[{self.sources.index(source)} * R + r] + {offset}"
        return self.place(self.plan.at[node], "r")

    def place(self, place: Place, row: str) -> str:
        if place.name in self._kept:
            width = self._padded(self.plan.kept[place.name])
            return f"scratch + {self._kept[place.name]} + {row} * {width} + {place.offset}"
        return f"out[{self.destinations.index(place.name)} * R + {row}] + {place.offset}"

    def contribution(self, node: Node) -> str:
        """Where the vectors that a reduction takes are kept, for a team to take them in their order."""
        width = self._padded(node.args[0].width)
        return f"scratch + {self._contributions[node]} + r * {width}"

    def parameter(self, name: str) -> str:
        return f"parameters[{self.parameters.index(name)}]"

    def reduced(self, node: Node) -> int:
        return self._reduced[node]
