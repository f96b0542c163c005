"""ONNX Runtime, forward: a model of one operator, which is given the rectangle and the lengths."""

from typing import Any

import numpy as np
import onnxruntime
import torch
from onnx import TensorProto, helper, numpy_helper
from recurrent_problem import Contender, Problem, weights_of

from unspool.cells import GRU, LSTM, Elman, PeepholeLSTM

# The operator; our gates in its order; the peepholes in its order.
_OPERATORS: dict[type, tuple[str, list[str], list[str]]] = {
    LSTM: ("LSTM", ["input", "output", "forget", "candidate"], []),
    PeepholeLSTM: ("LSTM", ["input", "output", "forget", "candidate"], ["input", "output", "forget"]),
    GRU: ("GRU", ["update", "reset", "candidate"], []),
    Elman: ("RNN", ["hidden"], []),
}


def contender(problem: Problem) -> Contender | None:
    """An `LSTM`, `GRU` or `RNN` of ONNX; None for a cell that none of them is."""
    if type(problem.cell) not in _OPERATORS:
        return None
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    options.inter_op_num_threads = 1
    # Its threads would spin on after a run, on the cores of the contender after it.
    options.add_session_config_entry("session.force_spinning_stop", "1")
    model = _model(problem).SerializeToString()
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    given = {"x": problem.inputs.numpy(), "lengths": problem.lengths.numpy().astype(np.int32)}
    return Contender(
        "onnxruntime",
        lambda: session.run(["outputs"], given)[0],
        lambda found: problem.steps(torch.from_numpy(found).squeeze(1)),  # of one direction
    )


def _model(problem: Problem) -> Any:
    cell = problem.cell
    operator, gates, peepholes = _OPERATORS[type(cell)]
    found = weights_of(cell)

    def ordered(name: str) -> Any:
        rows = np.split(found[name], len(cell.gates))
        return np.concatenate([rows[cell.gates.index(gate)] for gate in gates])

    constants = {
        "W": ordered("weight_input"),
        "R": ordered("weight_hidden"),
        "B": np.concatenate([ordered("bias_input"), ordered("bias_hidden")]),
    }
    inputs = ["x", "W", "R", "B", "lengths"]
    if peepholes:
        constants["P"] = np.concatenate([found[f"peephole_{gate}"] for gate in peepholes])
        inputs += ["", "", "P"]
    more = {"linear_before_reset": 1} if operator == "GRU" else {}
    features, size = cell.input_size, cell.hidden_size
    graph = helper.make_graph(
        [helper.make_node(operator, inputs, ["outputs"], hidden_size=size, **more)],
        "recurrence",
        [
            helper.make_tensor_value_info("x", TensorProto.FLOAT, ["time", "batch", features]),
            helper.make_tensor_value_info("lengths", TensorProto.INT32, ["batch"]),
        ],
        [helper.make_tensor_value_info("outputs", TensorProto.FLOAT, ["time", 1, "batch", size])],
        [numpy_helper.from_array(value[np.newaxis], name) for name, value in constants.items()],
    )
    # ONNX Runtime refuses models of a later version than it knows; these operators have not changed since this one.
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 14)], ir_version=8)
