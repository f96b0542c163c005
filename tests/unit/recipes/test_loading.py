"""Recipes by name, from files, from Python; and what is said of a mistake, word for word."""

import json
from pathlib import Path
from typing import Any

import pytest

from unspool import data, recipes
from unspool.baselines import BASELINES, FEATURE_BASELINES, LANGUAGE_MODELS
from unspool.errors import RecipeError
from unspool.metrics import LIKELIHOODS, METRICS, RECOGNITIONS
from unspool.recipes import EncoderDecoderSpec, Every, ImportedSpec, PlainSpec, TextSpec

SMALL: dict[str, Any] = {
    "data": {"path": "words.csv"},
    "inputs": {"word": {}},
    "outputs": {"phones": {"unit": "words"}},
    "train": {"epochs": 3},
    "metrics": ["wer"],
}

FILE = """\
data: {path: words.csv}
inputs:
  word: {unit: characters}
outputs:
  phones: {unit: words}
model:
  encoder:
    cell: GRU
    num_layers: 2
train:
  epochs: 3
  learning_rate: 1e-3
"""


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    Path("my.yaml").write_text(FILE)
    return Path("my.yaml")


@pytest.mark.parametrize("name", recipes.names())
def test_a_packaged_recipe_loads_and_equals_itself_written_out(name: str, tmp_path: Path) -> None:
    recipe = recipes.load(name)
    (tmp_path / "again.yaml").write_text(recipe.to_yaml(), encoding="utf-8")
    assert recipes.load(tmp_path / "again.yaml") == recipe
    assert recipes.load(json.loads(recipe.model_dump_json())) == recipe
    assert recipes.load(recipe) == recipe
    assert recipe.about


def test_the_same_in_a_file_and_in_python_is_equal(file: Path) -> None:
    inside = {
        "name": "my",  # a file gives its own
        "data": {"path": Path("words.csv")},
        "inputs": {"word": {"unit": "characters"}},
        "outputs": {"phones": {"unit": "words"}},
        "model": {"encoder": {"cell": "GRU", "num_layers": 2}},
        "train": {"epochs": 3, "learning_rate": 1e-3},
    }
    assert recipes.load("my.yaml") == recipes.load(file) == recipes.load(inside)


def test_what_is_given_is_there_and_the_rest_is_default(file: Path) -> None:
    recipe = recipes.load(file, ["train.betas=[0.8, 0.9]", "metrics=[wer, per]", "data.source=cmudict"])
    assert isinstance(recipe.model, EncoderDecoderSpec)
    assert (recipe.model.encoder.cell, recipe.model.encoder.num_layers, recipe.model.decoder.cell) == ("GRU", 2, "LSTM")
    assert (recipe.train.epochs, recipe.train.learning_rate, recipe.train.steps) == (3, 1e-3, None)
    assert recipe.train.betas == (0.8, 0.9)
    assert (recipe.train.tokens, recipe.train.examples) == (4096, None)
    assert recipe.train.validate_every == Every(1, "epochs")
    assert recipe.metrics == ("wer", "per")
    assert recipe.data.source == ("cmudict",)
    assert list(recipe.fields) == ["word", "phones"]


def test_a_number_of_examples_takes_the_place_of_the_token_budget() -> None:
    assert recipes.load(SMALL, ["train.examples=256"]).train.tokens is None


def test_overrides_leave_what_was_given_as_it_was() -> None:
    before = json.dumps(SMALL)
    recipes.load(SMALL, ["train.epochs=7", "inputs.word.lowercase=true"])
    assert json.dumps(SMALL) == before


