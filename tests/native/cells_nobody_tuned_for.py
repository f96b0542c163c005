"""Gated cells that no engine was tuned for: odd widths, odd operations, odd wiring.

`TAKEN` an engine that fuses gated cells must run. `EITHER` it may run or decline, but never get wrong. `DECLINED` it
must decline, so that the plain loop runs. Each maps a name to a cell in float32, as its class initialises it.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils import parametrize

from unspool import cells
from unspool.cells import GatedCell, HiddenState, LSTMState, RecurrentMap


class UnevenGates(GatedCell):
    """One gate is a number a row, one opens the first seven features only."""

    gates = ("open", "few", "candidate")
    State = HiddenState

    def __init__(self, input_size: int, hidden_size: int) -> None:
        super().__init__(input_size, hidden_size, widths={"open": 1, "few": 7})

    def update(self, from_input, from_hidden, state):
        keep = torch.sigmoid(from_input.open + from_hidden.open)
        few = torch.sigmoid(from_input.few + from_hidden.few)
        candidate = torch.tanh(from_input.candidate + from_hidden.candidate)
        candidate = torch.cat([few * candidate[:, :7], candidate[:, 7:]], 1)
        return HiddenState(keep * state.hidden + (1 - keep) * candidate)


class TwoStages(GatedCell):
    """A reset before a product, and a product of its result: hidden state and memory of different widths."""

    gates = ("reset", "update", "candidate")
    hidden_gates = ("update", "reset")
    State = LSTMState

    def __init__(self, input_size: int, hidden_size: int, memory_size: int) -> None:
        self.memory_size = memory_size
        widths = {"reset": memory_size, "candidate": memory_size, "memory": memory_size}
        super().__init__(input_size, hidden_size, widths=widths)

    def _build(self) -> None:
        super()._build()
        self.inner = RecurrentMap(self.memory_size, self.memory_size)
        self.outer = RecurrentMap(self.memory_size, self.hidden_size)

    def update(self, from_input, from_hidden, state):
        reset = torch.sigmoid(from_input.reset + from_hidden.reset)
        update = torch.sigmoid(from_input.update + from_hidden.update)
        memory = torch.tanh(from_input.candidate + self.inner(reset * state.memory))
        shown = torch.tanh(self.outer(memory * reset))
        return LSTMState(shown + update * (state.hidden - shown), memory)


class ThreeState(NamedTuple):
    hidden: Tensor
    memory: Tensor
    trace: Tensor


class ThreeFields(GatedCell):
    """Three fields of three widths, each fed by the one before; a map of what comes from the input alone."""

    gates = ("write", "keep", "shown")
    State = ThreeState

    def __init__(self, input_size: int) -> None:
        super().__init__(input_size, 17, widths={"hidden": 3, "shown": 3, "keep": 7, "trace": 7})

    def _build(self) -> None:
        super()._build()
        self.to_trace = RecurrentMap(17, 7)
        self.to_memory = RecurrentMap(7, 17)
        self.to_hidden = RecurrentMap(17, 3)

    def update(self, from_input, from_hidden, state):
        keep = torch.sigmoid(from_input.keep + from_hidden.keep)
        trace = keep * state.trace + (1 - keep) * torch.tanh(self.to_trace(from_input.write))
        memory = 0.5 * state.memory + torch.tanh(from_input.write + from_hidden.write + self.to_memory(trace))
        hidden = torch.tanh(from_input.shown + from_hidden.shown) * torch.sigmoid(self.to_hidden(memory))
        return ThreeState(hidden, memory, trace)


class Attending(GatedCell):
    """Softmax, log-softmax and logsumexp over a row, and sums of their products."""

    gates = ("scores", "candidate")
    State = HiddenState

    def update(self, from_input, from_hidden, state):
        scores = from_input.scores + from_hidden.scores
        weights = torch.softmax(scores, 1)
        candidate = torch.tanh(from_input.candidate + from_hidden.candidate)
        read = (weights * candidate).sum(1, keepdim=True)
        entropy = -(weights * torch.log_softmax(scores, -1)).sum(-1).unsqueeze(1)
        size = torch.logsumexp(scores, 1, keepdim=True)
        return HiddenState(0.6 * state.hidden * (1 - weights) + 0.4 * torch.tanh(read * candidate - entropy / size))


class UnitLength(GatedCell):
    """The hidden state has length one."""

    gates = ("hidden",)
    State = HiddenState

    def update(self, from_input, from_hidden, state):
        hidden = state.hidden + torch.tanh(from_input.hidden + from_hidden.hidden)
        return HiddenState(hidden * torch.rsqrt(hidden.square().sum(1, keepdim=True) + 1e-6))


class NormalizedByTorch(GatedCell):
    """The same by torch's own functions, and the length that was lost kept in a field of width one."""

    gates = ("hidden",)
    State = LSTMState

    def __init__(self, input_size: int, hidden_size: int) -> None:
        super().__init__(input_size, hidden_size, widths={"memory": 1})

    def update(self, from_input, from_hidden, state):
        hidden = state.hidden * torch.tanh(state.memory) + torch.tanh(from_input.hidden + from_hidden.hidden)
        return LSTMState(F.normalize(hidden, dim=1), hidden.norm(dim=1, keepdim=True) / 4)


