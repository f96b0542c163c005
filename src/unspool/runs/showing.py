"""What a trained model does with examples, as pictures and music in the folder of its run."""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from itertools import groupby
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from unspool.data import Batch
from unspool.decode import ctc_alignment
from unspool.fields import (
    AudioField,
    ImageField,
    LabelField,
    RegionsField,
    RowsField,
    SeriesField,
    StrokesField,
    TextField,
    VideoField,
    write_midi,
)
from unspool.fields.notes import MusicField
from unspool.models import CTCNetwork, RegionEncoder
from unspool.ragged import Ragged
from unspool.runs.fans import show_fan, shows_fan
from unspool.runs.preparing import Prepared
from unspool.runs.questions import questions
from unspool.runs.run import Run
from unspool.tasks import Prediction, SequenceToSequence
from unspool.tasks.asking import by_column
from unspool.tasks.seq2seq import sought
from unspool.training import pictures, plots

_OPENING = 8  # steps of a piece that are given
_DRAWINGS, _OF_A_CLASS = 20, 2
_LONGEST_TITLE = 100


class _Example(NamedTuple):
    """A validation example.

    Fields:
        asked: the raw value of each column that is read.
        answer: what the model says, with its attention where it has any.
        right: a right answer.
    """

    asked: dict[str, Any]
    answer: Prediction
    right: str

    @property
    def title(self) -> str:
        return _short(f"told: {self.answer.text}, right: {self.right}")


def show(run: Run, made: Prepared) -> None:
    """Draw what a run does with validation examples, whatever its fields are.

        is read                is written      plots/
        sound or series        text, by CTC    spectrogram.png, with the tokens above their frames
        a picture              text            caption.png, with where each word looked; where it has attention
        a clip                 any             frames.png, with what was told
        any of steps           any             attention.png, where it has attention
        a piece's first steps  music           roll.png, and predictions/sample.mid, which can be heard
        any                    quantiles       fan.png, with what came
        days of prices         their movement  fan.png, of what days with such movements made of a price in training
        an opening, or nothing a text          predictions/sample.txt, how it goes on
        any                    a drawing       drawings.png, of strokes drawings.svg, too; of each class two

    Without matplotlib only music and text are kept.

    Args:
        run: trained.
        made: what it was trained on.
    """
    target = run.fields[run.task.target]
    show_it = _show_music if isinstance(target, MusicField) else _show_example
    if isinstance(target, RowsField | StrokesField):
        show_it = _show_drawings
    if shows_fan(run, made):
        show_it = show_fan
    if isinstance(target, TextField) and not run.task.sources:
        show_it = _show_text
    show_it(run, made)


def _show_example(run: Run, made: Prepared) -> None:
    """The first question of the validation part, its answer, and how the model came to it."""
    if not (_draws() and run.task.sources):
        return
    asked = questions(made.tables["valid"], run.task, 1)
    (answer,) = run.predict(asked.inputs, attention=True)
    values = {name: column[0] for name, column in by_column(run.task.sources, asked.inputs).items()}
    example = _Example(values, answer, asked.answers[0][0])
    column = next((name for name in run.task.sources if run.fields[name].shape == "sequence"), run.task.sources[0])
    source = run.fields[column]
    if isinstance(source, AudioField | SeriesField) and isinstance(run.model, CTCNetwork):
        _draw_alignment(run, column, example)
    if isinstance(source, VideoField):
        clip = source.decode(source.encode(values[column]))
        pictures.film_strip(clip, run.folder.plots / "frames.png", example.title)
    if answer.attention is not None:
        _draw_attention(run, column, example, answer.attention)


def _draw_attention(run: Run, column: str, example: _Example, weights: Tensor) -> None:
    source, value = run.fields[column], example.asked[column]
    told = [*_pieces(run.fields[run.task.target], example.answer.text), "end"][: len(weights)]
    encoder = getattr(run.model, "encoder", None)
    if isinstance(source, ImageField) and isinstance(encoder, RegionEncoder):
        features: Any = encoder.front.features
        picture = source.decode(source.encode(value))
        pictures.caption(picture, told, weights, features.shape[1:], run.folder.plots / "caption.png")
        return
    if isinstance(source, RegionsField):
        pictures.caption(source.pixels(value), told, weights, source.grid, run.folder.plots / "caption.png")
        return
    frames = isinstance(source, AudioField | SeriesField | VideoField)
    tokens = None if frames else _steps(source, value, weights.shape[1])
    plots.attention_map(weights, tokens, told, run.folder.plots / "attention.png")


