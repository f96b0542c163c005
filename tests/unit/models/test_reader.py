"""Columns read into one vector, and answers told from it."""

import pytest
import torch
from torch import nn

from unspool import Ragged, randomness
from unspool.cells import GRU, LSTM
from unspool.errors import ModelError
from unspool.layers import Bidirectional
from unspool.models import (
    ClassHead,
    Encoded,
    EncoderWithHead,
    FeatureReader,
    FeaturesOf,
    LabelReader,
    LinesOf,
    OneOf,
    PositionPooling,
    Reader,
    SequenceOf,
    encoder_with_head,
    reader,
)
from unspool.models.lines import distinct, lines_of
from unspool.models.pooling import POOLINGS
from unspool.tokens import END, with_end

LENGTHS = [3, 0, 1, 5]


def head(size: int) -> ClassHead:
    return ClassHead(size, 3)


def source() -> Ragged:
    torch.manual_seed(1)
    return Ragged(torch.randint(3, 9, (sum(LENGTHS),)), LENGTHS, ids=[7, 8, 9, 10])


def stories() -> tuple[list[list[list[int]]], Ragged]:
    """Rows of lines of ids: several lines, an empty one, one alone, none."""
    rows = [[[4, 5], [], [6]], [[7, 8, 3]], [[]], [[3], [4, 4]]]
    flat = [[i for number, line in enumerate(row) for i in ([END] if number else []) + line] for row in rows]
    return rows, Ragged.from_list([torch.tensor(row, dtype=torch.int64) for row in flat])


def some(columns: dict[str, object], rows: list[int]) -> dict[str, object]:
    return {name: each.select(rows) if isinstance(each, Ragged) else each[rows] for name, each in columns.items()}


def test_lines_are_what_stands_between_ends() -> None:
    rows, tokens = stories()
    lines, counts = lines_of(with_end(tokens))
    assert counts.tolist() == [3, 1, 1, 2]
    assert [line.tolist() for line in lines.split()] == [[*line, END] for row in rows for line in row]
    assert lines.ids.tolist() == [0, 0, 0, 1, 2, 3, 3]


def test_columns_lie_side_by_side() -> None:
    found = Reader({"colour": LabelReader(3, 4), "size": FeatureReader(2)})
    columns = {"colour": torch.tensor([2, 0]), "size": torch.tensor([[1, 2], [3, 4]])}
    vector = found(columns).vector
    assert torch.equal(vector[:, :4], found.readers[0].embedding.weight[[2, 0]])
    assert vector[:, 4:].tolist() == [[1.0, 2.0], [3.0, 4.0]]
    assert found.output_size == 6


@pytest.mark.parametrize("lines", ["encoder", "positions"])
@pytest.mark.parametrize("hops", [0, 2])
@pytest.mark.parametrize("cell", [LSTM, GRU])
def test_a_row_of_several_columns_alone_or_in_company_is_told_the_same(hops: int, cell: type, lines: str) -> None:
    torch.manual_seed(0)
    sizes = {"story": LinesOf(9, "words"), "question": SequenceOf(9, "words"), "place": OneOf(4), "x": FeaturesOf(2)}
    model = encoder_with_head(
        sizes, head, embedding_size=4, hidden_size=5, cell=cell, pooling=["max", "last"], hops=hops, lines=lines
    )
    model.eval()
    columns = {"story": stories()[1], "question": source(), "place": torch.tensor([3, 0, 1, 1]), "x": torch.randn(4, 2)}
    together = model(columns, torch.arange(4)).scores
    assert together.shape == (4, 3)
    for row in range(4):
        alone = model(some(columns, [row]), torch.tensor([row])).scores
        torch.testing.assert_close(alone[0], together[row])


@pytest.mark.parametrize("pooling", [*POOLINGS, ["last", "max", "attention"]], ids=str)
def test_a_text_alone_or_in_company_is_told_the_same(pooling: str) -> None:
    torch.manual_seed(0)
    model = encoder_with_head(
        {"text": SequenceOf(9)}, head, embedding_size=4, hidden_size=5, num_layers=2, pooling=pooling
    )
    model.eval()
    together = model({"text": source()}, source().ids).scores
    for row in range(4):
        torch.testing.assert_close(
            model({"text": source().select([row])}, source().ids[row : row + 1]).scores[0], together[row]
        )