class Moments(GatedCell):
    """Mean, variance, largest and smallest of a row; layer norms of a part of it, with and without weights."""

    gates = ("left", "right")
    State = HiddenState

    def _build(self) -> None:
        super()._build()
        self.norm = nn.LayerNorm(7)

    def update(self, from_input, from_hidden, state):
        left, right = from_input.left + from_hidden.left, from_input.right - from_hidden.right
        normed = (left - left.mean(1, keepdim=True)) / torch.sqrt(left.var(1, correction=0, keepdim=True) + 1e-3)
        span = right.amax(1, keepdim=True) - right.amin(dim=-1, keepdim=True)
        part = torch.cat([self.norm(right[:, :7]), F.layer_norm(right[:, 7:], (right.shape[1] - 7,))], 1)
        spread = state.hidden.std(1, keepdim=True)
        return HiddenState(torch.tanh(0.3 * normed + 0.2 * part + state.hidden / (1 + span) - 0.1 * spread))


class ChainedMaps(GatedCell):
    """One map inside the nonlinearity of another, the result scaled by a number a row."""

    gates = ("hidden",)
    hidden_gates = ()
    State = HiddenState

    def _build(self) -> None:
        super()._build()
        self.up = RecurrentMap(self.hidden_size, 65)
        self.down = RecurrentMap(65, self.hidden_size)

    def update(self, from_input, from_hidden, state):
        scale = torch.sigmoid(from_input.hidden.abs().mean(1, keepdim=True))
        return HiddenState(torch.tanh(from_input.hidden + scale * self.down(torch.tanh(self.up(state.hidden)))))


class Interleaved(GatedCell):
    """Map, row reduction, map, row reduction, map: no two of a kind next to one another."""

    gates = ("hidden",)
    State = HiddenState

    def _build(self) -> None:
        super()._build()
        self.first, self.second = RecurrentMap(self.hidden_size, 7), RecurrentMap(7, 65)
        self.third, self.norm = RecurrentMap(65, self.hidden_size), nn.LayerNorm(7)

    def update(self, from_input, from_hidden, state):
        total = from_input.hidden + from_hidden.hidden
        small = self.norm(self.first(torch.tanh(total)))
        weights = torch.softmax(self.second(small), -1)
        return HiddenState(torch.tanh(total / (1 + small.amax(1, keepdim=True).square()) + 5 * self.third(weights)))


class TwoWays(GatedCell):
    """Both parts of a gate enter twice, each time otherwise; no biases."""

    gates = ("reset", "candidate")
    State = HiddenState

    def __init__(self, input_size: int, hidden_size: int) -> None:
        super().__init__(input_size, hidden_size, bias=False)

    def update(self, from_input, from_hidden, state):
        reset = torch.sigmoid(from_input.reset + from_hidden.reset)
        one = torch.tanh(from_input.candidate + reset * from_hidden.candidate)
        other = torch.sigmoid(from_input.candidate * from_hidden.candidate - from_hidden.reset)
        return HiddenState(one * other + (1 - other) * state.hidden)


class InputOnly(GatedCell):
    """No gate sees the hidden state, yet the recurrence is not linear."""

    gates = ("decay", "write")
    recurrent = False
    State = LSTMState

    def update(self, from_input, from_hidden, state):
        assert from_hidden is None
        memory = torch.sigmoid(from_input.decay) * torch.tanh(state.memory + 0.5 * state.hidden) + from_input.write
        return LSTMState(torch.sin(memory), memory)


class SomeGates(GatedCell):
    """The hidden state feeds some gates, in another order than theirs, of three widths."""

    gates = ("forget", "candidate", "output", "level")
    hidden_gates = ("level", "output", "forget")
    State = LSTMState
    initial_bias = {"forget": 1.0}

    def __init__(self, input_size: int, hidden_size: int) -> None:
        super().__init__(input_size, hidden_size, widths={"forget": 1, "hidden": 5, "output": 5})

    def update(self, from_input, from_hidden, state):
        forget = torch.sigmoid(from_input.forget + from_hidden.forget)
        memory = forget * state.memory + (1 - forget) * torch.tanh(from_input.candidate)
        memory = memory + 0.1 * torch.sigmoid(from_input.level + from_hidden.level)
        return LSTMState(torch.sigmoid(from_input.output + from_hidden.output) * torch.tanh(memory[:, -5:]), memory)


class ManyShapes(GatedCell):
    """Parameters of every shape that broadcasts, one used twice, one never; some meet one another before any row."""

    gates = ("hidden",)
    State = HiddenState

    def _build(self) -> None:
        super()._build()
        size = self.hidden_size
        self.scalar = nn.Parameter(torch.tensor(0.7))
        self.one = nn.Parameter(torch.tensor([0.4]))
        self.vector = nn.Parameter(torch.linspace(-1, 1, size))
        self.row = nn.Parameter(torch.linspace(1, 2, size).unsqueeze(0))
        self.cell = nn.Parameter(torch.full((1, 1), 0.2))
        self.decay = nn.Parameter(torch.linspace(-1, 1, size))
        self.unused = nn.Parameter(torch.ones(3))

    def update(self, from_input, from_hidden, state):
        decay = torch.exp(-F.softplus(self.decay) * self.scalar)
        total = self.row * from_input.hidden + self.scalar * from_hidden.hidden + self.vector * state.hidden
        return HiddenState(decay * state.hidden + (self.one - self.cell) * torch.tanh(total + self.one) + self.cell)


