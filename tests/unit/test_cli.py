"""The command line, over runs that only note what they are asked."""

import gzip
import io
import json
import os
import pty
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple

import pytest

import unspool
from unspool import cli, errors, recipes
from unspool.cli import commands, talking, writing
from unspool.data import NAMED
from unspool.engine.native import compiler
from unspool.errors import RunError, UnspoolError
from unspool.metrics import Score, word_accuracy

STUB = """
import sys, time, unspool
from types import SimpleNamespace as Made
from unspool import cli

def predict(inputs, **given):
    return [Made(text=text.upper(), score=-1.0) for text in inputs]

def train(*given, **named):
    print("training", flush=True)
    time.sleep(60)

made = Made(predict=predict, turns=0, typed=str, task=Made(sources=("text",)))
unspool.runs = Made(together=lambda *paths: made, train=train)
cli.main(sys.argv[1:])
"""


class Result(NamedTuple):
    code: int
    out: str
    err: str


class Notes:
    """Stands for `unspool.runs`, and notes what it was asked."""

    task = SimpleNamespace(sources=("text",))

    def __init__(self) -> None:
        self.asked: list[Any] = []
        self.fails: BaseException | None = None
        self.reached: dict[str, list[Score]] = {}

    def _note(self, *what: Any) -> None:
        self.asked.append(what)
        if self.fails is not None:
            raise self.fails

    def train(self, recipe: Any, run: Any, *, resume: bool) -> None:
        self._note("train", recipe, run, resume)

    def dry_run(self, recipe: Any) -> str:
        self._note("dry_run", recipe)
        return "12 parameters"

    def together(self, *paths: Any) -> "Notes":
        self._note("together", *paths)
        return self

    def evaluate(self, part: str, overrides: list[str]) -> list[Score]:
        self._note("evaluate", part, overrides)
        return [Score(21.5, "wer", "lower", {"n": 3}, "refs:1")]

    def baselines(self, part: str, overrides: list[str]) -> dict[str, list[Score]]:
        self._note("baselines", part, overrides)
        return self.reached

    def by_column(self, loaded: Any, column: str, part: str, overrides: list[str]) -> dict[str, list[Score]]:
        self._note("by_column", column, part, overrides)
        return {f"qa{task}": [Score(task, "wer", "lower", {}, "")] for task in (1, 2)}

    def groups_of(self, loaded: Any, column: str, part: str, overrides: list[str]) -> list[str]:
        self._note("groups_of", column, part, overrides)
        return ["qa1", "qa2"]

    def typed(self, line: str) -> str:
        return line

    def predict(self, inputs: list[str], *, n_best: int, **given: Any) -> list[Any]:
        self._note("predict", inputs, n_best, given)
        several = [SimpleNamespace(text=f"{rank}", score=-float(rank)) for rank in range(1, n_best + 1)]
        return [SimpleNamespace(text=text[::-1], score=-0.5, n_best=several) for text in inputs]


@pytest.fixture
def notes(monkeypatch: pytest.MonkeyPatch) -> Notes:
    stub = Notes()
    monkeypatch.setattr(unspool, "runs", stub, raising=False)
    return stub


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Callable[..., Result]:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setenv("UNSPOOL_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("COLUMNS", "200")

    def called(*arguments: str, stdin: bytes = b"") -> Result:
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin)))
        with pytest.raises(SystemExit) as left:
            cli.main(arguments)
        return Result(int(left.value.code or 0), *capsys.readouterr())

    return called


def process(*arguments: str, **given: Any) -> "subprocess.Popen[str]":
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    return subprocess.Popen([sys.executable, "-c", STUB, *arguments], **(pipes | given))


def test_train_is_given_the_recipe_with_its_changes(run: Callable[..., Result], notes: Notes) -> None:
    assert run("train", "pronounce", "train.epochs=3", "seed=4", "--run", "here", "--resume").code == 0
    assert notes.asked == [("train", recipes.load("pronounce", ["train.epochs=3", "seed=4"]), Path("here"), True)]


def test_train_leaves_the_folder_open_unless_it_is_named(run: Callable[..., Result], notes: Notes) -> None:
    run("train", "pronounce")
    assert notes.asked == [("train", recipes.load("pronounce"), None, False)]


def test_print_config_gives_a_file_that_is_the_same_recipe(run: Callable[..., Result], notes: Notes) -> None:
    result = run("train", "pronounce", "seed=4", "--print-config")
    assert (result.code, notes.asked) == (0, [])
    Path("same.yaml").write_text(result.out, encoding="utf-8")
    assert recipes.load("same.yaml") == recipes.load("pronounce", ["seed=4"])


