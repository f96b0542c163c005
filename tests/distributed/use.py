"""One of several ranks that use a run, started by `torchrun`: `python use.py RUN` evaluates it and predicts."""

import sys

import pytest

from unspool import cli, parallel

if __name__ == "__main__":
    folder = sys.argv[1]
    with parallel.joined():
        for command in (["evaluate", folder, "--json"], ["predict", folder, "--scores", "decode.txt"]):
            with pytest.raises(SystemExit) as left:
                cli.main(command)
            assert left.value.code in (0, None), command
