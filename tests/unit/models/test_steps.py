"""Networks that read vectors and pictures over time."""

from __future__ import annotations

import pytest
import torch

from unspool.cells import GRU
from unspool.decode import greedy
from unspool.errors import ModelError
from unspool.layers import Bidirectional, Jitter, Layers, Masking, Pace
from unspool.models import (
    Augment,
    ClassHead,
    CTCNetwork,
    EncoderDecoder,
    FeaturesOf,
    Front,
    JointNetwork,
    PictureOf,
    RegionEncoder,
    SequenceOf,
    StepEncoder,
    StepFront,
    StepsOf,
    ctc_loss,
    ctc_network,
    encoder_decoder,
    encoder_with_head,
)
from unspool.models.reader import PictureReader
from unspool.ragged import Ragged
from unspool.randomness import using

SOUND = Front(channels=(12, 10), time=(5, 3), time_stride=(2, 1), augment=Augment(times=1, bands=1, band_width=2))
CLIP = Front(channels=(4, 8), time=(3,), time_stride=(1, 2), pool="mean", augment=Augment(shift=1, flip=True))


def sounds(lengths: list[int], seed: int = 0) -> Ragged:
    generator = torch.Generator().manual_seed(seed)
    return Ragged(torch.randn(sum(lengths), 7, generator=generator), lengths=lengths)


def clips(lengths: list[int], seed: int = 0) -> Ragged:
    generator = torch.Generator().manual_seed(seed)
    return Ragged(torch.randint(256, (sum(lengths), 1, 8, 6), generator=generator, dtype=torch.uint8), lengths=lengths)


def targets(lengths: list[int], size: int) -> Ragged:
    return Ragged(torch.randint(3, size, (sum(lengths),), generator=torch.Generator().manual_seed(1)), lengths=lengths)


def test_a_stride_in_time_shortens_the_memory() -> None:
    encoder = StepEncoder(StepFront((7,), SOUND), Layers(Bidirectional(GRU(10, 5), GRU(10, 5))))
    memory = encoder.eval()(sounds([9, 0, 4])).memory
    assert (memory.lengths.tolist(), memory.values.shape, encoder.memory_size) == ([5, 0, 2], (7, 10), 10)


@pytest.mark.parametrize("kind", ["sounds", "clips"])
def test_a_batch_of_one_equals_its_row_and_a_neighbour_s_nan_leaves_no_trace(kind: str) -> None:
    source, shape, front = (sounds([9, 4, 6]), (7,), SOUND) if kind == "sounds" else (clips([9, 4, 6]), (1, 8, 6), CLIP)
    below = StepFront(shape, front)
    encoder = StepEncoder(below, Layers(GRU(below.output_size, 5)))
    with using(seed=0, step=3):
        whole = encoder(source).memory
        alone = encoder(source.select([1])).memory
    torch.testing.assert_close(whole.select([1]).values, alone.values)
    if kind == "sounds":
        values = source.values.clone()
        values[:9] = torch.nan
        with using(seed=0, step=3):
            spoiled = encoder(source.with_values(values)).memory
        torch.testing.assert_close(spoiled.select([1, 2]).values, whole.select([1, 2]).values)


def test_bytes_of_pictures_become_numbers_from_minus_one_to_one() -> None:
    front = StepFront((1, 8, 6), Front(channels=(4,))).eval()
    source = clips([3])
    torch.testing.assert_close(
        front(source).values, front(source.with_values(source.values.float() / 127.5 - 1)).values
    )


def test_steps_and_features_are_numbers_as_precise_as_the_network_s() -> None:
    torch.manual_seed(0)
    columns = {"sound": StepsOf((7,)), "clip": StepsOf((1, 8, 6)), "x": FeaturesOf(2)}
    front = Front(channels=(4,))
    model = encoder_with_head(columns, lambda size: ClassHead(size, 4), hidden_size=8, front=front).eval()
    batch = {"sound": sounds([5, 3]), "clip": clips([2, 4]), "x": torch.randn(2, 2)}
    single, names = model(batch, torch.arange(2)).scores, set(model.state_dict())
    double = model.double()(batch, torch.arange(2)).scores
    assert (single.dtype, double.dtype) == (torch.float32, torch.float64)
    torch.testing.assert_close(double.float(), single)
    assert not any("nothing" in name for name in names)


def test_augmentation_is_of_the_kind_that_the_steps_are() -> None:
    def kinds(augment: Augment, shape: tuple[int, ...]) -> list[type]:
        return [type(layer) for layer in augment.layer(shape) or ()]

    assert kinds(SOUND.augment, (7,)) == [Masking]
    assert kinds(CLIP.augment, (1, 8, 6)) == [Jitter]
    assert kinds(Augment(pace=0.1, bands=1), (7,)) == [Pace, Masking]
    assert kinds(Augment(pace=0.1, shift=1), (1, 8, 6)) == [Pace, Jitter]
    assert Augment().layer((7,)) is None
    for augment, shape, message in (
        (
            Augment(shift=2),
            (7,),
            "`augment` of vectors must be by times and bands, but is by shift, flip and brightness; leave those out",
        ),
        (
            Augment(times=2),
            (1, 8, 6),
            "`augment` of pictures must be by shift, flip and brightness, but is by times and bands; leave those out",
        ),
    ):
        with pytest.raises(ModelError) as error:
            augment.layer(shape)
        assert str(error.value) == message