def test_a_dry_run_says_what_it_found_and_trains_nothing(run: Callable[..., Result], notes: Notes) -> None:
    assert run("train", "pronounce", "--dry-run").out == "12 parameters\n"
    assert notes.asked == [("dry_run", recipes.load("pronounce"))]


def test_evaluate_prints_a_line_or_an_object_for_each_metric(run: Callable[..., Result], notes: Notes) -> None:
    assert run("evaluate", "here", "decode.beam=1").out == "wer 21.50 (lower is better; refs:1)\n"
    what = ("test", ["decode.beam=1"])
    assert notes.asked == [("together", Path("here")), ("evaluate", *what), ("baselines", *what)]
    result = json.loads(run("evaluate", "here", "--part", "valid", "--json").out)
    assert result == {"value": 21.5, "name": "wer", "better": "lower", "details": {"n": 3}, "signature": "refs:1"}
    assert notes.asked[-2:] == [("evaluate", "valid", []), ("baselines", "valid", [])]


def test_evaluate_shows_each_value_of_a_column(run: Callable[..., Result], notes: Notes) -> None:
    rows = run("evaluate", "here", "--by", "task").out.splitlines()
    what = ("task", "test", [])
    steps = ["together", "groups_of", "evaluate", "baselines", "by_column"]
    assert [step for step, *_ in notes.asked] == steps, "what can't be told apart is said before all is decoded"
    assert notes.asked[1] == ("groups_of", *what)
    assert notes.asked[-1] == ("by_column", *what)
    assert rows[1:] == ["", "          wer", "qa1      1.00", "qa2      2.00"]
    objects = [json.loads(line) for line in run("evaluate", "here", "--by", "task", "--json").out.splitlines()]
    assert [(each.get("by"), each.get("group")) for each in objects] == [(None, None), ("task", "qa1"), ("task", "qa2")]


@pytest.mark.parametrize("column", ["name", "value", "details", "score", "baseline", "by"])
def test_a_column_may_be_called_as_a_part_of_a_score_is(column: str, run: Callable[..., Result], notes: Notes) -> None:
    other = Score(90.0, "wer", "lower", {}, "")
    notes.reached = {"majority": [other]}
    rows = [json.loads(line) for line in run("evaluate", "here", "--by", column, "--json").out.splitlines()]
    assert rows[1:] == [
        {"baseline": "majority", **other._asdict()},
        {"by": column, "group": "qa1", **other._asdict(), "value": 1},
        {"by": column, "group": "qa2", **other._asdict(), "value": 2},
    ]
    assert "majority" in run("evaluate", "here", "--by", column).out


def test_a_value_without_a_metric_has_an_empty_cell(
    run: Callable[..., Result], notes: Notes, monkeypatch: pytest.MonkeyPatch
) -> None:
    wer, slots = Score(7, "wer", "lower", {}, ""), Score(3, "slot_error", "lower", {}, "")
    monkeypatch.setattr(notes, "by_column", lambda *asked: {"goodbye": [wer], "inform": [wer, slots], "none": []})
    assert run("evaluate", "here", "--by", "kind").out.splitlines()[2:] == [
        "              wer  slot_error",
        "goodbye      7.00",
        "inform       7.00        3.00",
        "none",
    ]


def test_evaluate_shows_each_place_of_sentences(
    run: Callable[..., Result], notes: Notes, monkeypatch: pytest.MonkeyPatch
) -> None:
    ours = word_accuracy(["bin red", "lay blue now"], [["bin blue"], ["lay blue now"]])
    monkeypatch.setattr(notes, "evaluate", lambda part, overrides: [ours])
    assert run("evaluate", "here").out.splitlines()[1:] == [
        "",
        "         word 1    word 2    word 3",
        "model    100.00     50.00    100.00",
    ]
    notes.reached = {"majority": [word_accuracy(["bin red"], [["lay red"]])]}
    assert run("evaluate", "here").out.splitlines()[-2:] == [
        "model       100.00     50.00    100.00",
        "majority      0.00    100.00",
    ]
    assert [json.loads(line)["name"] for line in run("evaluate", "here", "--json").out.splitlines()] == [
        "word_accuracy"
    ] * 2