def test_data_are_described_as_loading_them_asks_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UNSPOOL_CACHE", str(tmp_path / "cache"))
    for name in ("a1", "a2", "b"):
        (tmp_path / f"{name}.tsv").write_text("".join(f"{name}{row}\tX\n" for row in range(50)))
    spec = recipes.load(
        SMALL,
        [
            f"data.path={tmp_path}",
            "data.columns=[word, phones]",
            "data.header=false",
            "data.parts={train: [a1.tsv, a2.tsv], test: b.tsv}",
            "data.split={by: word, valid: 0.2, test: 0}",
        ],
    ).data
    tables = data.load(**spec.arguments())
    assert {name: table.columns for name, table in tables.items()} == dict.fromkeys(
        ("train", "valid", "test"), ("word", "phones")
    )
    assert len(tables["train"]) + len(tables["valid"]) == 100
    assert recipes.load(SMALL).data.arguments() == {
        "source": None,
        "path": "words.csv",
        "format": None,
        "columns": None,
        "header": None,
        "parts": None,
        "rows": None,
        "values": None,
        "delexicalise": None,
        "split": None,
        "periods": None,
        "dialogues": None,
        "files": None,
        "gather": None,
        "transpose": None,
    }
    talking = recipes.load(SMALL, ["data.dialogues={history: 2}"]).data.arguments()
    assert talking["dialogues"] == {"turns": "turns", "history": 2}
    renamed = recipes.load(SMALL, ["data.columns={word: spelling}", "data.parts={train: '*.csv'}"])
    assert renamed.data.arguments()["columns"] == {"word": "spelling"}
    assert renamed.data.arguments()["parts"] == {"train": ("*.csv",)}
    assert recipes.load(json.loads(renamed.model_dump_json())) == renamed


@pytest.mark.parametrize(
    ("data", "cut"),
    [
        ("{source: motions, parts: {train: a.npz}, split: {by: id}}", False),
        ("{source: [motions, digits], parts: {train: a.npz}, split: {by: id}}", False),
        ("{source: motions, split: {by: id}}", True),  # which ends with a message, as it should
        ("{source: cmudict, parts: {train: a.npz}, split: {by: id}}", True),
        ("{source: [motions, cmudict], parts: {train: a.npz}, split: {by: id}}", True),
        ("{source: 'hub:one/two', parts: {train: a.npz}, split: {by: id}}", True),
        ("{source: motions, path: folder, parts: {train: a.npz}, split: {by: id}}", True),
    ],
)
def test_a_source_that_comes_in_parts_is_not_cut_as_files_are(data: str, cut: bool) -> None:
    found = recipes.load(SMALL, [f"data={data}"]).data.arguments()["split"]
    assert (found is not None) == cut


def test_the_kind_decides_which_keys_there_are() -> None:
    assert isinstance(recipes.load(SMALL, ["model={kind: plain, embedding_size: 8}"]).model, PlainSpec)
    own = recipes.load(
        SMALL,
        [
            "inputs.word={kind: 'unspool.fields:TextField', options: {unit: bpe, deep: {a: [1, null]}}}",
            "model={kind: 'unspool.cells:LSTM'}",
            "metrics=[]",
        ],
    )
    assert own.inputs["word"] == ImportedSpec(
        kind="unspool.fields:TextField", options={"unit": "bpe", "deep": {"a": [1, None]}}
    )
    assert isinstance(own.model, ImportedSpec)
    assert isinstance(own.outputs["phones"], TextSpec)
    assert recipes.load(json.loads(own.model_dump_json())) == own


@pytest.mark.parametrize(
    ("key", "text", "count", "unit"),
    [
        ("validate_every", "1 epoch", 1, "epochs"),
        ("validate_every", "500 steps", 500, "steps"),
        ("checkpoint_every", "0.5 minutes", 0.5, "minutes"),
        ("checkpoint_every", "1 minute", 1, "minutes"),
    ],
)
def test_how_often_is_a_number_and_a_unit(key: str, text: str, count: float, unit: str) -> None:
    recipe = recipes.load(SMALL, [f"train.{key}={text}"])
    every = getattr(recipe.train, key)
    assert (every.count, every.unit, str(every)) == (count, unit, text)
    assert f"{key}: {text}\n" in recipe.to_yaml()
    assert recipes.load(recipe) == recipe


def test_a_recipe_does_not_change() -> None:
    with pytest.raises(ValueError, match="frozen"):
        recipes.load(SMALL).seed = 3


LIMIT = "needs `steps`, `epochs` or `minutes`, as in `epochs: 20`"

