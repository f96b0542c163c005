"""Cells: one step of a recurrence each."""

from unspool.cells.base import Cell as Cell
from unspool.cells.conv_lstm import ConvLSTM as ConvLSTM
from unspool.cells.elman import Elman as Elman
from unspool.cells.gated import GatedCell as GatedCell
from unspool.cells.gated import Gates as Gates
from unspool.cells.gated import HiddenState as HiddenState
from unspool.cells.gru import GRU as GRU
from unspool.cells.gru import ResetBeforeGRU as ResetBeforeGRU
from unspool.cells.lstm import LSTM as LSTM
from unspool.cells.lstm import SCLSTM as SCLSTM
from unspool.cells.lstm import CoupledLSTM as CoupledLSTM
from unspool.cells.lstm import LayerNormLSTM as LayerNormLSTM
from unspool.cells.lstm import LSTMState as LSTMState
from unspool.cells.lstm import PeepholeLSTM as PeepholeLSTM
from unspool.cells.lstm import ProjectedLSTM as ProjectedLSTM
from unspool.cells.lstm import SCLSTMState as SCLSTMState
from unspool.cells.minimal import LinearCell as LinearCell
from unspool.cells.minimal import MinGRU as MinGRU
from unspool.cells.minimal import MinLSTM as MinLSTM
from unspool.cells.projection import RecurrentMap as RecurrentMap