class Tied(GatedCell):
    """Two parameters that start equal, of which the larger is taken: each has half of the gradient."""

    gates = ("hidden",)
    State = HiddenState

    def _build(self) -> None:
        super()._build()
        self.low, self.high = (nn.Parameter(torch.ones(self.hidden_size)) for _ in range(2))

    def update(self, from_input, from_hidden, state):
        level = torch.maximum(self.low, self.high) + torch.minimum(self.low, 2 * self.high)
        pairs = torch.cat([state.hidden * self.low, state.hidden * self.high], 1)
        return HiddenState(torch.tanh(level * from_input.hidden + from_hidden.hidden + pairs.amax(1, keepdim=True)))


def _positive(a: Tensor) -> Tensor:
    return a * a + 0.5


FUNCTIONS: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "softplus": lambda a, b: F.softplus(a),
    "softplus, bent": lambda a, b: F.softplus(a, beta=2.0, threshold=1.0),
    "gelu": lambda a, b: F.gelu(a),
    "gelu by tanh": lambda a, b: F.gelu(b, approximate="tanh"),
    "silu": lambda a, b: F.silu(a),
    "erf": lambda a, b: torch.erf(b),
    "exp": lambda a, b: torch.exp(-a.abs()),
    "log1p": lambda a, b: torch.log1p(a.abs()),
    "log": lambda a, b: torch.log(_positive(b)),
    "sin": lambda a, b: torch.sin(3 * a),
    "cos": lambda a, b: torch.cos(b),
    "elu": lambda a, b: F.elu(a, alpha=0.7),
    "hardtanh": lambda a, b: F.hardtanh(2 * a),
    "relu": lambda a, b: F.relu(b),
    "relu6": lambda a, b: F.relu6(6 * a),
    "leaky_relu": lambda a, b: F.leaky_relu(a, 0.1),
    "clamp": lambda a, b: a.clamp(-0.3, 0.6),
    "clamp below": lambda a, b: b.clamp(min=-0.1),
    "clamp above": lambda a, b: b.clamp(max=0.2),
    "abs": lambda a, b: a.abs(),
    "maximum": lambda a, b: torch.maximum(a, b),
    "minimum": lambda a, b: torch.minimum(a, 0.5 * b),
    "square": lambda a, b: torch.square(a),
    "pow": lambda a, b: _positive(a).pow(1.7),
    "pow 3": lambda a, b: b**3,
    "pow of tensors": lambda a, b: torch.pow(_positive(a), torch.tanh(b)),
    "pow of a number": lambda a, b: 2.0 ** torch.tanh(a),
    "sqrt": lambda a, b: torch.sqrt(_positive(b)),
    "rsqrt": lambda a, b: torch.rsqrt(_positive(a)),
    "reciprocal": lambda a, b: torch.reciprocal(_positive(a)),
    "division": lambda a, b: a / _positive(b),
    "number over": lambda a, b: 1 / _positive(b),
    "reversed subtraction": lambda a, b: torch.sub(a, b, alpha=0.5) + torch.rsub(a, 2.0),
    "negative": lambda a, b: -a * b,
    "where greater": lambda a, b: torch.where(a > b, a * a, b),
    "where not above zero": lambda a, b: torch.where(a <= 0, torch.tanh(a), 0.5),
    "where in between": lambda a, b: torch.where((a > -0.5) & (b < 0.5) | ~(a < b), b, 2 * a),
    "a mask as numbers": lambda a, b: (a >= 0).to(a.dtype) * b,
    "a mask filled": lambda a, b: b.masked_fill(a > 0.3, 0.25),
}

RARE: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "mish": lambda a, b: F.mish(a),
    "selu": lambda a, b: F.selu(a),
    "celu": lambda a, b: F.celu(b, alpha=0.5),
    "hardswish": lambda a, b: F.hardswish(3 * a),
    "hardsigmoid": lambda a, b: F.hardsigmoid(3 * b),
    "logsigmoid": lambda a, b: F.logsigmoid(a),
    "softsign": lambda a, b: F.softsign(a),
    "glu": lambda a, b: F.glu(torch.cat([a, b], 1), 1),
    "expm1": lambda a, b: torch.expm1(torch.tanh(a)),
    "atan2": lambda a, b: torch.atan2(a, _positive(b)),
    "sinh": lambda a, b: torch.sinh(torch.tanh(a)),
    "lerp": lambda a, b: torch.lerp(a, b, torch.sigmoid(a)),
    "addcmul": lambda a, b: torch.addcmul(a, a, b, value=0.5),
    "addcdiv": lambda a, b: torch.addcdiv(b, a, _positive(b), value=2.0),
    "logaddexp": lambda a, b: torch.logaddexp(a, b),
    "hypot": lambda a, b: torch.hypot(a, _positive(b)),
    "floor": lambda a, b: a - torch.floor(a),
    "round": lambda a, b: b - torch.round(4 * b) / 4,
    "sign": lambda a, b: torch.sign(a) * b,
    "remainder": lambda a, b: torch.remainder(a, 0.7),
    "prod": lambda a, b: torch.tanh(a).add(1.5).prod(1, keepdim=True) * 0.01,
}


