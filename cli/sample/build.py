"""Builds the files of the sample catalogue from measured fingerprints.

Usage: ``python -m cli.sample.build MEASURED``. The same input gives the same files. MEASURED is
gzipped JSON lines with one recording each: ``mbid``, ``source`` (a package with music), ``track``,
``artist``, ``album`` (tags; file name and source if there are none), ``duration`` (s), ``format``,
``bitrate`` (kbit/s), ``fingerprint``, and ``variants``, a list of degraded copies with ``kind``,
``duration`` and ``fingerprint``.
"""

import gzip
import json
import re
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

import click

from cli.sample.musicbrainz_dump import write_dump
from cli.sample.recordings import MUSICBRAINZ, PATH, SampleRecording

SOURCES: Final = frozenset(
    {"wesnoth-1.16-music", "singularity-music", "marsshooter-data", "lincity-ng-data"}
)
"""Sources of which all recordings are in the sample.

Of `TAGGED_SOURCES`, only recordings with complete tags are."""
TAGGED_SOURCES: Final = frozenset({"unknown-horizons"})
DEGRADED: Final = "opus_48k"
UNKNOWN: Final = "[unknown]"

_FILE_NAME: Final = re.compile(r"\d+ - (?P<artist>.+?) - (?P<title>.+)")


@click.command()
@click.argument("measured", type=click.Path(path_type=Path, exists=True, dir_okay=False))
def build(measured: Path) -> None:
    """Write the files of the sample into this package."""
    with gzip.open(measured, "rt", encoding="utf-8") as lines:
        found = [json.loads(line) for line in lines]
    recordings = sorted(
        (sample_recording(each) for each in found if is_sample(each)),
        key=lambda each: (each.artist, each.album, each.title, each.mbid),
    )
    write_recordings(recordings)
    write_dump(recordings, MUSICBRAINZ)
    click.echo(f"{len(recordings)} recordings, {PATH.stat().st_size} bytes of fingerprints")


def is_sample(measured: dict[str, Any]) -> bool:
    """Return whether a measured recording belongs to the sample."""
    tagged = measured["artist"] and measured["album"] != measured["source"]
    return measured["source"] in SOURCES or (measured["source"] in TAGGED_SOURCES and bool(tagged))


def sample_recording(measured: dict[str, Any]) -> SampleRecording:
    """Return a recording of the sample. Missing tags are read from the file name."""
    named = _FILE_NAME.fullmatch(measured["track"]) if not measured["artist"] else None
    degraded = next(each for each in measured["variants"] if each["kind"] == DEGRADED)
    return SampleRecording(
        mbid=measured["mbid"],
        title=named["title"] if named else measured["track"],
        artist=named["artist"] if named else measured["artist"] or UNKNOWN,
        album="" if measured["album"] == measured["source"] else measured["album"],
        duration=measured["duration"],
        format=measured["format"],
        bitrate=measured["bitrate"],
        fingerprint=measured["fingerprint"],
        degraded_duration=degraded["duration"],
        degraded_fingerprint=degraded["fingerprint"],
    )


def write_recordings(recordings: Iterable[SampleRecording]) -> None:
    """Write the recordings. The same ones give the same bytes."""
    lines = (json.dumps(asdict(each), ensure_ascii=False) + "\n" for each in recordings)
    PATH.write_bytes(gzip.compress("".join(lines).encode(), compresslevel=9, mtime=0))


if __name__ == "__main__":
    build()
