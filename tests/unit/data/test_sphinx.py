"""Transcriptions of recordings in the folders of CMU Sphinx."""

from pathlib import Path
from typing import Any

import pytest

from unspool.data import load, read
from unspool.errors import DataError

IDS = "an4_clstk/fash/an251-fash-b\nan4_clstk/fash/an253-fash-b\n\nan4_clstk/mblw/cen1-mblw-b\n"
SAID = "<s> YES ++NOISE++ </s> (an251-fash-b)\n\nGO THE(2)  <sil> NINE (an4_clstk/fash/an253-fash-b)\n(cen1-mblw-b)\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "an4"
    (folder / "etc").mkdir(parents=True)
    (folder / "etc" / "an4_train.fileids").write_text(IDS)
    (folder / "etc" / "an4_train.transcription").write_text(SAID)
    recordings(folder, "feat", ".mfc")
    return folder


def recordings(folder: Path, room: str, suffix: str) -> None:
    for name in IDS.split():
        file = folder / room / f"{name}{suffix}"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(b"sound")


def options(folder: Path) -> dict[str, Any]:
    return {"path": folder, "format": "sphinx", "parts": {"train": "etc/an4_train.transcription"}}


def failure(folder: Path) -> str:
    with pytest.raises(DataError) as error:
        load(**options(folder))
    return str(error.value)


def test_a_line_is_a_row_with_its_recording_and_its_speaker(folder: Path) -> None:
    (table,) = load(**options(folder)).values()
    assert table.columns == ("file", "text", "speaker", "id")
    there = f"{folder}/feat/an4_clstk"
    assert [tuple(row.values()) for row in table] == [
        (f"{there}/fash/an251-fash-b.mfc", "YES", "fash", "an251-fash-b"),
        (f"{there}/fash/an253-fash-b.mfc", "GO THE NINE", "fash", "an253-fash-b"),
        (f"{there}/mblw/cen1-mblw-b.mfc", "", "mblw", "cen1-mblw-b"),
    ]
    alone = read(folder / "etc" / "an4_train.transcription", format="sphinx", columns={"said": "text"})
    assert list(alone.column("said")) == ["YES", "GO THE NINE", ""]


@pytest.mark.parametrize("suffix", [".wav", ".flac", ".sph"])
def test_where_there_are_no_features_sound_is_taken_also_later(folder: Path, suffix: str) -> None:
    recordings(folder, "wav", suffix)
    assert load(**options(folder))["train"][0]["file"].endswith(".mfc")
    for file in (folder / "feat").rglob("*.mfc"):
        file.unlink()
    assert load(**options(folder))["train"][0]["file"] == f"{folder}/wav/an4_clstk/fash/an251-fash-b{suffix}"


def test_missing_recordings_are_counted(folder: Path) -> None:
    (folder / "feat/an4_clstk/mblw/cen1-mblw-b.mfc").unlink()
    missing = f"{folder}/feat/an4_clstk/mblw/cen1-mblw-b.mfc"
    assert failure(folder) == (
        f"`file` of `{folder}/etc/an4_train.transcription` must name files in `{folder}`, but 1 of 3 are not there: "
        f"{missing}"
    )


MISTAKES: dict[str, tuple[str, str, str]] = {
    "no id": (
        IDS,
        "YES (an251-fash-b)\nGO\n",
        "`{said}`, line 2: a line must be what is said and an id, as `YES (an251-fash-b)`, but is `GO`",
    ),
    "an unknown id": (
        IDS,
        "YES (an252-fash-b)\n",
        "`{said}`, line 1: `an252-fash-b` is no id of `{ids}`; there are an251-fash-b, an253-fash-b, cen1-mblw-b "
        "(nearest: `an253-fash-b`)",
    ),
    "an id twice": (
        "a/b\nc/b\n",
        SAID,
        "`{ids}`, line 2: an id must be there once, but `b` was there before",
    ),
    "no ids": (
        "\n",
        SAID,
        "`{ids}` must hold ids of recordings, as `an4_clstk/fash/an251-fash-b`, but is empty",
    ),
    "no recording": (
        "fash/x\n",
        SAID,
        "`{ids}`: the first id must have a recording in `{folder}`, but there is none of feat/fash/x.mfc, "
        "wav/fash/x.wav, wav/fash/x.flac, wav/fash/x.sph",
    ),
}


@pytest.mark.parametrize("case", MISTAKES)
def test_a_mistake_is_named_with_file_and_line(folder: Path, case: str) -> None:
    ids, said, message = MISTAKES[case]
    (folder / "etc/an4_train.fileids").write_text(ids)
    (folder / "etc/an4_train.transcription").write_text(said)
    there = {"ids": folder / "etc/an4_train.fileids", "said": folder / "etc/an4_train.transcription"}
    assert failure(folder) == message.format(folder=folder, **there)


def test_a_file_of_ids_that_is_missing_is_asked_for(folder: Path) -> None:
    (folder / "etc/an4_train.fileids").unlink()
    assert failure(folder) == (
        f"`{folder}/etc/an4_train.fileids` does not exist; in its folder there is only `an4_train.transcription`"
    )