class Elementwise(GatedCell):
    """A weighted sum of functions of two gates. All its cells are of one class and differ in their graph alone."""

    gates = ("left", "right")
    State = HiddenState

    def __init__(self, input_size: int, hidden_size: int, functions: dict[str, Any]) -> None:
        self.functions = functions
        super().__init__(input_size, hidden_size)

    def update(self, from_input, from_hidden, state):
        left, right = from_input.left + from_hidden.left, from_input.right - from_hidden.right
        total = state.hidden
        for number, function in enumerate(self.functions.values()):
            total = total + (number + 2) / len(self.functions) * function(left, right)
        return HiddenState(0.5 * torch.tanh(0.5 * total) + 0.3 * state.hidden)


def functions(*names: str) -> Callable[[], GatedCell]:
    """A cell of some of the functions, to find the one that is wrong."""
    return lambda: Elementwise(5, 9, {name: {**FUNCTIONS, **RARE}[name] for name in names})


class Saturated(GatedCell):
    """Arguments so large that an exponential written carelessly overflows; from the input alone, so never chaotic."""

    gates = ("left", "right")
    hidden_gates = ("right",)
    State = HiddenState

    def update(self, from_input, from_hidden, state):
        left = 60 * from_input.left
        closed = torch.sigmoid(left) * torch.tanh(-3 * left) + F.softplus(-left) / 60 + F.elu(left) / 60 - F.silu(left)
        choice = torch.softmax(4 * left, 1) + torch.logsumexp(4 * left, 1, keepdim=True) / 500
        right = torch.tanh(from_input.right + from_hidden.right)
        return HiddenState(0.5 * state.hidden + 0.01 * closed + choice * right)


class Unchanged(GatedCell):
    """One field passes through untouched."""

    gates = ("hidden",)
    State = LSTMState

    def update(self, from_input, from_hidden, state):
        return LSTMState(torch.tanh(from_input.hidden + from_hidden.hidden + state.memory), state.memory)


class Forgetful(GatedCell):
    """The new state owes nothing to the old."""

    gates = ("left", "right")
    recurrent = False
    State = LSTMState

    def update(self, from_input, from_hidden, state):
        return LSTMState(torch.tanh(from_input.left) * from_input.right, torch.sigmoid(from_input.right))


class Direct(GatedCell):
    """New fields that are a gate as it came: one from the input, one from the hidden state."""

    gates = ("hidden", "echo")
    State = ThreeState

    def update(self, from_input, from_hidden, state):
        hidden = torch.tanh(from_input.hidden + from_hidden.hidden + 0.5 * state.memory - 0.5 * torch.sin(state.trace))
        return ThreeState(hidden, from_input.echo, from_hidden.echo)


class Delayed(GatedCell):
    """Fields change places: what is shown is what was remembered, and a step writes where the next one reads."""

    gates = ("hidden",)
    State = ThreeState

    def update(self, from_input, from_hidden, state):
        return ThreeState(state.memory, state.trace, torch.tanh(from_input.hidden + from_hidden.hidden) - state.hidden)


class Twins(GatedCell):
    """One tensor in two fields, and the old hidden state in the third."""

    gates = ("hidden",)
    State = ThreeState

    def update(self, from_input, from_hidden, state):
        hidden = torch.tanh(from_input.hidden + from_hidden.hidden + state.memory * state.trace)
        return ThreeState(hidden, hidden, state.hidden)


class Slices(GatedCell):
    """Gates cut up along the row and put together again, in pieces that no vector register fits."""

    gates = ("left", "right")
    State = HiddenState

    def update(self, from_input, from_hidden, state):
        left, right = from_input.left + from_hidden.left, from_input.right + from_hidden.right
        a, b, c = left.chunk(3, 1)
        d, e = right.split([5, right.shape[1] - 5], 1)
        mixed = torch.cat([torch.tanh(c), torch.sigmoid(a), b * b], -1)
        moved = torch.cat([e, torch.sin(d)], 1)
        first, last = state.hidden[:, 0].unsqueeze(1), state.hidden.narrow(1, state.hidden.shape[1] - 3, 3)
        keep = torch.cat([state.hidden[:, 1:-2], last.sum(1, keepdim=True) / 3, last[:, 1:]], 1)
        return HiddenState(torch.tanh(mixed * moved + 0.5 * keep - 0.2 * first))


