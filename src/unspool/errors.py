"""The exceptions.

    UnspoolError
    ├── BatchError       (ValueError)    lengths, masks or values that make no batch
    ├── CellError        (TypeError)     a cell that breaks the contract of `Cell`
    ├── StateError       (ValueError)    a state that does not belong to the cell or the batch
    ├── EngineError      (RuntimeError)  an engine that is unknown, or cannot run what it was given
    └── RandomnessError  (RuntimeError)  a random draw without a seed and a step to draw it from

Every message names its subject in backticks, the rule, what came, and what to do.
"""


class UnspoolError(Exception):
    """Any error this package raises on purpose."""


class BatchError(UnspoolError, ValueError):
    """Lengths, masks or values that make no batch."""


class CellError(UnspoolError, TypeError):
    """A cell that breaks the contract of `Cell`, or something that is no cell."""


class StateError(UnspoolError, ValueError):
    """A state that does not belong to the cell or the batch it is used with."""


class EngineError(UnspoolError, RuntimeError):
    """An engine that is unknown, or cannot run what it was given."""


class RandomnessError(UnspoolError, RuntimeError):
    """A random draw without a seed and a step to draw it from."""
