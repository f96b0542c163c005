"""What a step adds to the memory of a process of its own (Linux: it is read from /proc)."""

import ctypes
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any


def in_a_fresh_process(script: str, request: Any) -> float:
    """MB that a script prints when it is called with `--peak REQUEST`, the request as JSON."""
    command = [sys.executable, script, "--peak", json.dumps(request)]
    return float(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)


def added_by(step: Callable[[], object]) -> float:
    """MB by which this process's memory peaks, while a step runs, above what it held before."""
    ctypes.CDLL(None).malloc_trim(0)  # what was freed but is still held would be used again, and not be counted
    Path("/proc/self/clear_refs").write_text("5")  # forget the peak so far
    before = _resident("VmRSS")
    step()
    return _resident("VmHWM") - before


def _resident(what: str) -> float:
    """MB of this process in memory: now (VmRSS), or at most (VmHWM)."""
    status = Path("/proc/self/status").read_text()
    return int(status.split(f"{what}:")[1].split()[0]) / 1024