@pytest.mark.parametrize("reads", [RegionEncoder, PictureReader])
def test_a_picture_has_no_time_to_be_seen_against(reads: type) -> None:
    for front in (Front((4,), standardised=True), Front((4,), deltas=1)):
        with pytest.raises(ModelError, match=r"^`front.standardised` and `front.deltas` must be off where"):
            reads(StepFront((3, 8, 6), front, pool="grid"))
    with pytest.raises(ModelError) as error:
        reads(StepFront((3, 8, 6), Front((4,), augment=Augment(pace=0.5, shift=1)), pool="grid"))
    assert str(error.value) == "`front.augment.pace` must be 0 where a picture is read, which has no time"


def test_changes_over_time_are_more_features_of_a_step() -> None:
    front = StepFront((7,), Front(standardised=True, deltas=2))
    assert front.output_size == 21
    assert front.eval()(sounds([3, 5])).values.shape == (8, 21)


def test_what_does_not_fit_is_named() -> None:
    with pytest.raises(ModelError, match=r"^`front.channels` must name at least one block where steps are pictures"):
        StepFront((1, 8, 6), Front())
    with pytest.raises(
        ModelError, match=r"^`front.time` must be one number, or one for each of the 3 blocks, but has 2$"
    ):
        StepFront((7,), Front(channels=(1, 2, 3), time=(3, 3)))
    with pytest.raises(ModelError, match=r"^`bridge` must be mean where a picture is read, which has no last step"):
        encoder_decoder(PictureOf((3, 16, 16)), 20, front=Front(channels=(8,)))
    with pytest.raises(ModelError, match=r"^`ctc` must be 0 where tokens are copied from the source, but is 0.3$"):
        encoder_decoder(20, 20, copying=True, ctc=0.3)


def test_a_picture_is_read_region_by_region() -> None:
    model = encoder_decoder(
        PictureOf((3, 16, 12)), 20, hidden_size=8, front=Front(channels=(4, 8)), bridge="mean", dropout=0.0
    ).eval()
    pictures = Ragged(torch.randint(256, (2, 3, 16, 12), dtype=torch.uint8), lengths=[1, 1])
    encoded = model.encode(pictures)
    assert (encoded.memory.lengths.tolist(), encoded.memory.values.shape) == ([12, 12], (24, 8))
    found = greedy(model, encoded, max_length=5, attention=True)
    assert all(each.attention is not None and each.attention.shape[1] == 12 for each in found)


def test_sounds_are_written_down_by_attention_as_ids_are() -> None:
    model = encoder_decoder(StepsOf((7,)), 20, hidden_size=8, front=SOUND, dropout=0.0).eval()
    source, target = sounds([9, 4]), targets([3, 2], 20)
    assert model(source, target).values.shape == (7, 20)
    alone = model(source.select([1]), target.select([1]))
    torch.testing.assert_close(model(source, target).select([1]).values, alone.values)


def test_a_joint_network_has_the_losses_of_both() -> None:
    torch.manual_seed(0)
    joint = encoder_decoder(StepsOf((7,)), 20, hidden_size=8, front=SOUND, dropout=0.0, ctc=0.3).eval()
    assert isinstance(joint, JointNetwork)
    source, target = sounds([19, 12]), targets([3, 2], 20)
    attended, spelled = joint.losses(source, target)
    torch.testing.assert_close(attended, EncoderDecoder.loss(joint, source, target))
    scores = joint.encode(source).memory.map(joint.spelling)
    torch.testing.assert_close(spelled, ctc_loss(scores, target))
    spelled.backward()
    assert all(each.grad is not None for name, each in joint.named_parameters() if name.startswith("encoder"))


def test_a_ctc_network_says_its_target_with_time_to_spare() -> None:
    torch.manual_seed(0)
    model = ctc_network(StepsOf((7,)), 9, hidden_size=16, front=Front(channels=(12,), time_stride=(2,)), dropout=0.0)
    assert isinstance(model, CTCNetwork)
    source, target = sounds([20, 13]), targets([3, 2], 9)
    adam = torch.optim.Adam(model.parameters(), 0.01)
    for _ in range(60):
        adam.zero_grad()
        model.loss(source, target).backward()
        adam.step()
    assert model.loss(source, target).item() < 0.5


def test_clips_and_pictures_stand_beside_other_columns() -> None:
    columns = {"clip": StepsOf((1, 8, 6)), "word": SequenceOf(30), "picture": PictureOf((1, 8, 6))}
    model = encoder_with_head(
        columns, lambda size: ClassHead(size, 4), hidden_size=8, front=CLIP, pooling="mean"
    ).eval()
    words = targets([3, 2], 30)
    batch = {"clip": clips([5, 3]), "word": words, "picture": clips([1, 1])}
    scores = model(batch, words.ids).scores
    second = {name: column.select([1]) for name, column in batch.items()}
    torch.testing.assert_close(scores[1:], model(second, words.ids[1:]).scores)