MISTAKES = {
    "unknown, near": (
        "train.learning_rat=1",
        "`train.learning_rat` is no key; did you mean `train.learning_rate`?",
    ),
    "unknown, initials": ("train.lr=1", "`train.lr` is no key; did you mean `train.learning_rate`?"),
    "unknown, far": (
        "data.zzz=1",
        "`data.zzz` is no key; there are `columns`, `delexicalise`, `dialogues`, `files`, `format`, `gather`, "
        "`header`, `parts`, `path`, "
        "`periods`, `rows`, `skip_broken`, `source`, `split`, `transpose`, `values`",
    ),
    "unknown, top": ("modle={}", "`modle` is no key; did you mean `model`?"),
    "unknown, in a field": (
        "inputs.word.units=words",
        "`inputs.word.units` is no key; did you mean `inputs.word.unit`?",
    ),
    "unknown, for this kind": (
        "model={kind: plain, encodre: {}}",
        "`model.encodre` is no key where `model.kind` is plain; did you mean `model.encoder`?",
    ),
    "unknown kind of model": (
        "model.kind=plan",
        "`model.kind` must be `encoder-decoder`, `ctc`, `plain`, `encoder`, `decoder`, `language-model` or an import "
        "path `module:name`, but is 'plan'; did you mean `plain`?",
    ),
    "a kind that is no text": (
        "inputs.word.kind=3",
        "`inputs.word.kind` must be `text`, `label`, ",
    ),
    "unknown cell": (
        "model.decoder.cell=LTSM",
        "`model.decoder.cell` must be a cell of `unspool.cells` or an import path `module:name`, but is 'LTSM'; "
        "did you mean `LSTM`?",
    ),
    "a cell that needs more than sizes": (
        "model.decoder.cell=ConvLSTM",
        "`model.decoder.cell` must be a cell of `unspool.cells` or an import path `module:name`, but is 'ConvLSTM'",
    ),
    "own cell": (
        "model.encoder.cell=unspool.cells:LTSM",
        "`model.encoder.cell`: `unspool.cells:LTSM` can't be imported: `unspool.cells` has no `LTSM`; "
        "did you mean `LSTM`?",
    ),
    "a choice": (
        "inputs.word.unit=word",
        "`inputs.word.unit` must be one of `characters`, `words`, `bpe`, but is 'word'; did you mean `words`?",
    ),
    "a choice or null": (
        "data.format=jsnl",
        "`data.format` must be one of `csv`, `tsv`, `jsonl`, `parquet`, `lines`, `trees`, `babi`, `emoji`, "
        "`acts`, `sphinx`, `arrays`, `strokes`, `mnist`, `chorales`, `prices`, `files`, or null, but is 'jsnl'; "
        "did you mean `jsonl`?",
    ),
    "too small": ("train.clip=-1", "`train.clip` must be a number above 0, or null, but is -1"),
    "too large": (
        "train.label_smoothing=1.0",
        "`train.label_smoothing` must be a number from 0 to below 1, but is 1.0",
    ),
    "up to": ("decode.top_p=2", "`decode.top_p` must be a number above 0, up to 1, or null, but is 2"),
    "no whole number": ("decode.beam=2.5", "`decode.beam` must be a whole number of at least 1, but is 2.5"),
    "text for a number": ("train.steps='3'", "`train.steps` must be a whole number of at least 1, or null, but is '3'"),
    "true for a number": (
        "seed=true",
        "`seed` must be a whole number from 0 to below 9223372036854775808, but is true",
    ),
    "no number at all": ("train.learning_rate=.nan", "`train.learning_rate` must be a number above 0, but is nan"),
    "no size of memory": (
        "train.memory=much",
        """`train.memory` must be bytes, a size such as "200MB", or "sqrt", but is 'much'""",
    ),
    "an endless number": ("train.minutes=.inf", "`train.minutes` must be a number above 0, or null, but is inf"),
    "a number for text": ("about=3", "`about` must be text, but is 3"),
    "text for true": ("model.tied_embeddings=yes", "`model.tied_embeddings` must be true or false, but is 'yes'"),
    "a column for columns": (
        "data.columns=word",
        "`data.columns` must be a list of names, or `{name here: name in the file}`, or null, but is 'word'",
    ),
    "an unknown part": ("data.parts={tset: a.csv}", "`data.parts.tset` is no key; did you mean `data.parts.test`?"),
    "one for a list": (
        "train.betas=0.9",
        "`train.betas` must be a list of 2, each a number from 0 to below 1, but is 0.9",
    ),
    "a short list": (
        "train.betas=[0.9]",
        "`train.betas.1` is missing: a number from 0 to below 1",
    ),
    "in a list": ("train.betas=[0.9, 3]", "`train.betas.1` must be a number from 0 to below 1, but is 3"),
    "a value for a section": ("decode=greedy", "`decode` must be keys with values, but is 'greedy'"),
    "null for a section": ("model.attention=", "`model.attention` must be keys with values, but is null"),
    "nothing to read": (
        "inputs={}",
        "`inputs` must name at least one column, or `model.kind` be decoder, which may read none",
    ),
    "no columns": ("outputs={}", "`outputs` must be keys with values, at least one, but is empty"),
    "missing": ("data={}", "`data` must say where examples come from: needs `source` or `path`"),
    "missing key": ("data.split={}", "`data.split.by` is missing: the column whose values are kept together"),
    "no limit": ("train.epochs=null", f"`train` must have a limit: {LIMIT}"),
    "how often": (
        "train.validate_every=500",
        "`train.validate_every` must be `1 epoch`, or steps such as `500 steps`, but is 500",
    ),
    "never": (
        "train.validate_every=0 steps",
        "`train.validate_every` must be `1 epoch`, or steps such as `500 steps`, but is '0 steps'",
    ),
    "another unit": (
        "train.checkpoint_every=2 epochs",
        "`train.checkpoint_every` must be minutes such as `10 minutes`, but is '2 epochs'",
    ),
    "bpe of any size": (
        "inputs.word.unit=bpe",
        "`inputs.word` must have a `size` where `unit` is bpe, as in `size: 8000`",
    ),
    "signs of characters": (
        "inputs.word.split_punctuation=true",
        "`inputs.word` must have words as `unit` to have `split_punctuation`, but has characters",
    ),
    "lines to write": (
        "outputs.phones={unit: words, lines: true}",
        "`outputs.phones.lines` must be false, since an output ends with its first line",
    ),
    "nothing left": (
        "data.split={by: word, valid: 0.5, test: 0.5}",
        "`data.split` must leave examples to train on, but takes 0.5 + 0.5 of them",
    ),
    "feeding": (
        "model.attention={kind: none, feeding: true}",
        "`model.attention` must be dot, general, additive or location attention to have `feeding`, but is none",
    ),
    "copying": (
        "model.attention={kind: none, copying: true}",
        "`model.attention` must be dot, general, additive, location or multihead attention to have `copying`, "
        "but is none",
    ),
    "unknown metric": ("metrics=[wer, blue]", "`metrics.1` must be a metric, but is 'blue'; did you mean `bleu`?"),
    "unknown baseline": (
        "baselines=[majorty]",
        "`baselines.0` must be a baseline, but is 'majorty'; did you mean `majority`?",
    ),
    "metric not measured": (
        "train.metric=bleu",
        "`train.metric` must be `loss` or one of `metrics` (`loss`, `wer`), but is 'bleu'",
    ),
    "no such vocabulary": (
        "inputs.word.vocabulary=phone",
        "`inputs.word.vocabulary` must be another text field with a vocabulary of its own (`phones`), but is 'phone'",
    ),
    "own vocabulary": (
        "inputs.word.vocabulary=word",
        "`inputs.word.vocabulary` must be another text field with a vocabulary of its own (`phones`), but is 'word'",
    ),
    "a borrowed vocabulary": (
        "outputs={phones: {vocabulary: letters}, letters: {vocabulary: word}}",
        "`outputs.phones.vocabulary` must be another text field with a vocabulary of its own (`word`), "
        "but is 'letters'",
    ),
    "a column twice": (
        "outputs.word={unit: words}",
        "`outputs.word` must be as in `inputs.word`, since a column is encoded once",
    ),
    "two lines": ("about='a\n\nb'", "`about` must be one line, but has several"),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_is_told_with_its_key_and_what_is_allowed(name: str) -> None:
    given, message = MISTAKES[name]
    with pytest.raises(RecipeError) as caught:
        recipes.load(SMALL, [given])
    text = str(caught.value)
    origin, _, told = text.partition(": ") if not text.startswith("override") else text.partition("`: ")
    assert origin in (f"override `{given}"[: len(origin)], "recipe")
    assert told.startswith(message)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (
            ["metrics=[perplexity]", "outputs.phones={kind: label}"],
            "`metrics` must be without `perplexity` where `outputs.phones` is no text",
        ),
        (
            ["metrics=[pinball]"],
            "`metrics` must be without `pinball` where `outputs.phones` is of kind text",
        ),
        (
            ["outputs.phones={kind: number}", "metrics=[accuracy]"],
            "`metrics` must be without `accuracy` where `outputs.phones` is of kind number; there is mae, rmse",
        ),
        (
            ["outputs.phones={kind: quantiles}", "metrics=[mae]"],
            "`metrics` must be without `mae` where `outputs.phones` is of kind quantiles; there is pinball, "
            "coverage_error",
        ),
        (
            ["model={kind: decoder}", "outputs.phones={kind: chords}", "metrics=[bleu]"],
            "`metrics` must be without `bleu` where `outputs.phones` is of kind chords",
        ),
        (
            ["metrics=[slot_error]"],
            "`metrics` must be without `slot_error` where no input is of kind act",
        ),
        (
            ["model={kind: encoder}", "outputs.phones={kind: label}", "metrics=[accuracy]", "decode.sample=true"],
            "`decode.sample` must be false where `model.kind` is encoder, which is not drawn",
        ),
        (
            ["baselines=[majority, kneser_ney]"],
            "`baselines` must be measured by one of `metrics`, but kneser_ney has only perplexity, nats_per_step, "
            "nats_per_sequence, bits_per_character; add one",
        ),
        (
            ["metrics=[perplexity]", "baselines=[majority]"],
            "`baselines` must be measured by one of `metrics`, but majority has no perplexity, nats_per_step, "
            "nats_per_sequence, bits_per_character; add one",
        ),
    ],
)
def test_what_can_not_be_measured_is_told_before_training(given: list[str], message: str) -> None:
    with pytest.raises(RecipeError) as caught:
        recipes.load(SMALL, given)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("num_layers", "nun_layers", "line 9: `model.encoder.nun_layers` is no key; did you mean"),
        ("epochs: 3", "epochs: three", "line 11: `train.epochs` must be a number above 0, or null, but is 'three'"),
        ("words.csv", "3", "line 1: `data.path` must be text or null, but is 3"),
        ("train:", "trian:", "has 2 mistakes:"),
        ("outputs:", "outputs: [", "line 6, column 1: must be YAML, but is not:"),
    ],
)
def test_a_mistake_in_a_file_is_told_with_its_line(file: Path, old: str, new: str, message: str) -> None:
    file.write_text(FILE.replace(old, new).replace("path: 3", "path: 3"))
    with pytest.raises(RecipeError) as caught:
        recipes.load(file)
    assert str(caught.value).startswith(f"`my.yaml`, {message}" if "line" in message else f"`my.yaml` {message}")


