"""Sounds as log-mel energies, from files and from memory."""

import importlib
import json
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from unspool.errors import FieldError
from unspool.fields.audio import AudioField

soundfile = pytest.importorskip("soundfile")
pytest.importorskip("soxr")

RATE = 8000
NOISE = (np.random.default_rng(0).standard_normal(4000) * 0.1).astype(np.float32)


def tone(hertz: float, seconds: float = 0.5, rate: int = RATE) -> np.ndarray[Any, Any]:
    return 0.5 * np.sin(2 * np.pi * hertz * np.arange(round(seconds * rate)) / rate)


@pytest.fixture
def field() -> AudioField:
    made = AudioField()
    made.fit([(NOISE, RATE), (tone(440), RATE)])
    return made


@pytest.fixture
def wav(tmp_path: Path) -> Path:
    path = tmp_path / "x.wav"
    soundfile.write(path, NOISE, RATE, subtype="PCM_16")
    return path


@pytest.mark.parametrize(
    ("rate", "mels", "window", "hop"),
    [(8000, 40, 0.025, 0.010), (16000, 80, 0.032, 0.016), (22050, 64, 0.0464, 0.01), (1000, 5, 0.05, 0.02)],
)
@pytest.mark.parametrize("samples", [1, 300, 3999])
@pytest.mark.filterwarnings("ignore:n_fft=")
def test_the_energies_are_librosas(rate: int, mels: int, window: float, hop: float, samples: int) -> None:
    librosa = pytest.importorskip("librosa")
    field = AudioField(rate, mels, window, hop)
    field.fit([(NOISE, rate)])
    found = field.decode(field.encode((NOISE[:samples], rate)))
    long = round(window * rate)
    energies = librosa.feature.melspectrogram(
        y=NOISE[:samples],
        sr=rate,
        n_mels=mels,
        n_fft=1 << (long - 1).bit_length(),
        win_length=long,
        hop_length=round(hop * rate),
    )
    np.testing.assert_allclose(found, np.log(np.maximum(energies, 1e-10)).T, atol=2e-4)


def test_the_bands_are_scaled_by_the_training_parts_mean_and_deviation(field: AudioField) -> None:
    encoded = torch.cat([field.encode((NOISE, RATE)), field.encode((tone(440), RATE))])
    assert encoded.dtype == torch.float32
    assert encoded.shape == (2 * 51, 40)
    torch.testing.assert_close(encoded.mean(0), torch.zeros(40), atol=1e-5, rtol=0)
    torch.testing.assert_close(encoded.std(0, correction=0), torch.ones(40), atol=1e-5, rtol=0)


def test_a_higher_tone_sounds_in_a_higher_band(field: AudioField) -> None:
    loudest = [
        int(field.decode(field.encode((tone(hertz), RATE)))[25].argmax()) for hertz in (200, 500, 1000, 2000, 3500)
    ]
    assert loudest == sorted(set(loudest))


