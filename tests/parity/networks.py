"""An encoder–decoder written a second time, from the papers: one sequence, one step, one vector at a time.

Only the numbers of a model's parameters are shared with the package: no batch, no engine, no padding, no mask. All is
differentiable, so that gradients can be compared as well as values.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from unspool import Bidirectional, Dropout, Residual, Stack, cells

START, END = 1, 2
State = dict[str, Tensor]


def lstm(cell: nn.Module, x: Tensor, state: State) -> State:
    gates = cell.weight_input @ x + cell.bias_input + cell.weight_hidden @ state["hidden"] + cell.bias_hidden
    i, f, g, o = gates.chunk(4)
    memory = torch.sigmoid(f) * state["memory"] + torch.sigmoid(i) * torch.tanh(g)
    return {"hidden": torch.sigmoid(o) * torch.tanh(memory), "memory": memory}


def gru(cell: nn.Module, x: Tensor, state: State) -> State:
    h = state["hidden"]
    xr, xz, xn = (cell.weight_input @ x + cell.bias_input).chunk(3)
    hr, hz, hn = (cell.weight_hidden @ h + cell.bias_hidden).chunk(3)
    r, z = torch.sigmoid(xr + hr), torch.sigmoid(xz + hz)
    return {"hidden": (1 - z) * torch.tanh(xn + r * hn) + z * h}


def layer_norm_lstm(cell: nn.Module, x: Tensor, state: State) -> State:
    """Ba et al. (2016), equations 20 to 22."""

    def normed(norm: nn.Module, a: Tensor) -> Tensor:
        return norm.weight * (a - a.mean()) / (a.var(correction=0) + 1e-5).sqrt() + norm.bias

    from_input = normed(cell.norm_input, cell.weight_input @ x)
    i, f, g, o = (from_input + normed(cell.norm_hidden, cell.weight_hidden @ state["hidden"])).chunk(4)
    memory = torch.sigmoid(f) * state["memory"] + torch.sigmoid(i) * torch.tanh(g)
    return {"hidden": torch.sigmoid(o) * torch.tanh(normed(cell.norm_memory, memory)), "memory": memory}


STEPS: dict[type, Callable[[Any, Tensor, State], State]] = {
    cells.LSTM: lstm,
    cells.GRU: gru,
    cells.LayerNormLSTM: layer_norm_lstm,
}


def recurrences(cell: nn.Module) -> list[tuple[nn.Module, bool]]:
    """The cells that hold a state, from the bottom up, and whether each adds its input to its output."""
    if isinstance(cell, Stack):
        return [found for part in cell.cells for found in recurrences(part)]
    if isinstance(cell, Residual):
        return [(cell.cell, True)]
    return [] if isinstance(cell, Dropout) else [(cell, False)]


def zero(cell: nn.Module) -> State:
    fields = ["hidden"] if isinstance(cell, cells.GRU) else ["hidden", "memory"]
    return {field: torch.zeros(cell.output_size, dtype=torch.float64) for field in fields}


def run(cell: nn.Module, xs: list[Tensor]) -> tuple[list[Tensor], State]:
    """One cell from a zero state, not stepped where nothing is to be read."""
    ((inner, residual),) = recurrences(cell)
    state, outputs = zero(inner), []
    for x in xs:
        state = STEPS[type(inner)](inner, x, state)
        outputs.append(x + state["hidden"] if residual else state["hidden"])
    return outputs, state


def encode(embedding: Tensor, layers: nn.Module, ids: list[int]) -> tuple[list[Tensor], list[State]]:
    """The memory, and the final state of each recurrent layer, both directions joined."""
    xs, finals = [embedding[i] for i in ids], []
    for layer in layers.layers:
        if isinstance(layer, Bidirectional):
            ahead, end = run(layer.forward_cell, xs)
            back, beginning = run(layer.backward_cell, xs[::-1])
            xs = [torch.cat(pair) for pair in zip(ahead, back[::-1], strict=True)]
            finals.append({field: torch.cat([end[field], beginning[field]]) for field in end})
        elif not isinstance(layer, Dropout):
            xs, end = run(layer, xs)
            finals.append(end)
    return xs, finals


def bridged(bridge: nn.Module, memory: list[Tensor], finals: list[State], depth: int) -> list[State]:
    kind = type(bridge).__name__
    if kind == "LastBridge":
        return [finals[min(i, len(finals) - 1)] for i in range(depth)]
    starts = []
    for i, maps in enumerate(bridge.maps):
        summary = sum(memory) / len(memory) if kind == "MeanBridge" else finals[min(i, len(finals) - 1)]["hidden"]
        starts.append({field: torch.tanh(one.weight @ summary + one.bias) for field, one in maps.items()})
    return starts


def attend(
    attention: nn.Module, query: Tensor, memory: list[Tensor], looked: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """The summary and the weights of one query; `looked` is the sum of the weights of those before."""
    kind = type(attention).__name__
    if kind == "MultiHeadAttention":
        return multihead(attention, query, memory)
    if kind == "DotAttention":
        scores = [query @ m for m in memory]
    elif kind == "GeneralAttention":
        scores = [query @ (attention.key.weight @ m) for m in memory]
    else:
        q = attention.query.weight @ query
        places = [torch.zeros(())] * len(memory)
        if kind == "LocationAttention" and looked is not None:
            places = located(attention, looked)
        scores = [
            attention.energy.weight[0] @ torch.tanh(q + attention.key.weight @ m + attention.key.bias + place)
            for m, place in zip(memory, places, strict=True)
        ]
    weights = normalised(scores)
    return sum(w * m for w, m in zip(weights, memory, strict=True)), weights


def located(attention: nn.Module, looked: Tensor) -> list[Tensor]:
    """Chorowski et al. (2015), equation 8: what the filters see around each step."""
    filters = attention.filters.weight[:, 0]
    reach = filters.shape[1] // 2
    seen = [
        sum(filters[:, reach + d] * looked[t + d] for d in range(-reach, reach + 1) if 0 <= t + d < len(looked))
        for t in range(len(looked))
    ]
    return [attention.place.weight @ each for each in seen]


def multihead(attention: nn.Module, query: Tensor, memory: list[Tensor]) -> tuple[Tensor, Tensor]:
    """Vaswani et al. (2017), section 3.2.2."""
    width = attention.output_size // attention.heads
    summaries, looked = [], []
    for head in range(attention.heads):
        rows = slice(head * width, (head + 1) * width)
        keys = attention.key_value.weight[: attention.output_size][rows]
        values = attention.key_value.weight[attention.output_size :][rows]
        q = attention.query.weight[rows] @ query + attention.query.bias[rows]
        weights = normalised([q @ (keys @ m) / width**0.5 for m in memory])
        summaries.append(sum(w * (values @ m) for w, m in zip(weights, memory, strict=True)))
        looked.append(weights)
    return attention.output.weight @ torch.cat(summaries), sum(looked) / attention.heads


def normalised(scores: list[Tensor]) -> Tensor:
    raised = [torch.exp(score) for score in scores]
    return torch.stack([one / sum(raised) for one in raised])


def logits(model: nn.Module, source: list[int], target: list[int], *, own: bool = False) -> tuple[Tensor, list[Tensor]]:
    """The scores after each of `<s> target`, and where each step looked.

    Args:
        own: whether a step reads the best token of the step before rather than the target's.
    """
    decoder = model.decoder
    memory, finals = encode(model.encoder.embedding.weight, model.encoder.layers, [*source, END])
    below = recurrences(decoder.cell)
    above = recurrences(decoder.upper) if hasattr(decoder, "upper") else []
    layers = [*below, *above]
    states = bridged(decoder.bridge, memory, finals, len(layers))
    fed = torch.zeros(decoder.output_size, dtype=torch.float64)
    rows, looked, token = [], [], START
    for following in [*target, END]:
        x = model.embedding.weight[token]
        x = torch.cat([x, fed]) if type(decoder).__name__ in ("FeedingDecoder", "LocatingDecoder") else x
        x = stepped(below, x, states)
        if decoder.attention is not None:
            summary, weights = attend(decoder.attention, x, memory, sum(looked) if looked else None)
            looked.append(weights)
            x = torch.tanh(decoder.combine.weight @ torch.cat([summary, x]) + decoder.combine.bias)
        upper = states[len(below) :]
        x = stepped(above, x, upper)
        states[len(below) :] = upper
        fed = x
        rows.append(model.output.weight @ x + model.output.bias)
        token = int(rows[-1].argmax()) if own else following
    return torch.stack(rows), looked


def stepped(layers: list[tuple[nn.Module, bool]], x: Tensor, states: list[State]) -> Tensor:
    """One step of layers one over another; their states are replaced."""
    for i, (cell, residual) in enumerate(layers):
        states[i] = STEPS[type(cell)](cell, x, states[i])
        x = x + states[i]["hidden"] if residual else states[i]["hidden"]
    return x


def plain_logits(model: nn.Module, source: list[int]) -> Tensor:
    """Of the plain network: one row a step of the source, its end, and what is added up to the bound."""
    ids = [*source, END]
    ids += [END] * (model.bound - len(ids))
    outputs, _ = encode(model.embedding.weight, model.layers, ids)
    return torch.stack([model.output.weight @ output + model.output.bias for output in outputs])