def test_evaluate_puts_baselines_beside_the_model(run: Callable[..., Result], notes: Notes) -> None:
    other = Score(7, "perplexity", "lower", {}, "")
    notes.reached = {"majority": [Score(90.123, "wer", "lower", {}, "")], "an_ngram": [other]}
    assert run("evaluate", "here").out.splitlines()[1:] == [
        "",
        "               wer  perplexity",
        "model        21.50",
        "majority     90.12",
        "an_ngram                  7.00",
    ]
    rows = [json.loads(line) for line in run("evaluate", "here", "--json").out.splitlines()]
    assert [row.get("baseline") for row in rows] == [None, "majority", "an_ngram"]
    assert rows[2] == {"baseline": "an_ngram", **other._asdict()}
    named = writing.table({"model": [other, Score(1, "a_name_of_length", "lower", {}, "")], "b": []})
    assert named == "       perplexity  a_name_of_length\nmodel        7.00              1.00\nb"


def test_predict_answers_stdin_line_by_line_in_order(run: Callable[..., Result], notes: Notes) -> None:
    assert run("predict", "here", stdin="ab\n\näö\r\nend".encode()) == (0, "ba\n\nöä\ndne\n", "")
    assert notes.asked == [("together", Path("here")), ("predict", ["ab", "", "äö", "end"], 1, {"first": 0})]


def test_nothing_to_read_is_nothing_to_write(run: Callable[..., Result], notes: Notes) -> None:
    assert run("predict", "here") == (0, "", "")


@pytest.mark.parametrize(
    ("options", "out"),
    [
        (["--scores"], "-0.5000\tba\n-0.5000\tdc\n"),
        (["--n-best", "2"], "1\n2\n\n1\n2\n\n"),
        (["--n-best", "2", "--scores"], "-1.0000\t1\n-2.0000\t2\n\n-1.0000\t1\n-2.0000\t2\n\n"),
    ],
)
def test_text_may_have_scores_and_several_outputs(
    run: Callable[..., Result], notes: Notes, options: list[str], out: str
) -> None:
    assert run("predict", "here", *options, stdin=b"ab\ncd\n").out == out


@pytest.mark.parametrize(
    ("options", "predictions"),
    [
        ([], [{"text": "öa", "score": -0.5}]),
        (["--n-best", "2"], [{"text": "1", "score": -1.0}, {"text": "2", "score": -2.0}]),
    ],
)
def test_json_has_an_object_a_line(
    run: Callable[..., Result], notes: Notes, options: list[str], predictions: list[Any]
) -> None:
    out = run("predict", "here", "--json", *options, stdin="aö\nb\n".encode()).out.splitlines()
    assert len(out) == 2
    assert json.loads(out[0]) == {"input": "aö", "predictions": predictions}
    assert "ö" in out[0]


@pytest.mark.parametrize(
    ("options", "given"),
    [
        (["--beam", "1"], {"beam": 1, "sample": False}),  # also where the recipe draws
        (["--beam", "3", "--seed", "2"], {"beam": 3, "seed": 2, "sample": True}),
        (["--sample"], {"sample": True}),
        (["--temperature", "0.5"], {"sample": True, "temperature": 0.5}),
        (["--top-k", "3", "--top-p", "0.9"], {"sample": True, "top_k": 3, "top_p": 0.9}),
    ],
)
def test_how_to_decode_is_passed_on(
    run: Callable[..., Result], notes: Notes, options: list[str], given: dict[str, Any]
) -> None:
    run("predict", "here", *options, stdin=b"a\n")
    assert notes.asked[-1] == ("predict", ["a"], 1, {"first": 0, **given})


def test_files_are_read_one_after_the_other_into_one_file(run: Callable[..., Result], notes: Notes) -> None:
    Path("a.txt").write_text("ab\n")
    Path("b.txt.gz").write_bytes(gzip.compress(b"cd\nef"))
    assert run("predict", "here", "a.txt", "b.txt.gz", "-o", "out.txt") == (0, "", "")
    assert Path("out.txt").read_bytes() == b"ba\ndc\nfe\n"
    assert [path.name for path in Path().glob("out*")] == ["out.txt"]


def test_a_mistake_in_the_inputs_leaves_the_output_that_was_there(run: Callable[..., Result], notes: Notes) -> None:
    Path("out.txt").write_text("precious")
    assert run("predict", "here", "mising.txt", "-o", "out.txt").code == 2
    assert Path("out.txt").read_text() == "precious"