def test_the_end_is_read() -> None:
    torch.manual_seed(0)
    model = encoder_with_head(
        {"text": SequenceOf(9)}, head, embedding_size=4, hidden_size=5, pooling="attention", dropout=0.0
    )
    scores, weights = model({"text": Ragged(torch.tensor([4, 5]), [2])}, torch.tensor([0]))
    part = model.reader.readers[0]
    by_hand = part.pooling(part.encoder(Ragged(torch.tensor([4, 5, END]), [3])))
    assert weights.lengths.tolist() == [3]
    torch.testing.assert_close(scores, model.head(by_hand.vector))


@pytest.mark.parametrize("columns", [{"story": LinesOf(9)}, {"story": SequenceOf(9)}], ids=["lines", "steps"])
def test_hops_are_the_equations_of_a_loop_over_rows(columns: dict[str, object]) -> None:
    torch.manual_seed(0)
    found = reader({**columns, "question": SequenceOf(9)}, embedding_size=4, hidden_size=5, hops=2, cell=GRU).eval()
    given = {"story": stories()[1], "question": source()}
    told = found(given).vector
    for row, f in enumerate(found.steps(given["story"]).split()):
        q = found.asked(found.readers[0](given["question"].select([row])).vector)
        known = q.expand(len(f), -1)
        for layers, renewed in zip(found.passes, found.renewed, strict=True):
            pair = next(each for each in layers.layers if isinstance(each, Bidirectional))
            x = torch.cat([f * known, f, known], 1)
            back, h = [], []
            for cell, steps, outputs in ((pair.forward_cell, x, h), (pair.backward_cell, x.flip(0), back)):
                state = cell.initial_state(1)
                for step in steps:
                    output, state = cell(step[None], state)
                    outputs.append(output[0])
            known = renewed(torch.cat([torch.stack(h), torch.stack(back[::-1])], 1))
        torch.testing.assert_close(told[row], torch.cat([known[-1], q[0]]))


def test_a_line_is_the_sum_of_its_words_under_weights_of_their_positions() -> None:
    torch.manual_seed(0)
    found = reader(
        {"story": LinesOf(9, "words"), "question": SequenceOf(9, "words")},
        embedding_size=4,
        hidden_size=5,
        lines="positions",
    ).eval()
    rows, tokens = stories()
    vectors = found.readers[0].lines(tokens).values
    embedding, weight = found.readers[0].lines.encoder.embedding.weight, found.readers[0].lines.pooling.weight
    for vector, line in zip(vectors, [line for row in rows for line in row], strict=True):
        by_hand = sum(weight[i] * embedding[token] for i, token in enumerate([*line, END]))
        torch.testing.assert_close(vector, by_hand)
    assert found.readers[1].encoder.embedding is found.readers[0].lines.encoder.embedding
    assert found.readers[1].pooling.weight is not weight


def test_positions_beyond_the_last_share_its_weights() -> None:
    pooling = PositionPooling(2, positions=3)
    h = torch.randn(6, 2)
    vector = pooling(Encoded(Ragged(h, [5, 1]), ())).vector
    by_hand = (h[:5] * pooling.weight[[0, 1, 2, 2, 2]]).sum(0)
    torch.testing.assert_close(vector, torch.stack([by_hand, h[5] * pooling.weight[0]]))


def test_columns_of_one_vocabulary_share_an_embedding() -> None:
    shared = reader({"story": LinesOf(9, "words"), "question": SequenceOf(9, "words")}, embedding_size=4, hidden_size=5)
    apart = reader({"story": LinesOf(9), "question": SequenceOf(9)}, embedding_size=4, hidden_size=5)
    assert shared.readers[0].lines.encoder.embedding is shared.readers[1].encoder.embedding
    assert apart.readers[0].lines.encoder.embedding is not apart.readers[1].encoder.embedding


