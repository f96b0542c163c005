"""One of several ranks that use runs, started by `torchrun`.

`python use.py RUN OTHER` evaluates the first, and has it predict, alone and together with the other.
"""

import sys

import pytest

from unspool import cli, parallel

if __name__ == "__main__":
    folder, other = sys.argv[1:]
    commands = [
        ["evaluate", folder, "--json"],
        ["predict", folder, "--scores", "decode.txt"],
        ["predict", folder, "--with", other, "decode.txt"],
    ]
    with parallel.joined():
        for command in commands:
            with pytest.raises(SystemExit) as left:
                cli.main(command)
            assert left.value.code in (0, None), command
