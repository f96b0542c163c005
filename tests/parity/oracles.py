"""One step of every cell in NumPy, written from the papers' equations: what ours must equal.

Nothing is shared with the package: one row, no batch, no engine, every gate by its letter. A step takes the weights by
the names of the cell's parameters, x and the old state, and gives the new state, whose first field is the output.
The order in which `np.split` hands out the gates is the order of the rows of the weights.
"""

from collections.abc import Callable, Mapping, Sequence

import numpy as np

Weights = Mapping[str, np.ndarray]
State = tuple[np.ndarray, ...]
Step = Callable[[Weights, np.ndarray, State], State]


def sigmoid(a):
    return 1 / (1 + np.exp(-a))


def relu(a):
    return np.maximum(a, 0)


def linear(w: Weights, side: str, vector: np.ndarray) -> np.ndarray:
    return w[f"weight_{side}"] @ vector + w.get(f"bias_{side}", 0)


def elman(w: Weights, x: np.ndarray, state: State, nonlinearity=np.tanh) -> State:
    (h,) = state
    return (nonlinearity(linear(w, "input", x) + linear(w, "hidden", h)),)


def elman_relu(w: Weights, x: np.ndarray, state: State) -> State:
    return elman(w, x, state, relu)


def gru(w: Weights, x: np.ndarray, state: State) -> State:
    """Appleyard et al. (2016): the candidate's bias is under the reset gate too."""
    (h,) = state
    xr, xz, xn = np.split(linear(w, "input", x), 3)
    hr, hz, hn = np.split(linear(w, "hidden", h), 3)
    r, z = sigmoid(xr + hr), sigmoid(xz + hz)
    n = np.tanh(xn + r * hn)
    return ((1 - z) * n + z * h,)


def reset_before_gru(w: Weights, x: np.ndarray, state: State) -> State:
    """Cho et al. (2014), equations 5 to 8."""
    (h,) = state
    xr, xz, xn = np.split(linear(w, "input", x), 3)
    hr, hz = np.split(linear(w, "hidden", h), 2)
    r, z = sigmoid(xr + hr), sigmoid(xz + hz)
    n = np.tanh(xn + w["candidate_hidden.weight"] @ (r * h))
    return ((1 - z) * n + z * h,)


def lstm(w: Weights, x: np.ndarray, state: State) -> State:
    h, c = state
    i, f, g, o = np.split(linear(w, "input", x) + linear(w, "hidden", h), 4)
    c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
    return sigmoid(o) * np.tanh(c), c


def peephole_lstm(w: Weights, x: np.ndarray, state: State) -> State:
    """Graves (2013), equations 7 to 11: the output gate sees the new memory, the others the old."""
    h, c = state
    i, f, g, o = np.split(linear(w, "input", x) + linear(w, "hidden", h), 4)
    i = sigmoid(i + w["peephole_input"] * c)
    f = sigmoid(f + w["peephole_forget"] * c)
    c = f * c + i * np.tanh(g)
    o = sigmoid(o + w["peephole_output"] * c)
    return o * np.tanh(c), c


def layer_norm_lstm(w: Weights, x: np.ndarray, state: State) -> State:
    """Ba et al. (2016), equations 20 to 22."""

    def normed(name: str, a: np.ndarray) -> np.ndarray:
        return w[f"{name}.weight"] * (a - np.mean(a)) / np.sqrt(np.var(a) + 1e-5) + w[f"{name}.bias"]

    h, c = state
    gates = normed("norm_input", w["weight_input"] @ x) + normed("norm_hidden", w["weight_hidden"] @ h)
    i, f, g, o = np.split(gates, 4)
    c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
    return sigmoid(o) * np.tanh(normed("norm_memory", c)), c


def coupled_lstm(w: Weights, x: np.ndarray, state: State) -> State:
    """Greff et al. (2017), CIFG."""
    h, c = state
    f, g, o = np.split(linear(w, "input", x) + linear(w, "hidden", h), 3)
    c = sigmoid(f) * c + (1 - sigmoid(f)) * np.tanh(g)
    return sigmoid(o) * np.tanh(c), c


def projected_lstm(w: Weights, x: np.ndarray, state: State) -> State:
    """Sak et al. (2014)."""
    r, c = state
    m, c = lstm(w, x, (r, c))
    return w["projection.weight"] @ m, c


def sc_lstm(w: Weights, x: np.ndarray, state: State) -> State:
    """Wen et al. (2015), section 3.2."""
    h, c, d = state
    ends = len(c) * np.arange(1, 5)
    i, f, g, o, r = np.split(linear(w, "input", x) + linear(w, "hidden", h), ends)
    d = sigmoid(r) * d
    c = sigmoid(f) * c + sigmoid(i) * np.tanh(g) + np.tanh(w["meaning_memory.weight"] @ d)
    return sigmoid(o) * np.tanh(c), c, d


def min_gru(w: Weights, x: np.ndarray, state: State) -> State:
    """Feng et al. (2024), section 3.1."""
    (h,) = state
    z, n = np.split(linear(w, "input", x), 2)
    return ((1 - sigmoid(z)) * h + sigmoid(z) * n,)


def min_lstm(w: Weights, x: np.ndarray, state: State) -> State:
    """Feng et al. (2024), section 3.2."""
    (h,) = state
    i, f, n = np.split(linear(w, "input", x), 3)
    i, f = sigmoid(i), sigmoid(f)
    return (f / (f + i) * h + i / (f + i) * n,)


def conv_lstm(w: Weights, x: np.ndarray, state: State) -> State:
    """Shi et al. (2015), equation 3, without peepholes."""
    h, c = state
    into = convolution(w["weight_input"], x, w.get("bias_input"))
    back = convolution(w["weight_hidden"], h, w.get("bias_hidden"))
    i, f, g, o = np.split(into + back, 4)
    c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
    return sigmoid(o) * np.tanh(c), c


def convolution(kernel: np.ndarray, image: np.ndarray, bias: np.ndarray | None) -> np.ndarray:
    """Every pixel sees the square around it, zero outside of the image; the kernel is not flipped."""
    size = kernel.shape[-1]
    _, height, width = image.shape
    padded = np.pad(image, [(0, 0), (size // 2, size // 2), (size // 2, size // 2)])
    result = np.empty((len(kernel), height, width))
    for y in range(height):
        for x in range(width):
            result[:, y, x] = np.tensordot(kernel, padded[:, y : y + size, x : x + size], 3)
    return result if bias is None else result + bias[:, None, None]


ORACLES: dict[str, Step] = {
    "Elman": elman,
    "GRU": gru,
    "ResetBeforeGRU": reset_before_gru,
    "LSTM": lstm,
    "PeepholeLSTM": peephole_lstm,
    "LayerNormLSTM": layer_norm_lstm,
    "CoupledLSTM": coupled_lstm,
    "ProjectedLSTM": projected_lstm,
    "SCLSTM": sc_lstm,
    "MinGRU": min_gru,
    "MinLSTM": min_lstm,
    "ConvLSTM": conv_lstm,
}


def unrolled(step: Step, w: Weights, sequence: Sequence[np.ndarray], state: State) -> tuple[list[np.ndarray], State]:
    """The outputs of every step and the state after the last."""
    outputs = []
    for x in sequence:
        state = step(w, x, state)
        outputs.append(state[0])
    return outputs, state
