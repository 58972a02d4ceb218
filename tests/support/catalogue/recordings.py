"""Sixty real recordings with degraded copies. The sample catalogue has other recordings.

``python -m tests.support.catalogue.recordings MEASURED`` writes the file. MEASURED has the format
of the input of `cli.sample.build`.
"""

import gzip
import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final

PATH: Final = Path(__file__).parents[2] / "data" / "recordings.jsonl.gz"

KINDS: Final = ("mp3_96k", "opus_48k", "noise_aac64", "trim2s_vorbis")

# Number of recordings of each source, the first ones in the order of ids. The sample catalogue has
# other sources.
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
# It has the same theme as another recording of the source.
LEFT_OUT: Final = frozenset({("warzone2100-music", "menu_enhanced")})


@dataclass(frozen=True, slots=True)
class Audio:
    """The output of fpcalc for a file.

    Attributes:
        duration: the duration in seconds.
        fingerprint: the Chromaprint text of the first two minutes.
    """

    duration: float
    fingerprint: str


@dataclass(frozen=True, slots=True)
class Recording:
    """A recording and its degraded copies.

    Attributes:
        mbid: an id that does not exist in MusicBrainz.
        title: the title in the tags or the file name.
        artist: the artist in the tags, may be empty.
        album: the album in the tags, else the source of the music.
        format: the format of the file.
        bitrate: the bitrate in kbit/s.
        original: the fingerprint of the file.
        variants: the fingerprints of the copies, by the kinds in `KINDS`.
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
    """Return all recordings, always in the same order."""
    with gzip.open(PATH, "rt", encoding="utf-8") as lines:
        return tuple(_recording(json.loads(line)) for line in lines)


def _recording(stored: dict[str, Any]) -> Recording:
    original = Audio(**stored.pop("original"))
    variants = {kind: Audio(**audio) for kind, audio in stored.pop("variants").items()}
    return Recording(**stored, original=original, variants=variants)


def build(measured: Path) -> None:
    """Write the file. The same input gives the same bytes."""
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
