"""One thread a process: tests run side by side, and two threads each would wait for one another's cores."""

import logging
import os
import shutil
import signal

import hypothesis
import pytest
import torch

from unspool.engine.native import compiler

torch.set_num_threads(1)

# A shell makes what it starts in the background deaf to Ctrl-C, and so all that comes of it; tests press it.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# How long an example takes is the machine's affair, and that of the tests beside it.
hypothesis.settings.register_profile("unhurried", deadline=None)
hypothesis.settings.load_profile("unhurried")

# Hundreds of cells are compiled: in half the time. What is compiled as for users is tested too, see `as_for_users`.
_QUICKLY = "-O0 -fuse-ld=gold" if shutil.which("ld.gold") else "-O0"
os.environ.setdefault("UNSPOOL_CXXFLAGS", _QUICKLY)


# PyTorch tells this logger of each step of tracing, with the whole stack, as soon as anyone listens; and pytest listens
# to every logger that does not propagate.
_traces = logging.getLogger("torch.__trace")
_traces.handlers.clear()
_traces.propagate = True


def pytest_configure(config: pytest.Config) -> None:
    """Warnings are errors, but not the one which says that this machine has no compiler."""
    if compiler.compiler() is None:
        config.addinivalue_line("filterwarnings", "ignore:recurrences run on slower engines")