def test_inputs_are_answered_before_all_are_read(
    run: Callable[..., Result], notes: Notes, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[int] = []

    def endless() -> Iterator[str]:
        for number in range(6):
            read.append(number)
            yield str(number)

    monkeypatch.setattr(commands, "lines", lambda files: endless())
    monkeypatch.setattr(commands, "CHUNK", 2)
    seen: list[int] = []
    answer = notes.predict
    monkeypatch.setattr(notes, "predict", lambda inputs, **given: (seen.append(len(read)), answer(inputs, **given))[1])
    assert run("predict", "here").out == "0\n1\n2\n3\n4\n5\n"
    assert seen == [2, 4, 6]
    assert [asked[-1]["first"] for asked in notes.asked[1:]] == [0, 2, 4]  # so each draws as if all were asked at once


@pytest.mark.parametrize(
    ("stdin", "message"),
    [
        (b"ab\nc\xffd\n", "error: stdin, line 2: a line must be UTF-8, but has the byte 0xff\n"),
        (b"\xfe", "error: stdin, line 1: a line must be UTF-8, but has the byte 0xfe\n"),
    ],
)
def test_stdin_that_is_not_utf_8_is_told_with_its_line(
    run: Callable[..., Result], notes: Notes, stdin: bytes, message: str
) -> None:
    assert run("predict", "here", stdin=stdin) == (2, "", message)


ALL_ERRORS = [each for each in vars(errors).values() if isinstance(each, type) and issubclass(each, UnspoolError)]


@pytest.mark.parametrize("error", ALL_ERRORS)
@pytest.mark.parametrize(
    "arguments", [["train", "pronounce"], ["train", "pronounce", "--dry-run"], ["evaluate", "x"], ["predict", "x"]]
)
def test_any_error_of_ours_is_one_message_and_exit_code_2(
    run: Callable[..., Result], notes: Notes, error: type[UnspoolError], arguments: list[str]
) -> None:
    notes.fails = error("`x` must be another")
    assert run(*arguments) == (2, "", "error: `x` must be another\n")


def test_a_full_disk_is_one_message(run: Callable[..., Result], notes: Notes) -> None:
    notes.fails = OSError(28, "No space left on device", "here/last.pt")
    assert run("train", "pronounce") == (2, "", "error: `here/last.pt`: No space left on device\n")


def test_a_bug_of_ours_is_not_hidden(run: Callable[..., Result], notes: Notes) -> None:
    notes.fails = ZeroDivisionError("a bug")
    with pytest.raises(ZeroDivisionError):
        run("train", "pronounce")


def test_control_c_is_exit_code_130(run: Callable[..., Result], notes: Notes) -> None:
    notes.fails = KeyboardInterrupt()
    assert run("train", "pronounce") == (130, "", "")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ["train", "pronounce", "train.lr=1"],
            "error: override `train.lr=1`: `train.lr` is no key; did you mean `train.learning_rate`?\n",
        ),
        (
            ["train", "pronunce"],
            "error: `pronunce` must be the name of a recipe, or the path of a .yaml file; did you mean `pronounce`?\n",
        ),
        (
            ["recipes", "translat"],
            "error: `translat` must be a recipe that comes with Unspool; did you mean `translate`?\n",
        ),
        (
            ["data", "pronounce", "data.path=words.csv"],
            "error: `words.csv` does not exist",
        ),
    ],
)
def test_mistakes_in_what_was_asked_are_told(run: Callable[..., Result], arguments: list[str], message: str) -> None:
    result = run(*arguments)
    assert (result.code, result.out) == (2, "")
    assert result.err.startswith(message)


@pytest.mark.parametrize(
    "arguments", [["trian"], ["train"], ["train", "pronounce", "--rnu"], ["predict", "x", "--n-best", "0"]]
)
def test_what_typer_refuses_is_exit_code_2(run: Callable[..., Result], arguments: list[str]) -> None:
    assert run(*arguments).code == 2


def test_recipes_are_listed_printed_and_described(run: Callable[..., Result]) -> None:
    listed = run("recipes").out.splitlines()
    assert [line.split()[0] for line in listed] == recipes.names()
    assert listed[0].endswith(recipes.load(recipes.names()[0]).about)
    assert run("recipes", "pronounce").out == recipes.source("pronounce")
    assert json.loads(run("recipes", "--schema").out) == recipes.schema()


def test_data_known_by_name_are_listed(run: Callable[..., Result]) -> None:
    lines = run("data").out.splitlines()
    assert [line.split()[0] for line in lines] == list(NAMED)
    assert lines[0].endswith(NAMED["cmudict"].about)


