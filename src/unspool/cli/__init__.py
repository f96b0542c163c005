"""The command line: train, evaluate, predict; recipes, data, doctor.

What is heavy is imported where a command needs it, so that `unspool --help` answers at once.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

from unspool.cli.commands import app


def main(arguments: Sequence[str] | None = None) -> None:
    """What `unspool` runs: exit code 0, 2 for a mistake that a message explains, 130 after Ctrl-C.

    A training that Ctrl-C ends keeps everything and exits with 0.
    """
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(encoding="utf-8", errors="backslashreplace")  # as of a file's name that is none
    # A script finds its own folder first; one's own cells lie where the command was typed.
    if os.getcwd() not in sys.path:
        sys.path.insert(0, os.getcwd())
    typed = sys.argv[1:] if arguments is None else list(arguments)
    app(args=typed, obj=typed)