def test_several_mistakes_are_told_at_once(file: Path) -> None:
    file.write_text(FILE.replace("epochs", "epoch").replace("GRU", "GUR"))
    with pytest.raises(RecipeError) as caught:
        recipes.load(file, ["seed=-1"])
    assert str(caught.value) == (
        "`my.yaml` has 3 mistakes:\n"
        "  `my.yaml`, line 8: `model.encoder.cell` must be a cell of `unspool.cells` or an import path `module:name`, "
        "but is 'GUR'; did you mean `GRU`?\n"
        "  `my.yaml`, line 11: `train.epoch` is no key; did you mean `train.epochs`?\n"
        "  override `seed=-1`: `seed` must be a whole number from 0 to below 9223372036854775808, but is -1"
    )


@pytest.mark.parametrize(
    ("content", "given", "message"),
    [
        (b"", "my.yaml", "`my.yaml` must hold a recipe, but is empty"),
        (b"# only this\n", "my.yaml", "`my.yaml` must hold a recipe, but is empty"),
        (b"- a\n", "my.yaml", "`my.yaml` must hold keys with values, but holds a list"),
        (b"a: 1\nb: \xff\n", "my.yaml", "`my.yaml`, line 2: must be UTF-8, but has the byte 0xff"),
        (b"", "mi.yaml", "`mi.yaml` must be a recipe's file, but there is none; did you mean `my.yaml`?"),
        (b"", "there/my.yaml", "`there/my.yaml` must be a recipe's file, but there is none"),
        (b"", "./", "`.` must be a recipe's file, but can't be read: Is a directory"),
        (
            b"",
            "pronunce",
            "`pronunce` must be the name of a recipe, or the path of a .yaml file; did you mean `pronounce`?",
        ),
        (b"", {}, "recipe has 3 mistakes:"),
    ],
)
def test_what_is_no_recipe_is_told(file: Path, content: bytes, given: Any, message: str) -> None:
    file.write_bytes(content)
    with pytest.raises(RecipeError) as caught:
        recipes.load(Path(given) if given == "./" else given)
    assert str(caught.value).splitlines()[0] == message


