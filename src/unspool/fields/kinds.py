"""The kinds of fields, by the names under which they are saved."""

import difflib
from collections.abc import Mapping
from typing import Any

from unspool.errors import FieldError
from unspool.fields.act import ActField
from unspool.fields.audio import AudioField
from unspool.fields.base import Field
from unspool.fields.chords import ChordsField
from unspool.fields.image import ImageField
from unspool.fields.label import LabelField
from unspool.fields.labels import LabelsField
from unspool.fields.notes import NotesField
from unspool.fields.number import NumberField
from unspool.fields.quantiles import QuantilesField
from unspool.fields.regions import RegionsField
from unspool.fields.rows import RowsField
from unspool.fields.series import SeriesField
from unspool.fields.strokes import StrokesField
from unspool.fields.text import TextField
from unspool.fields.video import VideoField

KINDS: dict[str, type[Field]] = {
    field.kind: field
    for field in (
        TextField,
        LabelField,
        LabelsField,
        NumberField,
        QuantilesField,
        ActField,
        AudioField,
        SeriesField,
        ImageField,
        RegionsField,
        RowsField,
        VideoField,
        NotesField,
        ChordsField,
        StrokesField,
    )
}


def load(saved: Mapping[str, Any]) -> Field:
    """The field that `Field.to_json` saved, of whichever kind.

    Args:
        saved: the JSON object; its `kind` is a name in `KINDS`.

    Raises:
        FieldError: no object, a kind that is not known, or JSON that its class did not write.

    Example:
        >>> field = TextField("words")
        >>> field.fit(["to be or not to be"])
        >>> load(field.to_json()).encode("to be")
        tensor([4, 3])
    """
    if not isinstance(saved, Mapping) or "kind" not in saved:
        raise FieldError(
            "`saved` must be a JSON object with a `kind`, as `Field.to_json` writes it, "
            f"but is {_short(saved)}; pass what `to_json` returned"
        )
    kind = saved["kind"]
    if not isinstance(kind, str) or kind not in KINDS:
        nearest = difflib.get_close_matches(str(kind), KINDS, 1, 0)[0]
        raise FieldError(
            f"`kind` must be one of {', '.join(KINDS)}, but is {kind!r} (nearest: `{nearest}`); "
            "a kind of your own goes into `unspool.fields.KINDS` first"
        )
    return KINDS[kind].from_json(saved)


def _short(saved: object) -> str:
    return f"one with the keys {sorted(map(str, saved))}" if isinstance(saved, Mapping) else f"a {type(saved).__name__}"