class SharedMap(GatedCell):
    """One map used twice, the second time on what the first gave, and a third time on a gate."""

    gates = ("hidden",)
    State = HiddenState

    def _build(self) -> None:
        super()._build()
        self.shared = RecurrentMap(self.hidden_size, self.hidden_size)

    def update(self, from_input, from_hidden, state):
        once = torch.tanh(from_input.hidden + self.shared(state.hidden))
        return HiddenState(torch.tanh(self.shared(once) + from_hidden.hidden - 0.3 * self.shared(from_input.hidden)))


class Biased(GatedCell):
    """A map with a bias, and one whose input is a number a row."""

    gates = ("hidden",)
    State = HiddenState

    def _build(self) -> None:
        super()._build()
        self.inner, self.spread = nn.Linear(self.hidden_size, 7), nn.Linear(1, self.hidden_size)

    def update(self, from_input, from_hidden, state):
        level = self.inner(state.hidden).mean(1, keepdim=True)
        return HiddenState(torch.tanh(from_input.hidden + from_hidden.hidden + self.spread(torch.tanh(level))))


class Buffers(GatedCell):
    """A clock of fixed frequencies and a fixed mask, neither trained, and a number that is not even saved."""

    gates = ("hidden",)
    State = LSTMState

    def _build(self) -> None:
        super()._build()
        self.register_buffer("frequency", torch.linspace(0.1, 1, self.hidden_size))
        self.register_buffer("slow", torch.arange(self.hidden_size) % 3 == 0)
        self.register_buffer("share", torch.tensor(0.3), persistent=False)

    def update(self, from_input, from_hidden, state):
        memory = state.memory + self.frequency
        new = torch.tanh(from_input.hidden + from_hidden.hidden) * torch.cos(memory)
        return LSTMState(torch.where(self.slow, torch.lerp(state.hidden, new, self.share), new), memory)


class ConstantGate(GatedCell):
    """A gate that nobody reads, and gates of which one side is not read: gradients of zero."""

    gates = ("idle", "input_side", "hidden_side")
    State = HiddenState

    def update(self, from_input, from_hidden, state):
        return HiddenState(torch.tanh(from_input.input_side + from_hidden.hidden_side) + 0.3 * state.hidden)


class Knobs(GatedCell):
    """What it computes hangs on a number, on its mode and on a buffer, all of which may change between two calls."""

    gates = ("hidden",)
    State = HiddenState

    def _build(self) -> None:
        super()._build()
        self.gain = 0.5
        self.register_buffer("shift", torch.linspace(-1, 1, self.hidden_size))

    def update(self, from_input, from_hidden, state):
        new = torch.tanh(self.gain * (from_input.hidden + from_hidden.hidden) + self.shift)
        return HiddenState(new if self.training else new + 0.5 * state.hidden)


class Swapped(GatedCell):
    """What it computes hangs on a module, on a function, on which parameters there are and on their shapes."""

    gates = ("hidden",)
    State = HiddenState

    def _build(self) -> None:
        super()._build()
        self.squash, self.bend = nn.Tanh(), torch.sin
        self.scale = nn.Parameter(torch.linspace(0.5, 1.5, self.hidden_size))
        self.register_parameter("gain", None)

    def update(self, from_input, from_hidden, state):
        new = self.squash(self.scale * (from_input.hidden + from_hidden.hidden)) + self.bend(state.hidden)
        return HiddenState(new if self.gain is None else new * self.gain)


class RowOfMatrix(GatedCell):
    """A parameter of one row, taken by its number."""

    gates = ("hidden",)
    State = HiddenState

    def _build(self) -> None:
        super()._build()
        self.row = nn.Parameter(torch.linspace(-1, 1, self.hidden_size).unsqueeze(0))

    def update(self, from_input, from_hidden, state):
        return HiddenState(torch.tanh(from_input.hidden + from_hidden.hidden) * self.row[0])


class OneOfSeveralMaps(GatedCell):
    """A matrix taken out of a parameter of three dimensions."""

    gates = ("hidden",)
    State = HiddenState

    def _build(self) -> None:
        super()._build()
        self.maps = nn.Parameter(torch.eye(self.hidden_size).repeat(2, 1, 1))

    def update(self, from_input, from_hidden, state):
        return HiddenState(torch.tanh(from_input.hidden + state.hidden @ self.maps[0]))


class MeanOfSeveralMaps(OneOfSeveralMaps):
    """The mean of a parameter of three dimensions."""

    def update(self, from_input, from_hidden, state):
        return HiddenState(torch.tanh(from_input.hidden + state.hidden @ self.maps.mean(0)))


class OneWide(GatedCell):
    """Rows of a single number, reduced all the same."""

    gates = ("left", "right")
    State = LSTMState

    def __init__(self, input_size: int) -> None:
        super().__init__(input_size, 1)

    def _build(self) -> None:
        super()._build()
        self.map = RecurrentMap(1, 1)

    def update(self, from_input, from_hidden, state):
        left, right = from_input.left + from_hidden.left, from_input.right + from_hidden.right
        memory = torch.softmax(left, 1) * right.amax(1, keepdim=True) + self.map(torch.sin(state.memory))
        return LSTMState(torch.tanh(memory + left.mean(1, keepdim=True) + right.sum(1, keepdim=True)), memory)


# An engine may take or decline these.


