"""Of a recipe: where examples come from, and what is in their columns."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, Tag, WithJsonSchema, model_validator

from unspool.recipes.media import MEDIA, MediaSpec
from unspool.recipes.section import ImportedSpec, Section, by_kind
from unspool.recipes.values import Columns, Levels, Names, Share, Size


def _several(value: Any) -> tuple[Any, ...]:
    several = tuple(value) if isinstance(value, list | tuple) else (value,)
    if not several or not all(isinstance(each, str | int | float) for each in several):
        raise ValueError(f"must be a value, or a list of at least one, but is {value!r}")
    return several


_VALUE = [{"type": kind} for kind in ("string", "number", "boolean")]
Values = Annotated[
    tuple[str | int | float | bool, ...],
    BeforeValidator(_several),
    WithJsonSchema({"anyOf": [*_VALUE, {"type": "array", "items": {"anyOf": _VALUE}, "minItems": 1}]}),
]
"""A value that a column can have, or several."""
ByColumn = dict[str, Values]


class PartsSpec(Section):
    """Files of each part, inside of `data.path`; a part without any can be cut by `split`."""

    train: Names = ()
    """File or pattern (`train*.csv`; `train.{column}.gz` for parallel lines), or several, of the training examples."""
    valid: Names = ()
    """The same of the examples that choose the best checkpoint."""
    test: Names = ()
    """The same of the examples that only `evaluate` sees."""


class RowsSpec(Section):
    """Rows to take: those whose columns have one of these values each; all is named as in the file."""

    all: ByColumn = {}
    """Of every part."""
    train: ByColumn = {}
    """Of the training examples, before `split` cuts them; for its columns in place of `all`."""
    valid: ByColumn = {}
    """The same of the examples that choose the best checkpoint, where they have files of their own."""
    test: ByColumn = {}
    """The same of the examples that only `evaluate` sees."""


class SplitSpec(Section):
    """Parts cut by a hash of one column: the same value is always in the same part."""

    by: str | None
    """The column whose values are kept together; null: by place, first rows for training, last ones for testing."""
    valid: Share = 0.02
    """Share of the values for validation."""
    test: Share = 0.1
    """Share of the values for testing; 0 where the test part has files of its own."""
    salt: str = ""
    """Any text; another one gives another cut."""

    @model_validator(mode="after")
    def _something_is_left(self) -> SplitSpec:
        if self.valid + self.test >= 1:
            raise ValueError(f"must leave examples to train on, but takes {self.valid:g} + {self.test:g} of them")
        return self


class PeriodsSpec(Section):
    """Parts cut by the dates of a column, as texts such as `2014-01-02` or `2014`: what comes later is not learned."""

    by: str
    """The column."""
    begin: str | None = None
    """Where training begins; null: with the first row."""
    valid: str
    """Where validation begins, and training has ended."""
    test: str | None = None
    """Where testing begins, and validation has ended; null: there is no test part."""
    end: str | None = None
    """Where all ends; null: with the last row."""


class DialoguesSpec(Section):
    """Rows that are dialogues: each reply becomes a row with columns `history` and `turn`, after parts are cut."""

    turns: str = "turns"
    """The column that lists what was said, turn by turn."""
    history: Size = 3
    """The most turns before a reply that are its history, a line each."""


class GatherSpec(Section):
    """A column more: in its first line what a row asks for, then what the training part tells of the same thing."""

    into: str
    """What the new column is called."""
    same: str
    """The column whose value makes rows tell of one thing, as a concept."""
    by: str
    """The column that says which of several things is told of it, as a language."""
    of: str
    """The column that holds what is told, as a name; never that of a row's own `by`."""
    near: str | None = None
    """A column whose value variants of a thing share: after the first line about a row's own thing stand examples, what
    similar other things are called by the same `by`; null: no examples."""
    examples: Annotated[int, Field(ge=1)] = 1
    """How many such lines, each of another value of `near`: the most similar thing, then what adds most to it."""
    first: list[str] = []
    """Values of `by` that are told before others, in this order, and that examples are told beside."""


