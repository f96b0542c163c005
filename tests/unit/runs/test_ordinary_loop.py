"""Every part is of use without a recipe, in a loop of one's own."""

from itertools import islice
from pathlib import Path

import torch

from unspool import Ragged, data, decode, metrics, models, randomness
from unspool.fields import TextField


def test_an_ordinary_loop_learns_what_no_recipe_asked_for(words: Path) -> None:
    torch.manual_seed(0)
    tables = data.load(path=words, split={"by": "word", "valid": 0.1, "test": 0.1})
    fields = {"word": TextField("characters"), "phones": TextField("words")}
    for name, field in fields.items():
        field.fit(tables["train"].column(name))
    encoded = data.encode(tables["train"], fields)
    order = data.Order([encoded.lengths(name) for name in fields], tokens=100, seed=0)
    model = models.encoder_decoder(
        len(fields["word"]), len(fields["phones"]), embedding_size=24, hidden_size=24, attention="additive", dropout=0.1
    )
    optimiser = torch.optim.Adam(model.parameters(), lr=2e-2)

    losses = []
    for step, (_, rows) in enumerate(islice(order.from_cursor(), 220)):
        batch = encoded.batch(rows)
        source, target = batch["word"], batch["phones"]
        assert isinstance(source, Ragged)
        assert isinstance(target, Ragged)
        with randomness.using(seed=0, step=step):
            loss = model.loss(source, target) / (target.lengths + 1).sum()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    assert sum(losses[-10:]) < 0.25 * sum(losses[:10])

    model.eval()
    questions = list(tables["test"].column("word"))
    source = Ragged.from_list(fields["word"].encode_many(questions))
    with torch.no_grad():
        memory = model.encode(source)
    for found in (
        decode.greedy(model, memory, max_length=10),
        [best for best, *_ in decode.beam_search(model, memory, size=3, max_length=10)],
    ):
        answers = [fields["phones"].decode(each.tokens) for each in found]
        references = [[answer] for answer in tables["test"].column("phones")]
        assert metrics.METRICS["per"](answers, references).value < 40