def test_a_file_with_a_byte_order_mark_is_read(file: Path) -> None:
    file.write_bytes(b"\xef\xbb\xbf" + FILE.encode())
    assert recipes.load(file).train.epochs == 3


def test_the_schema_describes_every_key() -> None:
    schema = recipes.schema()
    sections = [schema, *schema["$defs"].values()]
    assert len(sections) > 10
    for section in sections:
        assert section["additionalProperties"] is False
        for key, value in section["properties"].items():
            told = value.get("description") or schema["$defs"][value["$ref"].rpartition("/")[2]]["description"]
            assert told, f"{section['title']}.{key}"
    assert schema["required"] == ["data", "outputs", "train"]


def test_the_schema_names_cells_and_metrics() -> None:
    schema = recipes.schema()
    cell = schema["$defs"]["EncoderSpec"]["properties"]["cell"]
    assert "LSTM" in cell["anyOf"][0]["enum"]
    assert "GatedCell" not in cell["anyOf"][0]["enum"]
    assert schema["properties"]["metrics"]["items"]["enum"] == sorted([*METRICS, *LIKELIHOODS, *RECOGNITIONS])
    assert schema["properties"]["baselines"]["items"]["enum"] == sorted(
        [*BASELINES, *FEATURE_BASELINES, *LANGUAGE_MODELS]
    )
    json.dumps(schema)


