"""What `torchrun --max-restarts` starts again goes on with the run that it had begun."""

from __future__ import annotations

import os
import socket

from unspool.errors import RunError
from unspool.runs.folder import Folder


def this_job() -> str | None:
    """A name for the `torchrun` that has started this process, the same when it starts it again; None: there is none.

    Its `--rdzv-id`; on one machine that often is "none", so the process of `torchrun` itself comes with it.
    """
    name = os.environ.get("TORCHELASTIC_RUN_ID")
    alone = os.environ.get("GROUP_WORLD_SIZE", "1") == "1"
    return f"{name} {socket.gethostname()} {os.getppid()}" if name is not None and alone else name


def begun_by_this_job(folder: Folder) -> bool:
    """Whether this process was started again, and the run in the folder is the one that it had begun."""
    if int(os.environ.get("TORCHELASTIC_RESTART_COUNT", 0)) == 0:
        return False
    try:
        return folder.about().get("job") == this_job()
    except RunError:
        return False
