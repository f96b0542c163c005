"""What a recipe says of a network, as the networks take it."""

from unspool.models import Augment, Front
from unspool.recipes import FrontSpec
from unspool.tasks.described import front_of


def test_what_a_recipe_has_below_the_encoder_is_handed_on_whole() -> None:
    assert front_of(FrontSpec()) == Front(
        channels=(), time=(3,), time_stride=(1,), space_stride=(2,), pool="flatten", dropout=0.0, augment=Augment()
    )
    spec = FrontSpec.model_validate(
        {"channels": (4, 5), "time": (5, 3), "pool": "mean", "dropout": 0.1, "augment": {"times": 2, "flip": True}}
    )
    assert front_of(spec) == Front(
        channels=(4, 5), time=(5, 3), time_stride=(1,), space_stride=(2,), pool="mean", dropout=0.1,
        augment=Augment(times=2, flip=True),
    )  # fmt: skip
