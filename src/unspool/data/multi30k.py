"""Multi30k: captions of photographs in German, English, French and Czech."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from unspool.data.fetching import download
from unspool.data.sources import parallel_rows, rows_stream
from unspool.data.tables import Stream

COLUMNS = ("de", "en", "fr", "cs")
_ADDRESS = "https://raw.githubusercontent.com/multi30k/dataset/a3d2e0d26b56f3846f66a952536ffed4e401d05a/data/task1/raw"
_FILES = {"train": "train", "valid": "val", "test": "test_2016_flickr"}
SHA256 = {
    "train.de.gz": "726e39b2fa9eb9ffb6dc763fb35a179f80fae06ffc5d28b6ace5faa883de28a6",
    "train.en.gz": "d79cfa999dd4c51d2cb42499b6796d5a882c3a8a961923c25a898c90f8bbd56f",
    "train.fr.gz": "622e75069e9f4c577425c4f277116ce66e63a2401c0a2312d90073cb12379a3c",
    "train.cs.gz": "a65adb8b32e3bc664f21ecba7a6e7f6950fd1f405e135f7c312faabdb6255077",
    "val.de.gz": "f0cba2f995189cf5770f29a8a9a537a3ad3f51657ad873405082ff6863a5e75a",
    "val.en.gz": "14f7d25ddd868909a9213e361768460edcacdd6ab9d1e77b92560dc10c10dc28",
    "val.fr.gz": "ca3106f1a72390591d25f6c45cb4cd39dec4cd3f123e099748a3ce5256c160e9",
    "val.cs.gz": "b63226e05c4bd5dd6a42897d74b86a1b9d2c31498252c572b1ea7f7996927fcc",
    "test_2016_flickr.de.gz": "9204244e408ccb38d2a55cfcd344df15005fc42a07a6e55ca6c52b6ababb8cc8",
    "test_2016_flickr.en.gz": "611d361c6334bc7246101d48097c13cf5c4413c5befc793cc629934359d532d9",
    "test_2016_flickr.fr.gz": "6d326e188d259fb1d04ac19eae3af956559b3a0b93d7635e56c90987c40c8b90",
    "test_2016_flickr.cs.gz": "200a4a74cc9560f051924abb9803be008d1908d77f747e9141aeb86dfd2797f1",
}


def multi30k(columns: Sequence[str] = COLUMNS) -> dict[str, Stream]:
    """Sentences that say the same, one column a language; the parts train, valid and test (2016, Flickr).

    Only the files of these columns are fetched.

    Reference:
        Elliott et al. (2016), Multi30K: Multilingual English-German image descriptions.
    """
    streams = {}
    for part, stem in _FILES.items():
        names = [f"{stem}.{column}.gz" for column in columns]
        files = [download(f"{_ADDRESS}/{name}", SHA256[name]) for name in names]
        identity = ["multi30k", {column: SHA256[name] for column, name in zip(columns, names, strict=True)}]
        streams[part] = rows_stream(identity, partial(parallel_rows, files), columns, f"`multi30k` ({part})")
    return streams
