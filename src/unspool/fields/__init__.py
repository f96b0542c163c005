"""Fields: columns of a table as tensors, and back."""

from unspool.fields.act import ActField as ActField
from unspool.fields.audio import AudioField as AudioField
from unspool.fields.base import Field as Field
from unspool.fields.chords import ChordsField as ChordsField
from unspool.fields.image import ImageField as ImageField
from unspool.fields.kinds import KINDS as KINDS
from unspool.fields.kinds import load as load
from unspool.fields.label import LabelField as LabelField
from unspool.fields.labels import LabelsField as LabelsField
from unspool.fields.midi import read_midi as read_midi
from unspool.fields.midi import write_midi as write_midi
from unspool.fields.notes import NotesField as NotesField
from unspool.fields.number import NumberField as NumberField
from unspool.fields.quantiles import QuantilesField as QuantilesField
from unspool.fields.regions import RegionsField as RegionsField
from unspool.fields.rows import RowsField as RowsField
from unspool.fields.series import SeriesField as SeriesField
from unspool.fields.strokes import StrokesField as StrokesField
from unspool.fields.svg import to_svg as to_svg
from unspool.fields.text import TextField as TextField
from unspool.fields.video import VideoField as VideoField
from unspool.tokens import END as END
from unspool.tokens import START as START
from unspool.tokens import UNKNOWN as UNKNOWN
