"""Fields: columns of a table as tensors, and back."""

from unspool.fields.act import ActField as ActField
from unspool.fields.base import Field as Field
from unspool.fields.kinds import KINDS as KINDS
from unspool.fields.kinds import load as load
from unspool.fields.label import LabelField as LabelField
from unspool.fields.labels import LabelsField as LabelsField
from unspool.fields.number import NumberField as NumberField
from unspool.fields.text import TextField as TextField
from unspool.tokens import END as END
from unspool.tokens import START as START
from unspool.tokens import UNKNOWN as UNKNOWN