class TransposeSpec(Section):
    """Music in other keys: the training part has each piece up and down by every number of semitones up to one."""

    column: str
    """The column that holds the music, as lists of steps of pitches."""
    semitones: Annotated[int, Field(ge=1, le=12)] = 5
    """How far up and down."""


class DataSpec(Section):
    """Where examples come from, and which are for training, validation and testing."""

    source: Names = ()
    """A data set by name (`cmudict`, `hub:owner/name`), or several, of which the first that can be reached is taken."""
    path: str | None = None
    """A file or a folder of your own, as seen from where the command runs; goes before `source`."""
    format: (
        Literal[
            "csv",
            "tsv",
            "jsonl",
            "parquet",
            "lines",
            "trees",
            "babi",
            "emoji",
            "acts",
            "sphinx",
            "arrays",
            "strokes",
            "mnist",
            "chorales",
            "prices",
            "files",
        ]
        | None
    ) = None
    """What the files hold (trees: phrases of a sentiment treebank; babi: questions about stories; emoji: a column a
    language; acts: dialogue acts in JSON; sphinx: transcriptions of recordings; arrays: a row an index of `.npz`;
    strokes: drawings of sketch-rnn; mnist: pictures of digits; chorales: music in JSON; prices: days of stocks in CSV;
    files: a row a file, columns in its name); null: what their suffix says."""
    columns: Columns = None
    """Columns to take, or `{name here: name in the file}`; all of them, in order, for files that do not name them."""
    header: bool | None = None
    """Whether the first line of CSV and TSV files names the columns; null: it does where it holds those asked for."""
    parts: PartsSpec | None = None
    """Files of each part in the folder `path`; not looked at where `source` is read."""
    rows: RowsSpec | None = None
    """Rows to take, as in `{test: {span: sentence}}`, also by columns that are not taken; null: all. Of files only
    where there are `parts`."""
    values: dict[str, ByColumn] = {}
    """Names for values, by column: `{value here: values in the file}`, as in `{label: {positive: [3, 4]}}`. Of files
    only where there are `parts`."""
    delexicalise: dict[str, str] = {}
    """Texts to read with tokens of slots for values, by column: `{text: act}` where `act` holds their dialogue acts."""
    files: dict[str, str] = {}
    """Columns that name files, with the folder they are in, as `{image: images}`; as seen from that of `path`, and not
    looked at where `source` is read."""
    split: SplitSpec | None = None
    """How to cut parts that have no files of their own; null: as the source is usually cut, files not at all. With
    `parts`, not looked at where a source is read that has its own."""
    periods: PeriodsSpec | None = None
    """How to cut parts by dates, in place of `split`."""
    dialogues: DialoguesSpec | None = None
    """Where a row is a dialogue: which column lists its turns, and how many of them are a reply's history."""
    gather: GatherSpec | None = None
    """A column to add that tells what the training part knows of the same thing, as its names in other languages."""
    transpose: TransposeSpec | None = None
    """Music in other keys as well, in the training part."""
    skip_broken: Share = 0.0
    """The largest share of a part's rows that may be left out since their files are broken, which is said; 0: the first
    broken file ends it, and all are named."""

    def arguments(self) -> dict[str, Any]:
        """What to call `unspool.data.load` with."""
        given = {name: getattr(self, name) for name in type(self).model_fields if name != "skip_broken"}
        given["source"] = self.source or None
        named = {name: files for name, files in self.parts or () if files}
        given["parts"] = (named or None) if self.path is not None else None
        of_files = self.path is not None or self.parts is None
        given["rows"] = {part: columns for part, columns in self.rows or () if columns and of_files} or None
        given["values"] = (of_files and self.values) or None
        given["delexicalise"] = self.delexicalise or None
        given["files"] = (self.path is not None and self.files) or None
        for name in ("split", "periods", "dialogues", "gather", "transpose"):
            given[name] = None if given[name] is None else given[name].model_dump()
        if not of_files and self._comes_in_parts:
            given["split"] = None
        return given

    @property
    def _comes_in_parts(self) -> bool:
        """Whether whatever is read of `source` has its parts."""
        from unspool.data import NAMED  # which brings pyarrow along

        return all(name in NAMED and NAMED[name].split is None for name in self.source)

    @model_validator(mode="after")
    def _somewhere(self) -> DataSpec:
        if self.path is None and not self.source:
            raise ValueError("must say where examples come from: needs `source` or `path`")
        if self.split is not None and self.periods is not None:
            raise ValueError("must be cut by `split` or by `periods`, but has both")
        return self