def test_dropout_is_drawn_for_the_example_and_not_for_its_place() -> None:
    torch.manual_seed(0)
    model = encoder_with_head({"text": SequenceOf(9)}, head, embedding_size=8, hidden_size=8, dropout=0.5).train()
    given = source()
    order = [3, 1, 0, 2]
    with randomness.using(seed=1, step=2):
        together = model({"text": given}, given.ids).scores
        turned = model({"text": given.select(order)}, given.ids[order]).scores
    torch.testing.assert_close(turned, together[order])
    assert not torch.allclose(together, model.eval()({"text": given}, given.ids).scores)


@pytest.mark.parametrize("pooling", ["mode", [], ["max", "mode"]])
def test_a_pooling_that_is_none_is_refused(pooling: object) -> None:
    with pytest.raises(ModelError, match="`pooling` must be one or more of last, mean, max, attention"):
        reader({"text": SequenceOf(9)}, pooling=pooling)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "columns", [{"text": SequenceOf(9)}, {"a": OneOf(2), "b": FeaturesOf(3)}], ids=["one", "no steps"]
)
def test_hops_need_something_to_look_up_and_something_to_look_for(columns: dict[str, object]) -> None:
    with pytest.raises(ModelError, match="`hops` need a sequence to look up and another column that says what for"):
        reader(columns, hops=2)  # type: ignore[arg-type]


def test_a_line_is_made_a_vector_in_one_of_two_ways() -> None:
    with pytest.raises(ModelError, match="`lines` must be one of encoder, positions, but is 'mean'"):
        reader({"story": LinesOf(9)}, lines="mean")


def test_nothing_to_read_is_refused() -> None:
    with pytest.raises(ModelError, match="`columns` must name at least one"):
        Reader({})


def test_an_encoder_with_a_head_is_made_of_its_parts() -> None:
    model = EncoderWithHead(Reader({"x": FeatureReader(2)}), ClassHead(2, 4))
    assert model({"x": torch.ones(3, 2)}, torch.arange(3)).scores.shape == (3, 4)
    assert isinstance(model.head.output, nn.Linear)


def test_distinct_lines_are_read_once_and_stand_for_all_of_their_like() -> None:
    generator = torch.Generator().manual_seed(3)
    lines = [torch.randint(3, 6, (int(n),), generator=generator) for n in torch.randint(4, (200,), generator=generator)]
    found, place = distinct(Ragged.from_list(lines))
    rows = [tuple(row.tolist()) for row in found.split()]
    assert len(rows) == len(set(rows)) == len({tuple(line.tolist()) for line in lines})
    assert [rows[i] for i in place.tolist()] == [tuple(line.tolist()) for line in lines]
    again, _ = distinct(Ragged.from_list(lines[::-1]))
    turned = [tuple(row.tolist()) for row in again.split()]
    assert set(zip(turned, again.ids.tolist(), strict=True)) == set(zip(rows, found.ids.tolist(), strict=True))


def test_lines_of_one_hash_are_all_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("unspool.models.lines._hashes", lambda lines: torch.zeros(lines.batch_size, dtype=torch.int64))
    given = Ragged(torch.tensor([5, 6, 7, 5, 6]), [2, 1, 2])
    found, place = distinct(given)
    assert torch.equal(found.values, given.values)
    assert place.tolist() == [0, 1, 2]


def test_masks_of_lines_belong_to_what_they_say() -> None:
    torch.manual_seed(0)
    model = encoder_with_head({"story": LinesOf(9)}, head, embedding_size=8, hidden_size=8, dropout=0.5).train()
    stories_ = Ragged(torch.tensor([4, 5, 2, 6, 4, 5, 2, 6, 7]), [4, 5], ids=[3, 9])
    with randomness.using(seed=1, step=2):
        together = model({"story": stories_}, stories_.ids).scores
        for row in (0, 1):
            alone = stories_.select([row])
            torch.testing.assert_close(model({"story": alone}, alone.ids).scores[0], together[row])
