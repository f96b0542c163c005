"""What a recipe asks of CTC, alone and beside a decoder."""

from typing import Any

import pytest
import torch

from unspool import Ragged, recipes
from unspool.data import Batch
from unspool.decode import by_risk, ctc_score
from unspool.errors import RecipeError
from unspool.fields import SeriesField, TextField
from unspool.metrics import chrf_among
from unspool.models import CTCNetwork, JointNetwork, ctc_loss
from unspool.tasks import SequenceObjective, SequenceToSequence
from unspool.tasks.sequence_objective import JointObjective
from unspool.tokens import UNKNOWN

IDS = torch.tensor([7, 9])
SMALL: dict[str, Any] = {"cell": "GRU", "hidden_size": 5}
CTC: dict[str, Any] = {"kind": "ctc", "encoder": SMALL, "front": {"channels": [4], "time_stride": 2}}
JOINT = {
    "kind": "encoder-decoder", "ctc": 0.3, "embedding_size": 4, "encoder": SMALL, "decoder": SMALL,
    "attention": {"kind": "general"}, "front": {"channels": [4], "time_stride": 2},
}  # fmt: skip


def task(model: dict[str, Any], **train: Any) -> SequenceToSequence:
    recipe = recipes.load(
        {
            "data": {"path": "x"},
            "inputs": {"sound": {"kind": "series"}},
            "outputs": {"text": {"kind": "text", "unit": "characters"}},
            "model": model,
            "train": {"steps": 1, "label_smoothing": 0.1, **train},
        }
    )
    fields: dict[str, Any] = {"sound": SeriesField(), "text": TextField("characters")}
    fields["sound"].fit([[[0.0, 1.0], [2.0, -1.0]]])
    fields["text"].fit(["abc"])
    return SequenceToSequence(recipe, fields)


def made(asked: SequenceToSequence) -> Any:
    torch.manual_seed(0)
    model = asked.build(longest_target=4).eval()
    with torch.no_grad():
        for each in model.parameters():
            each += 0.3 * torch.randn_like(each)
    return model


def batch() -> Batch:
    torch.manual_seed(1)
    sound = Ragged(torch.randn(14, 2), [9, 5], ids=IDS)
    return Batch({"sound": sound, "text": Ragged(torch.tensor([3, 4, 4, 5]), [3, 1], ids=IDS)}, IDS)


def test_ctc_is_an_objective_in_nats_smoothed_in_training_only() -> None:
    asked, given = task(CTC), batch()
    model = made(asked)
    assert isinstance(model, CTCNetwork)
    for training, smoothing in ((True, 0.1), (False, 0.0)):
        objective = asked.objective(model, training=training)
        assert type(objective) is SequenceObjective
        wanted = ctc_loss(model(given["sound"]), given["text"], smoothing)
        torch.testing.assert_close(objective.totals(given)["tokens"], wanted)
    parts = given.split(2)
    assert sum(objective.weights(part)["tokens"] for part in parts) == objective.weights(given)["tokens"]
    torch.testing.assert_close(sum(objective.totals(part)["tokens"] for part in parts), wanted)


@pytest.mark.parametrize("beam", [1, 4])
def test_what_ctc_says_has_its_probability_and_no_unknown_tokens(beam: int) -> None:
    asked, given = task(CTC), batch()
    model = made(asked)
    with torch.no_grad():
        model.output.bias[UNKNOWN] += 1
    how = asked.recipe.decode.model_copy(update={"beam": beam})
    together = asked.hypotheses(model, given, [None, None], how)
    for row, (best, *_) in enumerate(together):
        assert UNKNOWN not in best.tokens.tolist()
        ((alone, *_),) = asked.hypotheses(model, given.select([row]), [None], how)
        assert torch.equal(alone.tokens, best.tokens)
        if beam > 1:  # of all paths; greedy's is that of one
            loss = ctc_loss(model(given["sound"].select([row])), Ragged(best.tokens, [len(best.tokens)]))
            assert -best.log_probability == pytest.approx(float(loss.detach()), rel=1e-4)
    (answer, _) = asked.predict(model, [[[0.0, 1.0]] * 8, [[1.0, -1.0]] * 3], how, n_best=2)
    assert len(answer.n_best) == 2
    assert "⁇" not in answer.text


def test_two_losses_are_shares_of_one_objective() -> None:
    asked, given = task(JOINT), batch()
    model = made(asked)
    assert isinstance(model, JointNetwork)
    objective = asked.objective(model)
    assert isinstance(objective, JointObjective)
    assert objective.scales == {"tokens": pytest.approx(0.7), "ctc": pytest.approx(0.3)}
    assert objective.weights(given) == {"tokens": 6.0, "ctc": 4.0}
    totals = objective.totals(given)
    encoded = model.encode(given["sound"])
    torch.testing.assert_close(totals["ctc"], ctc_loss(encoded.memory.map(model.spelling), given["text"]))
    torch.testing.assert_close(totals["tokens"], model.loss(given["sound"], given["text"], smoothing=0.1))
    parts = given.split(2)
    for name in totals:
        torch.testing.assert_close(sum(objective.totals(part)[name] for part in parts), totals[name])
        assert sum(objective.weights(part)[name] for part in parts) == objective.weights(given)[name]


