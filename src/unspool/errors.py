"""The exceptions.

    UnspoolError
    ├── BatchError       (ValueError)    lengths, masks or values that make no batch
    ├── CellError        (TypeError)     a cell that breaks the contract of `Cell`
    ├── StateError       (ValueError)    a state that does not belong to the cell or the batch
    ├── EngineError      (RuntimeError)  an engine that is unknown, or cannot run what it was given
    ├── RandomnessError  (RuntimeError)  a random draw without a seed and a step to draw it from
    ├── ModelError       (ValueError)    a model asked for with parts that do not fit
    ├── DecodingError    (ValueError)    a way to decode that can give no sequence
    ├── FieldError       (ValueError)    a column that can't be turned into tensors, or back
    │   └── MissingPackageError          a package that need not be installed, but is needed to read a file
    ├── DataError        (ValueError)    a file, column or package that can't be read
    ├── RecipeError      (ValueError)    a recipe with a wrong key or value
    ├── TrainingError    (RuntimeError)  training that can't go on
    ├── ParallelError    (RuntimeError)  processes that can't work together
    └── RunError         (RuntimeError)  a run folder or checkpoint that is missing, taken or broken

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


class ModelError(UnspoolError, ValueError):
    """A model asked for with parts that do not fit."""


class DecodingError(UnspoolError, ValueError):
    """A way to decode that can give no sequence."""


class FieldError(UnspoolError, ValueError):
    """A column that can't be turned into tensors, or back."""


class MissingPackageError(FieldError):
    """A package that need not be installed, but is needed to read a file."""


class DataError(UnspoolError, ValueError):
    """A file, column or package that can't be read."""


class RecipeError(UnspoolError, ValueError):
    """A recipe with a wrong key or value."""


class TrainingError(UnspoolError, RuntimeError):
    """Training that can't go on."""


class ParallelError(UnspoolError, RuntimeError):
    """Processes that can't work together."""


class RunError(UnspoolError, RuntimeError):
    """A run folder or checkpoint that is missing, taken or broken."""


class EngineWarning(UserWarning):
    """A recurrence runs on a slower engine than it could, or compiles what it could have kept."""
