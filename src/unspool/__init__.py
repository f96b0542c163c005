"""Unspool: recurrent networks over sequences of any length, with no work on padding and no trace of it.

batch = unspool.Ragged.from_padded(x, lengths)
outputs, final = unspool.unroll(unspool.cells.LSTM(64, 128), batch)
"""

from unspool import cells as cells
from unspool import data as data
from unspool import decode as decode
from unspool import engine as engine
from unspool import errors as errors
from unspool import fields as fields
from unspool import layers as layers
from unspool import metrics as metrics
from unspool import models as models
from unspool import parallel as parallel
from unspool import randomness as randomness
from unspool import recipes as recipes
from unspool import state as state
from unspool import training as training
from unspool import unrolling as unrolling
from unspool.cells import Cell as Cell
from unspool.cells import GatedCell as GatedCell
from unspool.layers import Bidirectional as Bidirectional
from unspool.layers import Checkpointed as Checkpointed
from unspool.layers import Dropout as Dropout
from unspool.layers import Layers as Layers
from unspool.layers import Residual as Residual
from unspool.layers import Stack as Stack
from unspool.layers import TimeConvolution as TimeConvolution
from unspool.layers import TimePooling as TimePooling
from unspool.layers import Zoneout as Zoneout
from unspool.layers import from_torch as from_torch
from unspool.layers import to_torch as to_torch
from unspool.padded import Padded as Padded
from unspool.ragged import Ragged as Ragged
from unspool.runs import Run as Run
from unspool.runs import load as load
from unspool.runs import train as train
from unspool.unrolling import Unrolled as Unrolled
from unspool.unrolling import unroll as unroll

__version__ = "0.1.0"