def test_only_the_decoder_is_measured() -> None:
    asked, given = task(JOINT), batch()
    model = made(asked)
    objective = asked.objective(model, training=False)
    assert type(objective) is SequenceObjective
    torch.testing.assert_close(objective.totals(given)["tokens"], model.loss(given["sound"], given["text"]))


def test_no_token_at_all_weighs_nothing() -> None:
    asked = task(JOINT)
    empty = Batch({"sound": batch()["sound"], "text": Ragged(torch.zeros(0, dtype=torch.int64), [0, 0], ids=IDS)}, IDS)
    objective = asked.objective(made(asked))
    assert objective.weights(empty) == {"tokens": 2.0, "ctc": 0.0}
    assert all(torch.isfinite(each) for each in objective.totals(empty).values())


def test_outputs_of_what_is_no_text_are_as_long_as_training_says() -> None:
    asked, given = task(JOINT), batch()
    made(asked)
    how = asked.recipe.decode
    assert asked.limit(given, how).tolist() == [7, 7]  # half as long again as the longest, and one
    assert asked.limit(given, how.model_copy(update={"max_length": 2})).tolist() == [2, 2]


def test_by_risk_outputs_weigh_by_what_both_say() -> None:
    asked, sounds = task(JOINT), [[[0.0, 1.0]] * 8, [[1.0, -1.0]] * 6]
    model = made(asked)
    how = asked.recipe.decode.model_copy(update={"beam": 6, "ctc": 0.9})
    plain = asked.predict(model, sounds, how, n_best=6)
    careful = asked.predict(model, sounds, how.model_copy(update={"risk": "chrf"}), n_best=6)
    for each, answer in zip(plain, careful, strict=True):
        texts, scores = [one.text for one in each.n_best], [one.score for one in each.n_best]
        assert [one.text for one in answer.n_best] == [texts[place] for place in by_risk(texts, scores, chrf_among)]
        assert scores != [one.log_probability for one in each.n_best]


def test_ctc_reads_none_of_its_own_outputs() -> None:
    asked = task(CTC, scheduled_sampling=0.5)
    with pytest.raises(RecipeError) as error:
        asked.objective(made(asked))
    assert str(error.value) == (
        "`train.scheduled_sampling` must be 0 for a model that does not read its own outputs, but is 0.5, and "
        "`CTCNetwork.loss` takes no `sampling`"
    )


def test_of_a_joint_network_ctc_proposes_and_both_rank() -> None:
    asked, given = task(JOINT), batch()
    model = made(asked)
    by_both = asked.recipe.decode.model_copy(update={"ctc": 0.5, "beam": 4})
    for row, (best, *_) in enumerate(asked.hypotheses(model, given, [None, None], by_both)):
        assert UNKNOWN not in best.tokens.tolist()
        one = given.select([row])
        target = Ragged(best.tokens, torch.tensor([len(best.tokens)]))
        attended = float(model.score(one["sound"], target))
        assert best.log_probability == pytest.approx(attended, rel=1e-4)
        with torch.no_grad():
            logs = model.spelled(model.encode(one["sound"])).map(lambda step: step.log_softmax(1))
        logs.values[:, UNKNOWN] = -torch.inf
        assert best.score == pytest.approx(0.5 * attended + 0.5 * float(ctc_score(logs, target)), rel=1e-3)
    drawn = asked.hypotheses(model, given, [None, None], by_both.model_copy(update={"sample": True}))
    assert all(one.score == one.log_probability for one, *_ in drawn)


def test_ctc_ranks_nothing_that_did_not_learn_it() -> None:
    with pytest.raises(RecipeError, match=r"`decode.ctc` must be 0 where `model.ctc` is 0"):
        recipes.load("translate", ["decode.ctc=0.3"])


@pytest.mark.parametrize("key", ["max_length", "no_repeat_ngram"])
@pytest.mark.parametrize(
    ("recipe", "changes", "where"),
    [
        ("transcribe", [], "`model.kind` is ctc"),
        ("pronounce", ["model={kind: plain}"], "`model.kind` is plain"),
        ("describe", ["decode.ctc=0.5"], "`decode.ctc` is above 0"),
    ],
)
def test_what_is_not_written_token_by_token_is_not_steered_so(
    recipe: str, changes: list[str], where: str, key: str
) -> None:
    with pytest.raises(RecipeError) as error:
        recipes.load(recipe, [*changes, f"decode.{key}=3"])
    assert str(error.value).endswith(
        f": `decode.{key}` must be null where {where}: outputs are not written token by token there"
    )


def test_what_is_drawn_of_a_joint_network_is_written_token_by_token() -> None:
    how = recipes.load("describe", ["decode.ctc=0.5", "decode.sample=true", "decode.max_length=3"]).decode
    asked = task(JOINT)
    drawn = asked.hypotheses(made(asked), batch(), [None, None], how)
    assert all(len(one.tokens) <= 3 for one, *_ in drawn)