@pytest.mark.skipif(os.name == "nt", reason="names of files are texts there")
def test_a_name_that_is_no_text_is_told_in_a_message() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "unspool", "evaluate", os.fsdecode(b"\xffrun")], capture_output=True, text=True
    )
    assert done.returncode == 2
    assert done.stderr.startswith(r"error: `\udcffrun` must be the folder of a run")


def test_data_shows_parts_and_examples(run: Callable[..., Result]) -> None:
    Path("words.csv").write_text("word,phones\n" + "".join(f"w{i},W {i}\n" for i in range(100)))
    arguments = ["data", "pronounce", "data.path=words.csv", "data.split={by: word, valid: 0.2, test: 0.2}"]
    out = run(*arguments).out
    assert [line.split(":")[0] for line in out.splitlines() if "rows of" in line] == ["train", "valid", "test"]
    assert '"word": "w' in out
    result = run(*arguments, "inputs={wrd: {}}")
    assert (result.code, result.out) == (2, "")
    assert result.err.startswith("error: `wrd` is no column of `words.csv`")


def test_doctor_says_what_there_is_and_what_is_missing(
    run: Callable[..., Result], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    monkeypatch.setattr("unspool.doctor.speed", lambda: 80.0)
    found = dict(line.split(maxsplit=1) for line in run("doctor").out.splitlines())
    assert found["unspool"].startswith(unspool.__version__)
    assert found["plots"] == "matplotlib is missing (curves and attention maps): pip install 'unspool[plots]'"
    assert found["hub"].endswith("pip install 'unspool[hub]'")
    assert found["cache"].startswith(f"{tmp_path / 'cache'}, ")
    assert found["speed"].startswith("80 GF/s")
    assert {"torch", "cores", "CPU", "CUDA", "bfloat16"} <= found.keys()


@pytest.mark.skipif(compiler.compiler() is None, reason="there is no C++ compiler")
def test_doctor_says_which_engine_runs_and_how(
    run: Callable[..., Result], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("unspool.doctor.speed", lambda: 80.0)
    monkeypatch.setenv("UNSPOOL_VECTORS", "portable")
    found = dict(line.split(maxsplit=1) for line in run("doctor").out.splitlines())
    kept = tmp_path / "cache" / "native"
    assert found["engine"] == f"native: each cell is compiled once, portable vectors, kept in {kept}"
    assert re.fullmatch(rf"{re.escape(compiler.find_compiler())}: .*\d+\.\d+.*", found["compiler"])
    assert found["products"] == "under autocast in bfloat16: no, the processor has none; in float32"


@pytest.mark.parametrize(
    ("name", "value", "reason"),
    [
        (
            "CXX",
            "no-such-c++",
            "`CXX` names `no-such-c++`, which is no program: install g++ or clang++, "
            "or name one in the environment variable CXX",
        ),
        ("UNSPOOL_VECTORS", "mmx", "`UNSPOOL_VECTORS` must be one of avx512, avx2, portable, but is `mmx`"),
    ],
)
def test_doctor_says_why_a_slower_engine_runs(
    run: Callable[..., Result], monkeypatch: pytest.MonkeyPatch, name: str, value: str, reason: str
) -> None:
    monkeypatch.setattr("unspool.doctor.speed", lambda: 80.0)
    monkeypatch.setenv(name, value)
    found = dict(line.split(maxsplit=1) for line in run("doctor").out.splitlines())
    assert found["engine"] == f"slower ones than `native`: {reason}"
    assert "compiler" not in found


def test_ones_own_modules_lie_where_the_command_is_typed(run: Callable[..., Result], notes: Notes) -> None:
    Path("cells_of_this_test.py").write_text("from unspool.cells import LSTM as MyCell")
    assert run("train", "pronounce", "model.encoder.cell=cells_of_this_test:MyCell").code == 0


def test_help_comes_without_pytorch() -> None:
    """`unspool/__init__.py` aside, which is for Python: a stand-in for it, and the command line as it is."""
    source = Path(unspool.__file__).parent
    code = (
        "import sys, types; package = types.ModuleType('unspool'); "
        f"package.__path__ = [{str(source)!r}]; sys.modules['unspool'] = package\n"
        "from unspool import cli\n"
        "try: cli.main(['--help'])\n"
        "except SystemExit as left: assert not left.code\n"
        "heavy = {'torch', 'numpy', 'pyarrow', 'pydantic'} & sys.modules.keys()\n"
        "assert not heavy, heavy"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert all(command in done.stdout for command in ("train", "evaluate", "predict", "recipes", "data", "doctor"))


def test_a_reader_that_has_seen_enough_hears_no_complaint(tmp_path: Path) -> None:
    inputs = tmp_path / "many.txt"
    inputs.write_text("a line\n" * 40_000)
    started = process("predict", "here", str(inputs))
    assert started.stdout is not None
    assert started.stderr is not None
    assert started.stdout.readline() == "A LINE\n"
    started.stdout.close()
    assert started.stderr.read() == ""
    assert started.wait(timeout=60) == 1
    started.stderr.close()
    assert started.stdin is not None
    started.stdin.close()


def test_control_c_ends_a_process_without_a_traceback() -> None:
    started = process("train", "pronounce")
    assert started.stdout is not None
    assert started.stdout.readline() == "training\n"
    started.send_signal(signal.SIGINT)
    out, err = started.communicate(timeout=60)
    assert (started.returncode, out, err) == (130, "", "")


def test_at_a_terminal_predict_asks_and_answers() -> None:
    ours, theirs = pty.openpty()
    started = process("predict", "here", stdin=theirs, stdout=theirs, stderr=theirs)
    os.close(theirs)
    seen = b""

    def expect(text: bytes) -> None:
        nonlocal seen
        end = time.monotonic() + 60
        while text not in seen and time.monotonic() < end:
            seen += os.read(ours, 4096)
        assert text in seen
        seen = seen.partition(text)[2]

    expect(b"Ctrl-D ends")
    for word in (b"one", b"two"):
        expect(b"> ")
        os.write(ours, word + b"\n")
        expect(word.upper())
    expect(b"> ")
    os.write(ours, b"\x04")
    assert started.wait(timeout=60) == 0
    os.close(ours)


def test_a_mistake_in_the_conversation_does_not_end_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    typed = iter(["bad", "good"])

    def asked(prompt: str) -> str:
        try:
            return next(typed)
        except StopIteration:
            raise EOFError from None

    def answer(text: str, number: int) -> tuple[str, str]:
        if text == "bad":
            raise RunError("`bad` must be good")
        return text, f"{number} {text}!\n"

    monkeypatch.setattr("builtins.input", asked)
    talking.talk(answer)
    out, err = capsys.readouterr()
    assert out == "1 good!\n\n"
    assert "error: `bad` must be good\n" in err


def test_an_input_of_several_columns_is_asked_for_column_by_column(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    typed = iter(["bad", "q", r"a\nb", "who", "unfinished"])
    prompts: list[str] = []

    def asked(prompt: str) -> str:
        prompts.append(prompt)
        for line in typed:
            return line
        raise EOFError

    def answer(given: dict[str, str], number: int) -> tuple[str, str]:
        if given["story"] == "bad":
            raise RunError("`bad` must be good")
        return "", f"{number} {given}\n"

    monkeypatch.setattr("builtins.input", asked)
    talking.interview(answer, ["story", "question"])
    out, err = capsys.readouterr()
    assert out == "1 {'story': 'a\\nb', 'question': 'who'}\n\n"
    assert err.splitlines() == [r"`\n` ends a line of a text; Ctrl-D ends.", "error: `bad` must be good"]
    assert prompts == ["story> ", "question> "] * 3


@pytest.mark.parametrize(
    ("turns", "asked"),
    [
        (0, ["Hi!", "bad", "How?", "Why?"]),
        (1, ["Hi!", "bad", "How?", "Why?"]),
        (2, ["Hi!", "A0\nbad", "A0\nHow?", "A2\nWhy?"]),
        (3, ["Hi!", "Hi!\nA0\nbad", "Hi!\nA0\nHow?", "How?\nA2\nWhy?"]),
        (9, ["Hi!", "Hi!\nA0\nbad", "Hi!\nA0\nHow?", "Hi!\nA0\nHow?\nA2\nWhy?"]),
    ],
)
def test_a_dialogue_is_answered_with_what_was_said_last(
    monkeypatch: pytest.MonkeyPatch, turns: int, asked: list[str]
) -> None:
    typed = iter(["Hi!", "bad", "How?", "Why?"])
    seen = []

    def said(prompt: str) -> str:
        for line in typed:
            return line
        raise EOFError

    def answer(text: str, number: int) -> tuple[str, str]:
        seen.append(text)
        if text.endswith("bad"):
            raise RunError("`bad` must be good")
        return f"A{number}", f"A{number}\n"

    monkeypatch.setattr("builtins.input", said)
    talking.talk(answer, turns)
    assert seen == asked
