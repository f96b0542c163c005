"""LSTM over images: convolutions in place of the products."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from unspool.cells.lstm import LSTM, LSTMState
from unspool.errors import CellError
from unspool.padded import Padded
from unspool.ragged import Ragged


class ConvLSTM(LSTM):
    """Convolutional LSTM: state and gates are images, both linear maps convolutions that keep their size.

    A step is (batch, input_size, height, width), its output (batch, hidden_size, height, width).

    Args:
        input_size: channels of an input image.
        hidden_size: channels of the output, the hidden state and the memory.
        kernel_size: height and width of the convolutions, odd.
        bias: whether the convolutions add biases.

    Reference:
        Shi et al. (2015), equation 3, without the peepholes, whose weights would fix the size of the images.
    """

    def __init__(self, input_size: int, hidden_size: int, *, kernel_size: int = 3, bias: bool = True) -> None:
        if kernel_size % 2 == 0:
            raise CellError(f"`kernel_size` must be odd, so that images keep their size, but is {kernel_size}")
        self.kernel_size = kernel_size
        super().__init__(input_size, hidden_size, bias=bias)

    def _build(self) -> None:
        kernel = (self.kernel_size, self.kernel_size)
        rows = 4 * self.hidden_size
        self.weight_input = nn.Parameter(torch.empty(rows, self.input_size, *kernel))
        self.weight_hidden = nn.Parameter(torch.empty(rows, self.hidden_size, *kernel))
        self.bias_input = nn.Parameter(torch.empty(rows)) if self.bias else None
        self.bias_hidden = nn.Parameter(torch.empty(rows)) if self.bias else None

    def project_input(self, x: Tensor) -> Tensor:
        """(n, input_size, height, width) -> (n, 4 · hidden_size, height, width)"""
        return F.conv2d(x, self.weight_input, self.bias_input, padding="same")

    def project_hidden(self, hidden: Tensor) -> Tensor:
        """(n, hidden_size, height, width) -> (n, 4 · hidden_size, height, width)"""
        assert self.weight_hidden is not None
        return F.conv2d(hidden, self.weight_hidden, self.bias_hidden, padding="same")

    def initial_state(
        self,
        batch_size: int,
        *,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
        image_size: tuple[int, int] = (1, 1),
    ) -> LSTMState:
        """Zeros of (batch_size, hidden_size, height, width); `unspool.unroll` reads `image_size` off its inputs."""
        like = self.weight_input
        shape = (batch_size, self.hidden_size, *image_size)
        zeros = torch.zeros(2, *shape, device=device or like.device, dtype=dtype or like.dtype)
        return LSTMState(*zeros.unbind())

    def initial_state_for(self, inputs: Ragged | Padded) -> LSTMState:
        height, width = inputs.values.shape[-2:]
        return self.initial_state(
            inputs.batch_size, device=inputs.device, dtype=inputs.values.dtype, image_size=(height, width)
        )