class TextSpec(Section):
    """Text, as a sequence of whole numbers."""

    kind: Literal["text"] = "text"
    """`text`, `label`, `labels`, `number`, `quantiles`, `act`, `audio`, `series`, `image`, `regions`, `rows`, `video`,
    `notes`, `chords`, `strokes`, or an import path (`mypkg.fields:MyField`) with `options`."""
    unit: Literal["characters", "words", "bpe"] = "characters"
    """What one step of the sequence stands for; words are what blanks divide, bpe is learned from the data."""
    size: Annotated[int, Field(ge=4)] | None = None
    """The most entries of the vocabulary, the three special ones included; null: all. bpe needs it."""
    min_count: Size = 1
    """Rarer units are unknown."""
    lowercase: bool = False
    """Whether to learn from lower-cased text."""
    split_punctuation: bool = False
    """Of words: whether signs are words of their own; outputs have them joined again."""
    lines: bool = False
    """Of inputs: whether the model sees where a line ends, as between the turns of a dialogue."""
    max_length: Size | None = None
    """The most units that are read of a text, the first ones; how many texts are cut is said. Null: all."""
    vocabulary: str | None = None
    """Another field whose vocabulary this one shares, learned from both; all but `lines`, `max_length` and `vectors` is
    then as in that field."""

    vectors: str | None = None
    """Of inputs: a file of word vectors of others that the embedding starts with (text or binary, as GloVe, fastText or
    word2vec write them), as wide as `model.embedding_size`; null: random ones."""

    @model_validator(mode="after")
    def _unit_fits(self) -> TextSpec:
        if self.unit == "bpe" and self.size is None and self.vocabulary is None:
            raise ValueError("must have a `size` where `unit` is bpe, as in `size: 8000`")
        if self.split_punctuation and self.unit != "words":
            raise ValueError(f"must have words as `unit` to have `split_punctuation`, but has {self.unit}")
        if self.vectors is not None and self.unit == "bpe":
            raise ValueError("must have words or characters as `unit` to have `vectors`, but has bpe")
        return self


class LabelSpec(Section):
    """One of several classes: those of the training part."""

    kind: Literal["label"]
    """`label`, or another kind."""


class LabelsSpec(Section):
    """Any of several labels, or none."""

    kind: Literal["labels"]
    """`labels`, or another kind."""
    separator: Annotated[str, Field(min_length=1)] = ","
    """What stands between two labels."""
    names: Names = ()
    """What labels are called that are numbers from 0 on in the data."""


class NumberSpec(Section):
    """A number."""

    kind: Literal["number"]
    """`number`, or another kind."""


class QuantilesSpec(Section):
    """A number of which quantiles are told, from low to high."""

    kind: Literal["quantiles"]
    """`quantiles`, or another kind."""
    levels: Levels = (0.1, 0.5, 0.9)
    """Shares of what comes that lie below each, rising; the middle one is what a line of a picture shows."""


class ActSpec(Section):
    """A dialogue act, as a vector of what it asks to be said."""

    kind: Literal["act"]
    """`act`, or another kind."""


_KINDS = {
    "text": "TextSpec",
    "label": "LabelSpec",
    "labels": "LabelsSpec",
    "number": "NumberSpec",
    "quantiles": "QuantilesSpec",
    "act": "ActSpec",
    **MEDIA,
}
FieldSpec = Annotated[
    Annotated[TextSpec, Tag("TextSpec")]
    | Annotated[LabelSpec, Tag("LabelSpec")]
    | Annotated[LabelsSpec, Tag("LabelsSpec")]
    | Annotated[NumberSpec, Tag("NumberSpec")]
    | Annotated[QuantilesSpec, Tag("QuantilesSpec")]
    | Annotated[ActSpec, Tag("ActSpec")]
    | MediaSpec
    | Annotated[ImportedSpec, Tag("ImportedSpec")],
    by_kind("text", _KINDS),
]