def _draw_alignment(run: Run, column: str, example: _Example) -> None:
    """The tokens that the model says, each where the best of the paths that say them has it."""
    task, model, ids = run.task, run.model, torch.arange(1)
    assert isinstance(task, SequenceToSequence)
    frames = run.fields[column].encode(example.asked[column])
    batch = Batch({column: Ragged.from_list([frames], ids)}, ids).to(next(model.parameters()).device)
    asked, how, decode = example.asked[column], run.recipe.decode, run.fields[task.target].decode
    found = task.hypotheses(model, batch, [asked], how, n_best=sought(how, 1))[0]
    tokens = next(each.tokens for each in found if task.as_text(asked, decode(each.tokens)) == example.answer.text)
    with torch.no_grad():
        scores = model(task.source(batch)).map(lambda step: step.float().log_softmax(1))
    places = ctc_alignment(scores, Ragged.from_list([tokens], ids)).values.tolist()
    encoder: Any = model.encoder
    told = _each_token(run.fields[task.target], tokens)
    spoken = spans(places, told, encoder.front.time_stride, len(frames))
    pictures.spectrogram(frames, spoken, run.folder.plots / "spectrogram.png", example.title)


def spans(places: Sequence[int], tokens: Sequence[str], stride: int, frames: int) -> list[pictures.Spoken]:
    """When tokens were said.

    Args:
        places: which token each step says, -1 for none: see `ctc_alignment`.
        tokens: in their order.
        stride: frames of a step.
        frames: how many there are; the last step may be of fewer than `stride`.

    Example:
        >>> spans([-1, 0, 0, -1, 1], ["a", "b"], 2, 9)
        [Spoken(text='a', begin=2, end=6), Spoken(text='b', begin=8, end=9)]
    """
    found = []
    for place, steps in groupby(range(len(places)), key=places.__getitem__):
        first, *others = steps
        last = others[-1] if others else first
        if place >= 0:
            found.append(pictures.Spoken(tokens[place], first * stride, min((last + 1) * stride, frames)))
    return found


def _show_music(run: Run, made: Prepared) -> None:
    """A piece that goes on from the first steps of one of the validation part, and that one itself."""
    task, field = run.task, run.fields[run.task.target]
    assert isinstance(field, MusicField)
    piece = field.steps_of(made.tables["valid"][0][task.target])
    opening = [] if task.sources else piece[:_OPENING]
    asked = questions(made.tables["valid"], task, 1).inputs if task.sources else [opening]
    (answer,) = task.predict(run.model, asked, run.recipe.decode)
    written = field.steps_of(answer.text)
    if _draws():
        path, titles = run.folder.plots / "roll.png", ["written", "of the validation part"]
        pictures.piano_roll([written, piece], path, opening=len(opening), titles=titles)
    run.folder.predictions.mkdir(parents=True, exist_ok=True)
    write_midi(run.folder.predictions / "sample.mid", written, steps_per_beat=field.steps_per_beat)


def _show_text(run: Run, made: Prepared) -> None:
    """What is written where nothing is read."""
    (answer,) = run.task.predict(run.model, [""], run.recipe.decode)
    run.folder.write("predictions/sample.txt", f"{answer.text}\n")


def _show_drawings(run: Run, made: Prepared) -> None:
    """Some drawings: of each class, where a class is what is read, or what the validation part asks for."""
    if not _draws():
        return
    task, field = run.task, run.fields[run.task.target]
    asked, titles = _to_draw(run, made)
    drawn = [each.text for each in task.predict(run.model, asked, run.recipe.decode)]
    if isinstance(field, RowsField):
        empty = np.zeros((field.height, field.width), np.uint8)
        found = [np.asarray(each, np.uint8) if each else empty for each in drawn]
        pictures.picture_grid(found, run.folder.plots / "drawings.png", titles)
        return
    for suffix in ("png", "svg"):
        pictures.stroke_grid(drawn, run.folder.plots / f"drawings.{suffix}", titles)


def _to_draw(run: Run, made: Prepared) -> tuple[list[Any], list[str]]:
    """What is asked for, and a title for each. Without columns to read, each is asked for by nothing."""
    task = run.task
    only = run.fields[task.sources[0]] if len(task.sources) == 1 else None
    if isinstance(only, LabelField):
        names = only.names[: _DRAWINGS // _OF_A_CLASS]
        asked = [name for name in names for _ in range(_OF_A_CLASS)]
        return list(asked), asked
    found = questions(made.tables["valid"], task, _DRAWINGS).inputs if task.sources else [{}] * _DRAWINGS
    return found, [""] * len(found)


def _draws() -> bool:
    return importlib.util.find_spec("matplotlib") is not None


def _steps(field: Any, value: Any, count: int) -> list[str]:
    """What the steps of a text that were weighed are: its lines, where there are as many, or its tokens and the end."""
    found = value.split("\n") if isinstance(value, str) else []
    return found if len(found) == count else [*_pieces(field, value), "end"]


def _pieces(field: Any, value: Any) -> list[str]:
    """A text's tokens, each as text; what is no sequence is one."""
    return [str(value)] if field.shape == "vector" else _each_token(field, field.encode(value))


def _each_token(field: Any, tokens: Tensor) -> list[str]:
    found = [str(field.decode(token.reshape(1))) for token in tokens]
    return [each.strip() or "␣" for each in found] if isinstance(field, TextField) else found


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _LONGEST_TITLE else f"{line[: _LONGEST_TITLE - 1]}…"