class Strided(GatedCell):
    """Every second feature, the row turned round, rolled, picked by a fixed index, and repeated."""

    gates = ("hidden", "few")
    State = HiddenState

    def __init__(self, input_size: int, hidden_size: int) -> None:
        super().__init__(input_size, hidden_size, widths={"few": 3})

    def update(self, from_input, from_hidden, state):
        total = from_input.hidden + from_hidden.hidden
        rolled = state.hidden.roll(1, 1) + total.flip(1)
        riffled = torch.cat([rolled[:, ::2], rolled[:, 1::2]], 1)
        picked = torch.sigmoid(from_input.few)[:, torch.arange(self.hidden_size) % 3]
        return HiddenState(torch.tanh(riffled * picked + total.new_ones(()) * from_hidden.few.repeat(1, 3)))


class Constants(GatedCell):
    """Tensors made inside of the update, some as long as the batch."""

    gates = ("hidden",)
    State = ThreeState

    def update(self, from_input, from_hidden, state):
        rows, size = state.hidden.shape
        ramp = torch.linspace(0, 1, size, dtype=state.hidden.dtype)
        hidden = torch.tanh(from_input.hidden + from_hidden.hidden * ramp) + state.hidden.new_full((rows, 1), 0.1)
        memory = torch.full_like(state.memory, 0.3) + state.hidden.new_zeros(rows, size)
        return ThreeState(hidden + state.memory * state.trace, memory, torch.ones_like(hidden))


class InPlace(GatedCell):
    """Operations that write into tensors of the update's own."""

    gates = ("hidden",)
    State = HiddenState

    def update(self, from_input, from_hidden, state):
        total = from_input.hidden + from_hidden.hidden
        kept = total.clone()
        total.mul_(0.5)
        total[:, :2] += state.hidden[:, :2]
        total += kept.sigmoid_()
        return HiddenState(torch.tanh(total))


class Detached(GatedCell):
    """The way back to the old memory and to one side of a gate is closed."""

    gates = ("hidden", "gate")
    State = LSTMState

    def update(self, from_input, from_hidden, state):
        hidden = torch.tanh(from_input.hidden + from_hidden.hidden + state.memory.detach())
        return LSTMState(hidden, torch.sigmoid(from_input.gate.detach() + from_hidden.gate) * state.memory)


class Unwatched(GatedCell):
    """Some of the step is taken without gradients."""

    gates = ("hidden",)
    State = HiddenState

    def update(self, from_input, from_hidden, state):
        with torch.no_grad():
            level = state.hidden.mean(1, keepdim=True) * torch.sigmoid(from_input.hidden)
        return HiddenState(torch.tanh(from_input.hidden + from_hidden.hidden) + 0.5 * level)


class StraightThrough(GatedCell):
    """Rounded on the way there, as if it were not on the way back."""

    gates = ("hidden",)
    State = HiddenState

    def update(self, from_input, from_hidden, state):
        total = from_input.hidden + from_hidden.hidden
        return HiddenState(torch.tanh(0.3 * (total + (torch.floor(total) - total).detach())) + 0.2 * state.hidden)


class ReadsItsBias(GatedCell):
    """The update reads weights that the projections use as well, so that gradients come by two ways."""

    gates = ("hidden",)
    State = HiddenState

    def update(self, from_input, from_hidden, state):
        opened = torch.sigmoid(self.bias_hidden) * torch.tanh(self.bias_input)
        return HiddenState(torch.tanh(from_input.hidden + from_hidden.hidden) * opened + 0.5 * state.hidden)


class ReadsItsWeight(GatedCell):
    """The update multiplies by the recurrent weight a second time."""

    gates = ("hidden",)
    State = HiddenState

    def update(self, from_input, from_hidden, state):
        again = F.linear(torch.tanh(from_hidden.hidden), self.weight_hidden)
        return HiddenState(torch.tanh(from_input.hidden + again))


class _Reversed(torch.autograd.Function):
    @staticmethod
    def forward(x):
        return x.clone()

    @staticmethod
    def setup_context(ctx, inputs, output):
        pass

    @staticmethod
    def backward(ctx, gradient):
        return -0.5 * gradient


class OwnGradient(GatedCell):
    """A function that says itself what its gradient is: not what its operations say."""

    gates = ("hidden",)
    State = HiddenState

    def update(self, from_input, from_hidden, state):
        return HiddenState(torch.tanh(from_input.hidden + _Reversed.apply(from_hidden.hidden)) + 0.2 * state.hidden)


class ReducedParameters(GatedCell):
    """Parameters that are reduced, cut and multiplied with a row by hand, before or without any gate."""

    gates = ("hidden",)
    State = HiddenState

    def _build(self) -> None:
        super()._build()
        size = self.hidden_size
        self.mixture, self.matrix = nn.Parameter(torch.zeros(size)), nn.Parameter(torch.eye(size))

    def update(self, from_input, from_hidden, state):
        weights = torch.softmax(self.mixture, 0) * self.mixture.sum() + self.weight_input[: self.hidden_size, 0]
        mixed = 0.3 * state.hidden @ self.matrix + F.linear(state.hidden, self.matrix, self.mixture)
        return HiddenState(torch.tanh(from_input.hidden + from_hidden.hidden + weights * mixed))


