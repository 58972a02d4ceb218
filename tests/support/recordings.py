"""Sixty real recordings and degraded copies of each; none of them is in the sample catalogue.

``python -m tests.support.recordings MEASURED`` makes the file from gzipped JSON lines as
`cli.sample.build` reads them.
"""

import gzip
import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final

PATH: Final = Path(__file__).parents[1] / "data" / "recordings.jsonl.gz"

KINDS: Final = ("mp3_96k", "opus_48k", "noise_aac64", "trim2s_vorbis")

# How many recordings of each source are taken, in the order of their ids. The sample catalogue
# has other sources.
SOURCES: Final[Mapping[str, int]] = {
    "asc-music": 3,
    "colobot-common-sounds": 18,
    "endless-sky-data": 1,
    "freedroidrpg-data": 12,
    "hedgewars-data": 9,
    "hyperrogue-music": 3,
    "planetblupi-music-ogg": 5,
    "warzone2100-music": 9,
}
# Its theme is that of another recording of the source.
LEFT_OUT: Final = frozenset({("warzone2100-music", "menu_enhanced")})


@dataclass(frozen=True, slots=True)
class Audio:
    """What fpcalc says of a file.

    Attributes:
        duration: seconds.
        fingerprint: Chromaprint text of the first two minutes.
    """

    duration: float
    fingerprint: str


@dataclass(frozen=True, slots=True)
class Recording:
    """A recording and its degraded copies.

    Attributes:
        mbid: an id of its own; MusicBrainz has no such recording.
        title: from the tags or the file's name.
        artist: from the tags, may be empty.
        album: from the tags, else where the music came from.
        format: of the file.
        bitrate: kbit/s.
        original: the file itself.
        variants: its copies, by the kinds in `KINDS`.
    """

    mbid: str
    title: str
    artist: str
    album: str
    format: str
    bitrate: int
    original: Audio
    variants: Mapping[str, Audio]


@cache
def recordings() -> tuple[Recording, ...]:
    """Return all of them, in an order that never changes."""
    with gzip.open(PATH, "rt", encoding="utf-8") as lines:
        return tuple(_recording(json.loads(line)) for line in lines)


def _recording(stored: dict[str, Any]) -> Recording:
    original = Audio(**stored.pop("original"))
    variants = {kind: Audio(**audio) for kind, audio in stored.pop("variants").items()}
    return Recording(**stored, original=original, variants=variants)


def build(measured: Path) -> None:
    """Write the file; the same input gives the same bytes."""
    with gzip.open(measured, "rt", encoding="utf-8") as lines:
        found = sorted((json.loads(line) for line in lines), key=lambda each: str(each["id"]))
    chosen = [
        _stored(each)
        for source, count in SOURCES.items()
        for each in [e for e in found if e["source"] == source and _is_fit(e)][:count]
    ]
    text = "".join(json.dumps(each, ensure_ascii=False) + "\n" for each in chosen)
    PATH.write_bytes(gzip.compress(text.encode(), compresslevel=9, mtime=0))


def _is_fit(measured: dict[str, Any]) -> bool:
    return (measured["source"], measured["track"]) not in LEFT_OUT


def _stored(measured: dict[str, Any]) -> dict[str, Any]:
    found = {each["kind"]: each for each in measured["variants"]}
    return {
        "mbid": measured["mbid"],
        "title": measured["track"],
        "artist": measured["artist"],
        "album": measured["album"],
        "format": measured["format"],
        "bitrate": measured["bitrate"],
        "original": _audio(measured),
        "variants": {kind: _audio(found[kind]) for kind in KINDS},
    }


def _audio(measured: dict[str, Any]) -> dict[str, Any]:
    return {"duration": measured["duration"], "fingerprint": measured["fingerprint"]}


if __name__ == "__main__":
    build(Path(sys.argv[1]))
