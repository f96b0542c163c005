"""A linear map that an `update` applies itself."""

from torch import nn


class RecurrentMap(nn.Linear):
    """`weight x`, orthogonal at the start, for what travels through time inside an `update`.

    Args:
        in_features: columns of `weight`.
        out_features: rows of `weight`.
    """

    def __init__(self, in_features: int, out_features: int) -> None:
        super().__init__(in_features, out_features, bias=False)

    def reset_parameters(self) -> None:
        nn.init.orthogonal_(self.weight)
