"""How a process that `torchrun` started finds the others."""

from __future__ import annotations

import logging
import os
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

import torch
from torch import distributed
from torch.distributed.rendezvous import rendezvous

import unspool
from unspool import code
from unspool.errors import ParallelError
from unspool.parallel.group import Group, current, using
from unspool.parallel.ranks import Ranks

_SECONDS = 1800.0  # as PyTorch waits on CPUs
_MOMENT = 0.2  # seconds in which another thread has the interpreter
_NEEDED = ("RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")


def started() -> bool:
    """Whether this process is one that `torchrun`, or something that sets the same variables, has started."""
    return all(name in os.environ for name in _NEEDED)


def restarts() -> bool:
    """Whether `torchrun` starts all processes again when one is lost (`--max-restarts`)."""
    return started() and int(os.environ.get("TORCHELASTIC_MAX_RESTARTS", 0)) > 0


@contextmanager
def joined(devices: int | None = None) -> Iterator[Group]:
    """Within, this process is one of those that `torchrun` started; where none did, it is alone.

    Each has a GPU of its own, by NCCL, or where there is none computes on the CPU, by gloo.

    Args:
        devices: how many there must be; None: as many as there are.

    Raises:
        ParallelError: more processes than GPUs; others than asked for; ranks of other code; one that never came.

    Example:
        >>> with unspool.parallel.joined() as group:
        ...     group.rank, group.size
        (0, 1)
    """
    if not started() or current().size > 1:
        yield current()
        return
    rank, size = int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"])
    if devices not in (None, size):
        raise ParallelError(f"`--devices` must be {size}, as many as `torchrun` has started, but is {devices}; omit it")
    device, seconds = _device(), _seconds()
    if size == 1:
        with using(Group(device=device)) as group:
            yield group
        return
    _speak_only_if_first(rank)
    own = not distributed.is_initialized()
    if own:
        _meet(rank, size, device, seconds)
    with using(Ranks(device, seconds)) as group:
        group.check_same({"unspool": unspool.__version__, "code": code.digest(), "torch": torch.__version__})
        yield group
    if own:  # not after an error: the others may be gone, and to wait for them would be to hang
        _leave()


def _meet(rank: int, size: int, device: torch.device, seconds: float) -> None:
    backend = "cpu:gloo,cuda:nccl" if device.type == "cuda" else "gloo"
    # torch 2.13's `torchrun` gives processes that it starts again the store of those before, with their old addresses.
    this_round = f"unspool/{os.environ.get('TORCHELASTIC_RESTART_COUNT', 0)}/{size}"
    wait = timedelta(seconds=seconds)
    try:
        store, *_ = next(iter(rendezvous("env://", timeout=wait)))
        distributed.init_process_group(
            backend,
            store=distributed.PrefixStore(this_round, store),  # type: ignore[attr-defined]
            rank=rank,
            world_size=size,
            timeout=wait,
        )
    except (RuntimeError, ValueError) as error:
        where = f"{os.environ['MASTER_ADDR']}:{os.environ['MASTER_PORT']}"
        raise ParallelError(
            f"`rank {rank}` must meet all {size} ranks at {where} within {seconds:g} s, but did not "
            f"({str(error).splitlines()[0]}); see whether all were started and can reach that address"
        ) from error


def _leave() -> None:
    """Destroy the group, once its threads do nothing any more.

    One of gloo's lets go of a tensor some time after all have heard of it, and waits for the interpreter to do so
    (torch 2.13). If Python ends meanwhile, the process is aborted; if the group's memory is freed, it may never end.
    """
    time.sleep(_MOMENT)
    distributed.destroy_process_group()


def _device() -> torch.device:
    if not torch.cuda.is_available():
        return torch.device("cpu")
    place, count = int(os.environ.get("LOCAL_RANK", 0)), torch.cuda.device_count()
    if place >= count:
        raise ParallelError(
            f"`--nproc-per-node` must be at most the {count} GPUs of this machine, but there is a process {place + 1}; "
            "start fewer, or set CUDA_VISIBLE_DEVICES= to compute on the CPU"
        )
    torch.cuda.set_device(place)
    return torch.device("cuda", place)


def _seconds() -> float:
    text = os.environ.get("UNSPOOL_TIMEOUT", "")
    try:
        seconds = float(text) if text else _SECONDS
    except ValueError:
        seconds = 0.0
    if not seconds > 0:
        raise ParallelError(f"`UNSPOOL_TIMEOUT` must be a number of seconds above 0, but is {text!r}")
    return seconds


def _speak_only_if_first(rank: int) -> None:
    """What all ranks would say alike, one says; errors are told by whoever meets them."""
    if rank:
        logging.getLogger("unspool").setLevel(logging.ERROR)
        warnings.simplefilter("ignore")
