"""Processes that read files side by side, one a core."""

from __future__ import annotations

import errno
import os
import pickle
import signal
import subprocess
import sys
import time
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

from unspool.errors import DataError, FieldError

Work = Literal["encode", "check"]

MAY_PASS = "the system refused it, which may pass"
"""A note on what a field raised because of the system, as where a disk failed or a right is missing."""

_PIECE = 8  # values that a process is sent at a time
_WORTH = 10.0  # seconds that work must still take for processes to be started, which themselves take two or three


class Workers:
    """Does the work of a field on values, in their order, by several processes if it takes long.

        with Workers(field, "encode") as workers:
            tensors = workers.each(paths, left=10_000)     # for each a tensor, or the `FieldError` that refuses it

    The first values are done here, so that what is soon done needs no process. There are as many processes as PyTorch
    uses threads, which `train.threads` sets; each has one thread. They end with the block, however that ends, and do
    not run the program that started them: it need not be guarded by `if __name__ == "__main__"`. A field that the
    program itself defines, which they could not import, stays here.

    Args:
        field: a `Field` whose values are read.
        work: which of its methods to call.
    """

    def __init__(self, field: Any, work: Work) -> None:
        self.field, self.work = field, work
        self._processes: list[_Process] = []
        self._fastest: float | None = None  # seconds a value; the first ones also load what is loaded late

    def __enter__(self) -> Workers:
        return self

    def __exit__(self, *_: object) -> None:
        for process in self._processes:
            process.end()
        self._processes = []

    def each(self, values: Sequence[Any], left: int) -> list[Any]:
        """What the field's method returns for each value, or the `FieldError` that it raises.

        Args:
            values: those to work on now.
            left: how many values there are to come, these included.

        Raises:
            DataError: a process that ended.
        """
        found: list[Any] = []
        pieces = (list(values[start : start + _PIECE]) for start in range(0, len(values), _PIECE))
        for piece in pieces:
            if self._processes:
                found += (each for done in self._shared([piece, *pieces]) for each in done)
                break
            began = time.perf_counter()
            found += answers(self.field, self.work, piece)
            self._start_if_worth((time.perf_counter() - began) / len(piece), left - len(found))
        return found

    def _start_if_worth(self, seconds: float, left: int) -> None:
        first, self._fastest = self._fastest is None, min(seconds, self._fastest or seconds)
        count = torch.get_num_threads()
        if not first and count > 1 and self._fastest * left > _WORTH and type(self.field).__module__ != "__main__":
            self.start(count)

    def start(self, count: int) -> None:
        """Start so many processes, from now on for all values."""
        self._processes = [_Process() for _ in range(count)]
        for process in self._processes:
            process.send((self.field, self.work))

    def _shared(self, pieces: Iterable[list[Any]]) -> Iterator[list[Any]]:
        """Each process has one piece at a time, so that none waits to be read while it is written to."""
        to_come = iter(pieces)
        busy: deque[_Process] = deque()
        for process, piece in zip(self._processes, to_come, strict=False):
            process.send(piece)
            busy.append(process)
        while busy:
            process = busy.popleft()
            done = process.receive()
            if (next_piece := next(to_come, None)) is not None:
                process.send(next_piece)
                busy.append(process)
            yield done


class _Process:
    """A process that is sent a field and a kind of work, then pieces, and answers each."""

    def __init__(self) -> None:
        program = f"import sys; sys.path[:] = {sys.path!r}; from unspool.data.workers import serve; serve()"
        self._process = subprocess.Popen(
            [sys.executable, "-c", program],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=os.environ | {"OMP_NUM_THREADS": "1"},
        )
        self._sent: Any = None

    def send(self, message: Any) -> None:
        assert self._process.stdin is not None
        self._sent = message
        try:
            pickle.dump(message, self._process.stdin)
            self._process.stdin.flush()
        except BrokenPipeError as error:
            raise self._ended() from error

    def receive(self) -> list[Any]:
        assert self._process.stdout is not None
        try:
            found: list[Any] = pickle.load(self._process.stdout)
        except (EOFError, pickle.UnpicklingError) as error:
            raise self._ended() from error
        return [torch.from_numpy(each) if isinstance(each, np.ndarray) else each for each in found]

    def end(self) -> None:
        self._process.kill()
        for stream in (self._process.stdin, self._process.stdout):
            assert stream is not None
            with suppress(BrokenPipeError):  # of what it was sent last and never read
                stream.close()
        self._process.wait()

    def _ended(self) -> DataError:
        code = self._process.wait()
        how = f"was ended by {signal.Signals(-code).name}" if code < 0 else f"ended with exit code {code}"
        at = f", at one of {', '.join(f'`{each}`' for each in self._sent)}" if isinstance(self._sent, list) else ""
        return DataError(
            f"a process that reads files must live until all are read, but {how}{at}; is there too little memory? "
            "`train.threads=1` reads them in one process"
        )


def serve() -> None:
    """What a process runs: it answers what it is sent until there is no more, or its parent is gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the parent too, which ends us
    torch.set_num_threads(1)
    answer_to = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what a library prints must not come between the answers
    asked = sys.stdin.buffer
    try:
        field, work = pickle.load(asked)
        while True:
            done = answers(field, work, pickle.load(asked))
            pickle.dump([_light(each) for each in done], answer_to)
            answer_to.flush()
    except (EOFError, BrokenPipeError):
        os._exit(0)


def _light(found: Any) -> Any:
    """A tensor as an array, which is packed many times faster, if NumPy has its type."""
    return found.numpy() if isinstance(found, Tensor) and found.dtype != torch.bfloat16 else found


def answers(field: Any, work: Work, values: Iterable[Any]) -> list[Any]:
    """What the field's method returns for each value, or the `FieldError` that it raises."""
    found = []
    for value in values:
        try:
            found.append(getattr(field, work)(value))
        except FieldError as error:
            if _may_pass(error):
                error.add_note(MAY_PASS)  # another process is not told of causes, but of notes
            found.append(error)
    return found


def _may_pass(error: BaseException | None) -> bool:
    """Whether the system is the cause, and not that there is no such file, or what is in it."""
    while error is not None and not isinstance(error, OSError):
        error = error.__cause__
    return error is not None and error.errno not in (None, errno.ENOENT, errno.ENOTDIR, errno.EISDIR)
