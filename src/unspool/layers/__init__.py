"""Layers: cells of cells, and what runs over whole sequences."""

from unspool.layers.augmentation import Jitter as Jitter
from unspool.layers.augmentation import Masking as Masking
from unspool.layers.checkpointed import Checkpointed as Checkpointed
from unspool.layers.contrast import Deltas as Deltas
from unspool.layers.contrast import Standardised as Standardised
from unspool.layers.convolution import StepConvolution as StepConvolution
from unspool.layers.convolution import StepFeatures as StepFeatures
from unspool.layers.convolution import convolutions as convolutions
from unspool.layers.convolution import regions as regions
from unspool.layers.directions import Bidirectional as Bidirectional
from unspool.layers.directions import BothStates as BothStates
from unspool.layers.directions import Layers as Layers
from unspool.layers.dropout import Dropout as Dropout
from unspool.layers.dropout import Zoneout as Zoneout
from unspool.layers.dropout import ZoneoutState as ZoneoutState
from unspool.layers.from_torch import from_torch as from_torch
from unspool.layers.from_torch import to_torch as to_torch
from unspool.layers.normalisation import SequenceNorm as SequenceNorm
from unspool.layers.normalisation import StepNorm as StepNorm
from unspool.layers.pace import Pace as Pace
from unspool.layers.stack import Residual as Residual
from unspool.layers.stack import Stack as Stack
from unspool.layers.time import TimeConvolution as TimeConvolution
from unspool.layers.time import TimePooling as TimePooling