class Casts(GatedCell):
    """A field that is added up in float64."""

    gates = ("hidden",)
    State = LSTMState

    def update(self, from_input, from_hidden, state):
        memory = (state.memory.double() + from_input.hidden.double() / 3).to(state.memory.dtype)
        return LSTMState(torch.tanh(memory + from_hidden.hidden), memory)


class LouderInput(cells.GRU):
    """Another projection of the input, which is no part of the recurrence."""

    def project_input(self, x):
        return 2 * super().project_input(x)


class _Halved(nn.Module):
    def forward(self, weight: Tensor) -> Tensor:
        return weight / 2


def parametrised() -> GatedCell:
    """Weights that are functions of the parameters."""
    cell = cells.ResetBeforeGRU(5, 9)
    parametrize.register_parametrization(cell, "weight_hidden", _Halved())
    parametrize.register_parametrization(cell.candidate_hidden, "weight", _Halved())
    return cell


# An engine must decline these.


class Cumulative(GatedCell):
    """A sum along the row that depends on the order of features."""

    gates = ("hidden",)
    State = HiddenState

    def update(self, from_input, from_hidden, state):
        return HiddenState(torch.tanh((from_input.hidden + from_hidden.hidden).cumsum(1) / 3))


class Sorted(GatedCell):
    """Features in order of size."""

    gates = ("hidden",)
    State = HiddenState

    def update(self, from_input, from_hidden, state):
        return HiddenState(torch.tanh(from_input.hidden + from_hidden.hidden.sort(1).values))


