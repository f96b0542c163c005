"""A command, run by several processes of this machine."""

from __future__ import annotations

import logging
import os
import sys
import uuid
from collections.abc import Sequence

import torch

from unspool.errors import ParallelError


def devices_here() -> tuple[int, str]:
    """How many processes can each have a device of their own, and what it is: GPUs, or else the cores they may use."""
    if torch.cuda.is_available():
        return torch.cuda.device_count(), "GPUs"
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return cores, "cores"


def launch(devices: int, arguments: Sequence[str]) -> int:
    """Run `python -m unspool` with these arguments in so many processes, by PyTorch's elastic launcher.

    Args:
        devices: how many; on CPUs each gets an equal part of the cores for its threads, unless OMP_NUM_THREADS is set.
        arguments: of the command.

    Returns:
        The exit code: 0, or that of the first process that failed.

    Raises:
        ParallelError: more than there are devices; a process that was killed.
    """
    count, kind = devices_here()
    if not 1 <= devices <= count:
        raise ParallelError(
            f"`--devices` must be from 1 to {count}, the {kind} that this process may use, but is {devices}; "
            "`torchrun --nproc-per-node=N -m unspool …` starts more processes than that on CPUs"
        )
    if kind == "cores":
        os.environ.setdefault("OMP_NUM_THREADS", str(count // devices))
    return _run(devices, arguments)


def _run(devices: int, arguments: Sequence[str]) -> int:
    from torch.distributed.elastic.multiprocessing.api import SignalException
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
    from torch.distributed.launcher.api import LaunchConfig, elastic_launch

    logging.getLogger("torch.distributed.elastic").setLevel(logging.CRITICAL)  # the processes say what is wrong
    config = LaunchConfig(
        min_nodes=1,
        max_nodes=1,
        nproc_per_node=devices,
        run_id=uuid.uuid4().hex,
        rdzv_backend="c10d",
        rdzv_endpoint="localhost:0",  # a free port
        max_restarts=0,
    )
    try:
        elastic_launch(config, sys.executable)("-m", "unspool", *arguments)
    except SignalException:
        return 0  # they were told to end, and have kept everything
    except ChildFailedError as error:
        rank, failure = error.get_first_failure()
        if failure.exitcode >= 0:
            return int(failure.exitcode)
        raise ParallelError(
            f"`rank {rank}` must live until all are done, but was ended by {failure.signal_name()}; what was saved is "
            "whole: go on with `--resume`"
        ) from error
    return 0
