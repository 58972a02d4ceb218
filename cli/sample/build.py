"""Makes the files of the sample catalogue from measured fingerprints.

Run ``python -m cli.sample.build MEASURED``; what it writes depends on nothing but its input.
MEASURED is gzipped JSON lines, one recording each: ``mbid``, ``source`` (where the music came
from), ``track``, ``artist``, ``album`` (tags; the file's name and the source where there are
none), ``duration`` (s), ``format``, ``bitrate`` (kbit/s), ``fingerprint``, and ``variants``, a
list of degraded copies with ``kind``, ``duration`` and ``fingerprint``.
"""

import gzip
import json
import re
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

import click

from cli.sample.recordings import MUSICBRAINZ, PATH, SampleRecording
from cli.sample.rows import sample_rows
from pipeline.catalog.musicbrainz.tables import METADATA

SOURCES: Final = frozenset(
    {"wesnoth-1.16-music", "singularity-music", "marsshooter-data", "lincity-ng-data"}
)
"""Sources that the sample has in full; of `TAGGED_SOURCES` it has what is properly tagged."""
TAGGED_SOURCES: Final = frozenset({"unknown-horizons"})
DEGRADED: Final = "opus_48k"
UNKNOWN: Final = "[unknown]"

_FILE_NAME: Final = re.compile(r"\d+ - (?P<artist>.+?) - (?P<title>.+)")


@click.command()
@click.argument("measured", type=click.Path(path_type=Path, exists=True, dir_okay=False))
def build(measured: Path) -> None:
    """Write the sample's files beside this module."""
    with gzip.open(measured, "rt", encoding="utf-8") as lines:
        found = [json.loads(line) for line in lines]
    recordings = sorted(
        (sample_recording(each) for each in found if is_sample(each)),
        key=lambda each: (each.artist, each.album, each.title, each.mbid),
    )
    write_recordings(recordings)
    write_rows(recordings)
    click.echo(f"{len(recordings)} recordings, {PATH.stat().st_size} bytes of fingerprints")


def is_sample(measured: dict[str, Any]) -> bool:
    """Return whether a measured recording belongs to the sample."""
    tagged = measured["artist"] and measured["album"] != measured["source"]
    return measured["source"] in SOURCES or (measured["source"] in TAGGED_SOURCES and bool(tagged))


def sample_recording(measured: dict[str, Any]) -> SampleRecording:
    """Return a measured recording as the sample has it; a file's name may say who plays what."""
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
    """Write the recordings; the same ones give the same bytes."""
    lines = (json.dumps(asdict(each), ensure_ascii=False) + "\n" for each in recordings)
    PATH.write_bytes(gzip.compress("".join(lines).encode(), compresslevel=9, mtime=0))


def write_rows(recordings: list[SampleRecording]) -> None:
    """Write a file for every table, in COPY's text format."""
    MUSICBRAINZ.mkdir(exist_ok=True)
    rows = sample_rows(recordings)
    for table in METADATA.tables.values():
        lines = ("\t".join(map(copy_text, row)) + "\n" for row in rows.get(table.name, ()))
        (MUSICBRAINZ / table.name).write_text("".join(lines), encoding="utf-8")


def copy_text(value: str | float | None) -> str:
    r"""Return a value as COPY reads it: ``\N`` for null, backslashes and white space escaped."""
    if value is None:
        return r"\N"
    if isinstance(value, bool):
        return "t" if value else "f"
    escaped = str(value).replace("\\", "\\\\").replace("\t", "\\t")
    return escaped.replace("\n", "\\n").replace("\r", "\\r")


if __name__ == "__main__":
    build()