@pytest.mark.parametrize("suffix", [".wav", ".flac", ".aiff", ".au", ".txt", ".raw", ""])
def test_a_file_is_what_it_holds_whatever_its_suffix(field: AudioField, tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"sound{suffix}"
    kind = suffix[1:].upper() if suffix in (".wav", ".flac", ".aiff", ".au") else "WAV"
    with path.open("wb") as stream:
        soundfile.write(stream, NOISE, RATE, format=kind, subtype="PCM_16")
    expected = field.encode((np.round(NOISE * 32768) / 32768, RATE))
    torch.testing.assert_close(field.encode(str(path)), expected, atol=1e-2, rtol=0)
    assert torch.equal(field.encode(path), field.encode(str(path)))


@pytest.mark.parametrize("kind", ["OGG", "MP3"])
def test_a_lossy_file_is_nearly_the_sound(field: AudioField, tmp_path: Path, kind: str) -> None:
    path = tmp_path / "x"
    with path.open("wb") as stream:
        soundfile.write(stream, tone(1000), RATE, format=kind)
    found, sound = (field.decode(field.encode(each)) for each in (path, (tone(1000), RATE)))
    assert found[25].argmax() == sound[25].argmax()


def test_channels_are_averaged(field: AudioField, tmp_path: Path) -> None:
    path = tmp_path / "x.wav"
    soundfile.write(path, np.stack([NOISE, tone(700), np.zeros(4000)], 1), RATE, subtype="DOUBLE")
    torch.testing.assert_close(field.encode(path), field.encode(((NOISE + tone(700)) / 3, RATE)), atol=1e-4, rtol=0)


@pytest.mark.parametrize("rate", [4000, 11025, 44100])
def test_a_sound_of_another_rate_is_the_same_sound(field: AudioField, rate: int) -> None:
    found, expected = (field.decode(field.encode((tone(440, rate=each), each))) for each in (rate, RATE))
    assert found.shape == expected.shape
    loud = expected[5:-5] > expected.max() - 8
    np.testing.assert_allclose(found[5:-5][loud], expected[5:-5][loud], atol=0.05)


@pytest.mark.parametrize("rate", [8000, 48000])
@pytest.mark.parametrize("samples", [1, 2, 79, 80, 81, 199])
def test_a_clip_shorter_than_a_window_is_a_frame_or_some(field: AudioField, samples: int, rate: int) -> None:
    encoded = field.encode((NOISE[:samples], rate))
    assert encoded.shape == (1 + round(samples * RATE / rate) // 80, 40)
    assert encoded.isfinite().all()


def test_silence_is_finite(field: AudioField) -> None:
    silence = np.zeros(800)
    assert field.encode((silence, RATE)).isfinite().all()
    field.fit([(silence, RATE)])
    assert torch.equal(field.encode((silence, RATE)), torch.zeros(11, 40))


def test_a_saved_field_is_the_same(wav: Path) -> None:
    field = AudioField(16000, 30, 0.032, 0.016)
    field.fit([wav])
    again = AudioField.from_json(json.loads(json.dumps(field.to_json())))
    assert torch.equal(again.encode(wav), field.encode(wav))
    assert again.to_json() == field.to_json()
    assert repr(again) == "AudioField(rate=16000, mels=30, window=0.032, hop=0.016)"
    assert len(again) == 30


def test_a_stream_whose_header_does_not_know_its_length_is_whole(field: AudioField, wav: Path) -> None:
    data = wav.read_bytes()
    place = data.index(b"data") + 4
    expected = field.encode(wav)
    for unknown in (0xFFFFFFFF, 0x7FFFF000):
        wav.write_bytes(data[:place] + struct.pack("<I", unknown) + data[place + 4 :])
        assert torch.equal(field.encode(wav), expected)


def test_what_follows_the_samples_does_not_matter(field: AudioField, wav: Path) -> None:
    expected = field.encode(wav)
    wav.write_bytes(wav.read_bytes() + b"LIST\x04\0\0\0INFO")
    assert torch.equal(field.encode(wav), expected)


@pytest.mark.parametrize(
    ("kind", "subtype", "message"),
    [
        ("WAV", "PCM_16", "is cut short: its header promises 8,000 bytes of sound, but 7,998 are there; copy it again"),
        ("WAV", "FLOAT", "is cut short: its header promises 16,000 bytes of sound, but 15,998 are there"),
        ("AIFF", "PCM_16", "is cut short: its header promises 8,008 bytes of sound, but 8,006 are there"),
        ("FLAC", "PCM_16", "must be a sound that libsndfile can read, but it says: "),
        ("MP3", None, "is cut short: its header promises 4,000 samples, but "),
    ],
)
def test_a_file_that_is_cut_short_is_named(
    field: AudioField, tmp_path: Path, kind: str, subtype: str | None, message: str
) -> None:
    path = tmp_path / "x.wav"
    with path.open("wb") as stream:
        soundfile.write(stream, NOISE, RATE, format=kind, subtype=subtype)
    field.encode(path)
    path.write_bytes(path.read_bytes()[:-2])
    with pytest.raises(FieldError) as error:
        field.encode(path)
    assert f"`{path}` {message}" in str(error.value)


@pytest.mark.parametrize("suffix", [".wav", ".au", ".vox", ".raw", ".mp3"])
@pytest.mark.parametrize("data", [b"", b"this is text\n" * 50, bytes(999), b"RIFF\x10\0\0\0WAVE"])
def test_a_file_that_is_no_sound_is_named(field: AudioField, tmp_path: Path, suffix: str, data: bytes) -> None:
    path = tmp_path / f"x{suffix}"
    path.write_bytes(data)
    with pytest.raises(FieldError) as error:
        field.encode(str(path))
    assert f"`{path}` must be a sound that libsndfile can read, but it says: " in str(error.value)
    assert str(error.value).endswith("; is it another kind of file, or cut short?")
    assert "BytesIO" not in str(error.value)


@pytest.mark.parametrize(
    ("samples", "message"),
    [
        (np.zeros(0), "must hold at least one sample of sound, but holds none"),
        ([0.5, float("nan"), 0], "must hold samples in [-1, 1], but sample 1 is nan"),
        ([0.5, 0, float("inf")], "must hold samples in [-1, 1], but sample 2 is inf"),
        ([0.5, 900.0], "must hold samples in [-1, 1], but sample 1 is 900.0; divide 16-bit numbers by 32768"),
    ],
)
def test_samples_that_are_none_are_named_with_their_file(
    field: AudioField, tmp_path: Path, samples: Any, message: str
) -> None:
    path = tmp_path / "x.wav"
    soundfile.write(path, np.asarray(samples), RATE, subtype="FLOAT")
    for value, subject in ((path, f"`{path}`"), ((np.asarray(samples), RATE), "`value`")):
        with pytest.raises(FieldError) as error:
            field.encode(value)
        assert str(error.value) == f"{subject} {message}"


FLOATS = "divide 16-bit numbers by 32768, and average channels"
MISTAKES: dict[str, tuple[Callable[[AudioField], Any], str]] = {
    "a missing file": (lambda f: f.encode("none.wav"), "`none.wav` can't be read: No such file or directory"),
    "a folder": (lambda f: f.encode(Path(__file__).parent), "` can't be read: Is a directory"),
    "samples without a rate": (
        lambda f: f.encode(NOISE),
        "`value` must be the path of a sound file, or a pair of samples and their rate, but is a ndarray",
    ),
    "whole numbers": (
        lambda f: f.encode((np.zeros(9, np.int16), RATE)),
        f"the samples of `value` must be floats of shape (samples,), but are int16 of (9,); {FLOATS}",
    ),
    "two channels": (
        lambda f: f.encode((np.zeros((9, 2)), RATE)),
        f"the samples of `value` must be floats of shape (samples,), but are float64 of (9, 2); {FLOATS}",
    ),
    "a rate of nothing": (
        lambda f: f.encode((NOISE, 0)),
        "the rate of `value` must be a number above 0, samples a second, but is 0",
    ),
    "no sound to fit": (lambda f: f.fit([]), "`values` must hold at least one sound, but are empty"),
    "one sound to fit": (
        lambda f: f.fit("x.wav"),
        "`values` must be many sounds, but is one: `x.wav`; use `field.fit([path])`",
    ),
    "a value to fit": (lambda f: f.fit([(NOISE, RATE), None]), "value 1 of `values` must be the path of a sound file"),
    "bands of another": (
        lambda f: f.decode(torch.zeros(3, 41)),
        "`encoded` must be a tensor of (steps, 40), but is (3, 41)",
    ),
    "encode before fit": (
        lambda f: AudioField().encode((NOISE, RATE)),
        "`AudioField(rate=8000, mels=40, window=0.025, hop=0.01)` must be fitted before it can encode; "
        "call `field.fit(values)` with the training part's",
    ),
    "decode before fit": (lambda f: AudioField().decode(torch.zeros(1, 40)), "must be fitted before it can decode"),
    "save before fit": (lambda f: AudioField().to_json(), "must be fitted before it can save"),
    "no rate": (lambda f: AudioField(0), "`rate` must be a whole number of at least 1, but is 0"),
    "half a band": (lambda f: AudioField(mels=0.5), "`mels` must be a whole number of at least 1, but is 0.5"),  # type: ignore[arg-type]
    "a short window": (
        lambda f: AudioField(window=0.00005),
        "`window` must be at least one sample, 0.000125 seconds, but is 5e-05",
    ),
    "a hop back": (lambda f: AudioField(hop=-0.1), "`hop` must be at least one sample, 0.000125 seconds, but is -0.1"),
    "too many bands": (
        lambda f: AudioField(mels=200),
        "`mels` must be few enough for each band to hold a frequency, but of 200 bands some lie between two, "
        "which are 31.25 Hz apart; take fewer, or a longer `window` than 0.025",
    ),
    "a key too few": (lambda f: AudioField.from_json({"kind": "audio"}), "`saved` must have the keys ['deviation', "),
    "other bands saved": (
        lambda f: AudioField.from_json(f.to_json() | {"mels": 30}),
        "`mean` must be of 30 bands, but is of 40",
    ),
}


@pytest.mark.parametrize("case", MISTAKES)
def test_a_mistake_is_named_with_what_came(field: AudioField, case: str) -> None:
    mistake, message = MISTAKES[case]
    with pytest.raises(FieldError) as error:
        mistake(field)
    assert message in str(error.value)


@pytest.mark.parametrize("name", ["soundfile", "soxr"])
def test_a_package_that_is_missing_is_named_with_what_installs_it(
    field: AudioField, wav: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    soundfile.write(wav, NOISE, 2 * RATE)
    real = importlib.import_module

    def without(wanted: str, package: str | None = None) -> Any:
        if wanted == name:
            raise ImportError(wanted)
        return real(wanted, package)

    monkeypatch.setattr(importlib, "import_module", without)
    with pytest.raises(FieldError) as error:
        field.encode(wav)
    assert str(error.value) == f"`{wav}` needs the package `{name}`; pip install 'unspool[audio]'"
    assert field.encode((NOISE, RATE)).isfinite().all()
