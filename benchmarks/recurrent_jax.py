"""JAX: a compiled `lax.scan` over the rectangle, where the state of a sequence that has ended is kept by a mask."""

import os
from collections.abc import Callable
from typing import Any

import torch
from recurrent_problem import Contender, Problem, weights_of

for _variable in ("NPROC", "PJRT_NPROC"):
    os.environ.setdefault(_variable, str(torch.get_num_threads()))  # XLA's threads, read when it starts
os.environ.setdefault("JAX_PLATFORMS", "cpu")

import jax  # noqa: E402
import jax.numpy as jnp  # noqa: E402
from jax import Array  # noqa: E402
from jax.nn import sigmoid  # noqa: E402

from unspool.cells import GRU, LSTM, Elman, GatedCell, LayerNormLSTM, PeepholeLSTM  # noqa: E402

Weights = dict[str, Array]
State = tuple[Array, ...]


def _lstm(weights: Weights, from_input: Array, from_hidden: Array, state: State) -> State:
    write, forget, candidate, output = jnp.split(from_input + from_hidden, 4, axis=1)
    memory = sigmoid(forget) * state[1] + sigmoid(write) * jnp.tanh(candidate)
    return sigmoid(output) * jnp.tanh(memory), memory


def _peephole(weights: Weights, from_input: Array, from_hidden: Array, state: State) -> State:
    write, forget, candidate, output = jnp.split(from_input + from_hidden, 4, axis=1)
    write = sigmoid(write + weights["peephole_input"] * state[1])
    forget = sigmoid(forget + weights["peephole_forget"] * state[1])
    memory = forget * state[1] + write * jnp.tanh(candidate)
    return sigmoid(output + weights["peephole_output"] * memory) * jnp.tanh(memory), memory


def _layer_norm_lstm(weights: Weights, from_input: Array, from_hidden: Array, state: State) -> State:
    normed = from_input + _normed(weights, "norm_hidden", from_hidden)
    write, forget, candidate, output = jnp.split(normed, 4, axis=1)
    memory = sigmoid(forget) * state[1] + sigmoid(write) * jnp.tanh(candidate)
    return sigmoid(output) * jnp.tanh(_normed(weights, "norm_memory", memory)), memory


def _gru(weights: Weights, from_input: Array, from_hidden: Array, state: State) -> State:
    reset, update, candidate = jnp.split(from_input, 3, axis=1)
    hidden_reset, hidden_update, hidden_candidate = jnp.split(from_hidden, 3, axis=1)
    hidden_candidate += jnp.split(weights["bias_hidden"], 3)[2]
    candidate = jnp.tanh(candidate + sigmoid(reset + hidden_reset) * hidden_candidate)
    return (candidate + sigmoid(update + hidden_update) * (state[0] - candidate),)


def _elman(weights: Weights, from_input: Array, from_hidden: Array, state: State) -> State:
    return (jnp.tanh(from_input + from_hidden),)


_UPDATES: dict[type, Callable[[Weights, Array, Array, State], State]] = {
    LSTM: _lstm,
    PeepholeLSTM: _peephole,
    LayerNormLSTM: _layer_norm_lstm,
    GRU: _gru,
    Elman: _elman,
}


def contender(problem: Problem) -> Contender | None:
    """A scan of the cell's equations; None for a cell whose equations are not here."""
    cell = problem.cell
    update, fields = _UPDATES.get(type(cell)), len(cell.State._fields)
    if update is None:
        return None

    def unrolled(weights: Weights, x: Array, runs: Array) -> Array:
        """(time, batch, input_size) -> (time, batch, hidden_size)"""

        def step(state: State, now: tuple[Array, Array]) -> tuple[State, Array]:
            from_input, runs = now
            new = update(weights, from_input, state[0] @ weights["weight_hidden"].T, state)
            kept = tuple(jnp.where(runs[:, None], *both) for both in zip(new, state, strict=True))
            return kept, kept[0]

        from_input = _from_input(weights, x, cell)
        zeros = jnp.zeros((x.shape[1], cell.hidden_size))
        return jax.lax.scan(step, (zeros,) * fields, (from_input, runs))[1]

    def trained(weights: Weights, x: Array, runs: Array, gradient: Array) -> Any:
        outputs, back = jax.vjp(lambda weights, x: unrolled(weights, x, runs), weights, x)
        return outputs, back(gradient)

    weights = {name: jnp.array(value) for name, value in weights_of(cell).items()}
    runs = torch.arange(len(problem.inputs)).unsqueeze(1) < problem.lengths
    given = [weights, *(jnp.array(tensor.numpy()) for tensor in (problem.inputs, runs, problem.gradients))]
    # Compiled here, so that neither time nor memory of the compiler count.
    forward = jax.jit(unrolled).lower(*given[:3]).compile()
    training = jax.jit(trained).lower(*given).compile()
    return Contender(
        "jax-scan",
        lambda: jax.block_until_ready(forward(*given[:3])),
        lambda found: problem.steps(_tensor(found)),
        lambda: jax.block_until_ready(training(*given)),
        lambda found: (problem.steps(_tensor(found[1][1])), _tensor(found[1][0]["weight_hidden"])),
    )


def _from_input(weights: Weights, x: Array, cell: GatedCell) -> Array:
    """All that no state enters, of all steps at once. (time, batch, input_size) -> (time, batch, gates · hidden_size)

    Recurrent biases are added here as well, but for the one that a GRU's reset gate scales: an addition right after
    the product of one row makes XLA 0.10's four times as slow.
    """
    product = x @ weights["weight_input"].T
    if isinstance(cell, LayerNormLSTM):
        return _normed(weights, "norm_input", product)
    bias = weights["bias_hidden"]
    if isinstance(cell, GRU):
        bias = bias.at[-cell.hidden_size :].set(0)
    return product + (weights["bias_input"] + bias)


def _normed(weights: Weights, name: str, x: Array) -> Array:
    """As `nn.LayerNorm`."""
    centred = x - x.mean(axis=-1, keepdims=True)
    scale = jax.lax.rsqrt((centred * centred).mean(axis=-1, keepdims=True) + 1e-5)
    return centred * scale * weights[f"{name}.weight"] + weights[f"{name}.bias"]


def _tensor(array: Array) -> torch.Tensor:
    return torch.tensor(jax.device_get(array))
