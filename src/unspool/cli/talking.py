"""Inputs typed at a terminal, each answered before the next."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress

import typer

from unspool.errors import UnspoolError


def talk(answer: Callable[[str, int], tuple[str, str]], turns: int = 0) -> None:
    """Ask for an input and answer it, until Ctrl-D; a mistake in one is told, and the next may be better.

    Args:
        answer: from an input and the number of inputs before it, to the output and how it is written.
        turns: of a dialogue that an input holds: what was said last, the new input included, a line each. 0: none.
    """
    known = f"It knows the last {turns} turns, yours included; " if turns > 1 else "One input a line; "
    said: deque[str] = deque(maxlen=max(turns, 1))
    for number, (line,) in enumerate(typed_lines(("",), known)):
        said.append(line)
        with told():
            text, written = answer("\n".join(said), number)
            typer.echo(written, nl=False)
            said.append(text)
            continue
        said.pop()  # what had no answer was not said


def interview(answer: Callable[[dict[str, str], int], tuple[str, str]], columns: Sequence[str]) -> None:
    """Ask for an input column by column and answer it, until Ctrl-D; a mistake in one is told.

    Args:
        answer: from an input and the number of inputs before it, to the output and how it is written.
        columns: their names. `\\n` ends a line within a value.
    """
    for number, values in enumerate(typed_lines(columns, r"`\n` ends a line of a text; ")):
        with told():
            asked = {name: value.replace(r"\n", "\n") for name, value in zip(columns, values, strict=True)}
            typer.echo(answer(asked, number)[1], nl=False)


def typed_lines(prompts: Sequence[str], known: str) -> Iterator[list[str]]:
    """A line typed after each prompt, again and again until Ctrl-D."""
    with suppress(ImportError):  # not on every system
        import readline  # noqa: F401  (it gives `input` its history)
    typer.echo(f"{known}Ctrl-D ends.", err=True)
    while True:
        try:
            found = [input(f"{prompt}> ") for prompt in prompts]
        except EOFError:
            typer.echo()
            return
        yield found


@contextmanager
def told() -> Iterator[None]:
    """A mistake is told, and all goes on."""
    try:
        yield
    except UnspoolError as error:
        typer.echo(f"error: {error}", err=True)