class Heads(GatedCell):
    """A row seen as heads, each with its own small matrix."""

    gates = ("hidden",)
    State = HiddenState

    def _build(self) -> None:
        super()._build()
        self.heads = nn.Parameter(torch.eye(3).repeat(self.hidden_size // 3, 1, 1))

    def update(self, from_input, from_hidden, state):
        split = state.hidden.view(len(state.hidden), -1, 3)
        mixed = torch.einsum("bhi,hij->bhj", split, self.heads).flatten(1)
        return HiddenState(torch.tanh(from_input.hidden + from_hidden.hidden + mixed))


class MeanOverBatch(GatedCell):
    """Rows mixed, which the contract forbids."""

    gates = ("hidden",)
    State = HiddenState

    def update(self, from_input, from_hidden, state):
        total = from_input.hidden + from_hidden.hidden
        return HiddenState(torch.tanh(total - 0.5 * total.mean(0)))


class Branching(GatedCell):
    """Python decides by a value."""

    gates = ("hidden",)
    State = HiddenState

    def update(self, from_input, from_hidden, state):
        total = from_input.hidden + from_hidden.hidden
        return HiddenState(torch.tanh(total) if state.hidden.sum() > 0 else torch.sigmoid(total))


class Random(GatedCell):
    """Noise from the global generator."""

    gates = ("hidden",)
    State = HiddenState

    def update(self, from_input, from_hidden, state):
        noise = torch.rand(state.hidden.shape, dtype=torch.float64).to(state.hidden.dtype)
        return HiddenState(torch.tanh(from_input.hidden + from_hidden.hidden) * noise)


class LouderHidden(cells.GRU):
    """Another projection of the hidden state."""

    def project_hidden(self, hidden):
        return 2 * super().project_hidden(hidden)


class Restless(cells.CoupledLSTM):
    """Another step around the same update."""

    def advance(self, from_input, state):
        return super().advance(from_input, state._replace(memory=0.5 * state.memory))


class Shifted(cells.CoupledLSTM):
    """Another step from the same products."""

    def updated(self, from_input, from_hidden, state):
        return super().updated(from_input + 0.5, from_hidden, state)


def _group(first: str, last: str, known: dict[str, Any]) -> Callable[[], GatedCell]:
    names = list(known)
    return functions(*names[names.index(first) : names.index(last) + 1])


TAKEN: dict[str, Callable[[], GatedCell]] = {
    "UnevenGates": lambda: UnevenGates(7, 65),
    "TwoStages": lambda: TwoStages(7, 17, 33),
    "ThreeFields": lambda: ThreeFields(5),
    "Attending": lambda: Attending(7, 33),
    "UnitLength": lambda: UnitLength(7, 33),
    "NormalizedByTorch": lambda: NormalizedByTorch(7, 17),
    "Moments": lambda: Moments(7, 17),
    "ChainedMaps": lambda: ChainedMaps(7, 33),
    "Interleaved": lambda: Interleaved(3, 17),
    "TwoWays": lambda: TwoWays(7, 17),
    "InputOnly": lambda: InputOnly(65, 33),
    "SomeGates": lambda: SomeGates(7, 17),
    "ManyShapes": lambda: ManyShapes(7, 17),
    "Tied": lambda: Tied(3, 7),
    "Elementwise-smooth": _group("softplus", "cos", FUNCTIONS),
    "Elementwise-kinked": _group("elu", "minimum", FUNCTIONS),
    "Elementwise-powers": _group("square", "negative", FUNCTIONS),
    "Elementwise-compared": _group("where greater", "a mask filled", FUNCTIONS),
    "Saturated": lambda: Saturated(5, 9),
    "Unchanged": lambda: Unchanged(1, 3),
    "Forgetful": lambda: Forgetful(7, 33),
    "Direct": lambda: Direct(7, 17),
    "Delayed": lambda: Delayed(7, 3),
    "Twins": lambda: Twins(7, 17),
    "Slices": lambda: Slices(7, 17),
    "SharedMap": lambda: SharedMap(7, 17),
    "Biased": lambda: Biased(7, 17),
    "Buffers": lambda: Buffers(7, 17),
    "ConstantGate": lambda: ConstantGate(7, 17),
    "Knobs": lambda: Knobs(3, 7),
    "OneWide": lambda: OneWide(7),
    "LSTM-65-7": lambda: cells.LSTM(65, 7),
    "LSTM-1-1": lambda: cells.LSTM(1, 1),
    "GRU-7-65": lambda: cells.GRU(7, 65, bias=False),
}

EITHER: dict[str, Callable[[], GatedCell]] = {
    "Elementwise-rare activations": _group("mish", "glu", RARE),
    "Elementwise-rare arithmetic": _group("expm1", "hypot", RARE),
    "Elementwise-rounding": _group("floor", "prod", RARE),
    "Strided": lambda: Strided(7, 9),
    "Constants": lambda: Constants(7, 9),
    "InPlace": lambda: InPlace(7, 9),
    "Detached": lambda: Detached(7, 9),
    "Unwatched": lambda: Unwatched(7, 9),
    "StraightThrough": lambda: StraightThrough(7, 9),
    "ReadsItsBias": lambda: ReadsItsBias(7, 9),
    "ReadsItsWeight": lambda: ReadsItsWeight(7, 9),
    "OwnGradient": lambda: OwnGradient(7, 9),
    "ReducedParameters": lambda: ReducedParameters(7, 9),
    "Casts": lambda: Casts(7, 9),
    "LouderInput": lambda: LouderInput(7, 9),
    "RowOfMatrix": lambda: RowOfMatrix(7, 9),
    "parametrised": parametrised,
}

DECLINED: dict[str, Callable[[], GatedCell]] = {
    "Cumulative": lambda: Cumulative(7, 9),
    "Sorted": lambda: Sorted(7, 9),
    "Heads": lambda: Heads(7, 9),
    "OneOfSeveralMaps": lambda: OneOfSeveralMaps(7, 9),
    "MeanOfSeveralMaps": lambda: MeanOfSeveralMaps(7, 9),
    "MeanOverBatch": lambda: MeanOverBatch(7, 9),
    "Branching": lambda: Branching(7, 9),
    "Random": lambda: Random(7, 9),
    "LouderHidden": lambda: LouderHidden(7, 9),
    "Restless": lambda: Restless(7, 9),
    "Shifted": lambda: Shifted(7, 9),
}

MIXING = {"MeanOverBatch", "Branching", "Random"}
"""Those whose rows depend on one another, so that only a batch of one equals the plain Python loop."""

KNOWN: dict[str, Callable[[], GatedCell]] = {
    "LSTM": lambda: cells.LSTM(7, 17),
    "GRU": lambda: cells.GRU(7, 17),
    "ResetBeforeGRU": lambda: cells.ResetBeforeGRU(7, 17),
    "Elman": lambda: cells.Elman(7, 17),
    "Elman-relu": lambda: cells.Elman(7, 17, nonlinearity="relu"),
    "PeepholeLSTM": lambda: cells.PeepholeLSTM(7, 17),
    "LayerNormLSTM": lambda: cells.LayerNormLSTM(7, 17),
    "CoupledLSTM": lambda: cells.CoupledLSTM(7, 17),
    "ProjectedLSTM": lambda: cells.ProjectedLSTM(7, 17, projection_size=5),
    "SCLSTM": lambda: cells.SCLSTM(7, 17, meaning_size=3),
    "MinGRU": lambda: cells.MinGRU(7, 17),
    "MinLSTM": lambda: cells.MinLSTM(7, 17),
}
"""The package's own, of sizes that no vector register fits."""

SOME = [
    *("LSTM", "GRU", "LayerNormLSTM", "UnevenGates", "TwoStages", "ThreeFields", "Attending", "ManyShapes"),
    *("SomeGates", "Buffers"),
]
"""For what hangs on how a cell is called rather than on what it computes: compiling all takes minutes."""

ALL = {**KNOWN, **TAKEN, **EITHER, **DECLINED}


def made(name: str, dtype: torch.dtype = torch.float32) -> GatedCell:
    """The cell of that name, the same each time, with noise in every parameter but those that must stay tied."""
    torch.manual_seed(0)
    cell = ALL[name]()
    with torch.no_grad():
        for which, parameter in cell.named_parameters():
            if which not in ("low", "high"):
                columns = parameter.shape[1] if parameter.dim() == 2 else 1
                parameter += 0.3 * torch.randn_like(parameter) / columns**0.5
    return cell.to(dtype)
