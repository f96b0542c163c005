"""One small training that many tests look at, and a cache of their own."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from unit.runs.toy import toy, write_words

from unspool import Run, cli, runs


@pytest.fixture(scope="package", autouse=True)
def _cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("UNSPOOL_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="package")
def words(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_words(tmp_path_factory.mktemp("data") / "words.tsv")


@pytest.fixture(scope="package")
def trained(words: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Not to be changed."""
    return runs.train(toy(words), tmp_path_factory.mktemp("runs") / "toy")


class Result(NamedTuple):
    code: int
    out: str
    err: str

    @property
    def message(self) -> str:
        """The one message that a mistake ends with."""
        assert self.code == 2, self
        assert "Traceback" not in self.err
        assert self.err.count("error: ") == 1
        return self.err[self.err.index("error: ") :].removeprefix("error: ").rstrip("\n")


@pytest.fixture
def unspool_(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Callable[..., Result]:
    """The command line, in this process and an empty folder."""
    monkeypatch.chdir(tmp_path)

    def called(*arguments: str | Path) -> Result:
        capsys.readouterr()
        with pytest.raises(SystemExit) as left:
            cli.main([str(argument) for argument in arguments])
        return Result(int(left.value.code or 0), *capsys.readouterr())

    return called