@pytest.mark.parametrize(
    ("recipe", "given", "message"),
    [
        (
            "compose",
            "model.emission=autoregressive",
            "`model.emission` must be independent where `outputs.notes` is of kind chords: only rows and notes have "
            "several labels a step",
        ),
        (
            "sketch",
            "model.emission=autoregressive",
            "`model.emission` must be independent where `outputs.strokes` is of kind strokes: only rows and notes have "
            "several labels a step",
        ),
        (
            "draw",
            "train.metric=recognised",
            "`train.metric` must not be recognised, which `evaluate` alone measures; use `loss`",
        ),
        (
            "draw",
            "decode.top_k=3",
            "`decode.top_k` must be null where `outputs.image` is of kind rows: there `temperature` alone changes what "
            "is drawn",
        ),
        (
            "transcribe",
            "decode.sample=true",
            "`decode.sample` must be false where `model.kind` is ctc, which is not drawn",
        ),
        (
            "babble",
            "outputs.text.max_length=50",
            "`metrics` must be without `bits_per_character` where `outputs.text.max_length` cuts texts: all their "
            "characters would count, but not what they cost",
        ),
        (
            "babble",
            "metrics=[bits_per_character, nats_per_sequence]",
            "`metrics` must be without `nats_per_sequence` where a text is one sequence; there is perplexity",
        ),
    ],
)
def test_what_other_kinds_of_outputs_can_not_have_is_told(recipe: str, given: str, message: str) -> None:
    with pytest.raises(RecipeError) as error:
        recipes.load(recipe, [given])
    assert str(error.value).endswith(f": {message}")


@pytest.mark.parametrize(
    ("recipe", "kind", "message"),
    [
        ("babble", None, "where `model.kind` is language-model, which does not find several outputs"),
        ("sentiment", None, "where `model.kind` is encoder, which does not find several outputs"),
        ("pronounce", "plain", "where `model.kind` is plain, which does not find several outputs"),
        ("sketch", None, "where `outputs.strokes` is of kind strokes, not a text"),
        ("compose", None, "where `outputs.notes` is of kind chords, not a text"),
    ],
)
def test_what_finds_no_texts_to_choose_from_has_no_risk(recipe: str, kind: str | None, message: str) -> None:
    changes = [f"model={{kind: {kind}}}"] if kind else []
    with pytest.raises(RecipeError) as error:
        recipes.load(recipe, [*changes, "decode.risk=chrf"])
    assert str(error.value).endswith(f"`decode.risk` must be null {message}")


def test_what_finds_several_texts_may_have_a_risk() -> None:
    for changes in ((), ("model={kind: ctc}", "decode.beam=1")):
        assert recipes.load("pronounce", [*changes, "decode.risk=chrf"]).decode.risk == "chrf"
    assert recipes.load("verbalize", ["decode.risk=chrf"]).decode.risk == "chrf"


def test_a_decoder_may_read_nothing() -> None:
    for changes in (["inputs={}"], []):
        given = {**SMALL, "model": {"kind": "decoder"}}
        if not changes:
            del given["inputs"]
        recipe = recipes.load(given, changes)
        assert recipe.inputs == {}
        assert list(recipe.fields) == ["phones"]
        assert recipes.load(recipe.model_dump(mode="json")) == recipe
