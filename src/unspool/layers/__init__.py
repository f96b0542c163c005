"""Layers: cells of cells, and what runs over whole sequences."""

from unspool.layers.augmentation import Jitter as Jitter
from unspool.layers.augmentation import Masking as Masking
from unspool.layers.convolution import StepConvolution as StepConvolution
from unspool.layers.convolution import StepFeatures as StepFeatures
from unspool.layers.convolution import StepNorm as StepNorm
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
from unspool.layers.stack import Residual as Residual
from unspool.layers.stack import Stack as Stack
from unspool.layers.time import TimeConvolution as TimeConvolution
from unspool.layers.time import TimePooling as TimePooling
