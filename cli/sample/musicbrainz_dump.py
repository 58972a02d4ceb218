"""Writes recordings as a MusicBrainz dump.

Recordings, artists and albums come from the tags. Editions, release events, ISRCs and a compilation
are invented; with them lookups show every kind of metadata. Ids are version 5 UUIDs of the names,
so every run writes the same files.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path
from typing import Any, Final
from uuid import UUID, uuid5

import sqlalchemy as sa

from cli.sample.recordings import SampleRecording
from pipeline.catalog.musicbrainz.tables import METADATA

NAMESPACE: Final = UUID("a3c0f6c4-8f0b-5f2e-9b39-5d6d0c5a8d11")
MOMENT: Final = "2026-01-01 00:00:00+00"
VARIOUS: Final = "Various Artists"
SAMPLER: Final = "Free Music Sampler"
SAMPLER_EVERY: Final = 5  # every fifth recording is on the compilation
MEDIUM_SIZE: Final = 15

Row = tuple[Any, ...]
Credit = tuple[str, ...]

# MusicBrainz credits classical music to composer and orchestra.
COMPOSERS: Final = {"Czech National Symphony Orchestra": "Edvard Grieg"}
JOIN: Final = "; "

ALBUM, SINGLE = 1, 2
PRIMARY_TYPES: Final = {ALBUM: "Album", SINGLE: "Single"}
COMPILATION, SOUNDTRACK = 1, 2
SECONDARY_TYPES: Final = {COMPILATION: "Compilation", SOUNDTRACK: "Soundtrack"}
CD, DIGITAL = 1, 12
FORMATS: Final = {CD: "CD", DIGITAL: "Digital Media"}
AREAS: Final = {1: ("Germany", "DE"), 2: ("Czechia", "CZ"), 3: ("[Worldwide]", "XW")}

Event = tuple[int | None, int, int | None, int | None]  # area, year, month, day
Numbered = tuple[int, SampleRecording]  # id of the row, and the recording


@dataclass(frozen=True, slots=True)
class Edition:
    """One release of an album."""

    format: int
    events: tuple[Event, ...]
    disambiguation: str = ""


EDITIONS: Final = (Edition(DIGITAL, ((3, 2012, 5, 1),)),)
TWO_EDITIONS: Final = (
    Edition(CD, ((1, 2011, 10, 21), (2, 2012, None, None))),
    Edition(DIGITAL, ((None, 2013, 2, None),), "remastered"),
)
"""The releases of each album of `WITH_ISRCS`. Other albums have `EDITIONS`."""
WITH_ISRCS: Final = "Maxstack"  # the artist whose recordings have ISRCs


@dataclass(slots=True)
class DumpRows:
    """The rows created so far, by table."""

    tables: dict[str, list[Row]] = field(default_factory=dict)
    credit_ids: dict[Credit, int] = field(default_factory=dict)
    artist_ids: dict[str, int] = field(default_factory=dict)

    def add(self, table: str, **values: Any) -> int:  # noqa: ANN401 - columns have many types
        """Add a row and return its id. Missing columns get a default."""
        rows = self.tables.setdefault(table, [])
        values.setdefault("id", len(rows) + 1)
        columns = METADATA.tables[f"musicbrainz.{table}"].columns
        if "gid" in columns:
            values.setdefault("gid", sample_mbid(table, values["id"]))
        rows.append(tuple(_value(each, values) for each in columns))
        return int(values["id"])

    def credit(self, names: Credit) -> int:
        """Return the id of the artist credit of these names. Create it if it is missing."""
        if names not in self.credit_ids:
            self.credit_ids[names] = self.add(
                "artist_credit", name=JOIN.join(names), artist_count=len(names)
            )
            for position, name in enumerate(names):
                self.add(
                    "artist_credit_name",
                    artist_credit=self.credit_ids[names],
                    position=position,
                    artist=self._artist(name),
                    name=name,
                    join_phrase=JOIN if position < len(names) - 1 else "",
                )
        return self.credit_ids[names]

    def _artist(self, name: str) -> int:
        if name not in self.artist_ids:
            self.artist_ids[name] = self.add(
                "artist", gid=sample_mbid("artist", name), name=name, sort_name=name
            )
        return self.artist_ids[name]


def sample_mbid(kind: str, name: object) -> str:
    """Return the MBID of an entity of the sample."""
    return str(uuid5(NAMESPACE, f"{kind}/{name}"))


def sample_rows(recordings: Sequence[SampleRecording]) -> dict[str, list[Row]]:
    """Return the rows of each non-empty table, with values in the order of its columns."""
    rows = DumpRows()
    _add_kinds(rows)
    numbered = [(_add_recording(rows, each), each) for each in recordings]
    by_album = sorted(numbered, key=lambda each: (each[1].album, each[1].title, each[1].mbid))
    for title, tracks in groupby(by_album, key=lambda each: each[1].album or each[1].title):
        _add_album(rows, title, list(tracks))
    _add_sampler(rows, numbered[::SAMPLER_EVERY])
    return rows.tables


def write_dump(recordings: Sequence[SampleRecording], folder: Path) -> None:
    """Write a file for every table, in the text format of ``COPY``."""
    folder.mkdir(exist_ok=True)
    rows = sample_rows(recordings)
    for table in METADATA.tables.values():
        lines = ("\t".join(map(copy_text, row)) + "\n" for row in rows.get(table.name, ()))
        (folder / table.name).write_text("".join(lines), encoding="utf-8")


def copy_text(value: str | float | None) -> str:
    r"""Return a value in the text format of ``COPY``: null is ``\N``, white space is escaped."""
    if value is None:
        return r"\N"
    if isinstance(value, bool):
        return "t" if value else "f"
    escaped = str(value).replace("\\", "\\\\").replace("\t", "\\t")
    return escaped.replace("\n", "\\n").replace("\r", "\\r")


def credit_of(recording: SampleRecording) -> Credit:
    """Return the names of the artists of a recording."""
    composer = COMPOSERS.get(recording.artist)
    return (composer, recording.artist) if composer else (recording.artist,)


def _value(column: sa.Column[Any], given: Mapping[str, Any]) -> str | int | None:
    if column.name in given or column.nullable:
        return given.get(column.name)
    if column.name == "created":
        return MOMENT
    return column.type.python_type()  # type: ignore[no-any-return] # 0, False or ""


def _add_kinds(rows: DumpRows) -> None:
    for number, (name, code) in AREAS.items():
        rows.add("area", id=number, name=name)
        rows.add("iso_3166_1", area=number, code=code)
    named = {
        "medium_format": FORMATS,
        "release_group_primary_type": PRIMARY_TYPES,
        "release_group_secondary_type": SECONDARY_TYPES,
    }
    for table, kinds in named.items():
        for number, name in kinds.items():
            rows.add(table, id=number, name=name)
    rows.add("replication_control", current_schema_sequence=31, last_replication_date=MOMENT)


def _add_recording(rows: DumpRows, recording: SampleRecording) -> int:
    number = rows.add(
        "recording",
        gid=recording.mbid,
        name=recording.title,
        artist_credit=rows.credit(credit_of(recording)),
        length=round(recording.duration * 1000),
    )
    if recording.artist == WITH_ISRCS:
        for version in range(1 + number % 2):
            rows.add("isrc", recording=number, isrc=f"ZZSMP{11 + version}{number:05}")
    return number


def _add_album(rows: DumpRows, title: str, tracks: Sequence[Numbered]) -> None:
    """Add an album by one or several artists. A recording without an album is a single."""
    credits_ = {credit_of(track) for _, track in tracks}
    credit = rows.credit(next(iter(credits_)) if len(credits_) == 1 else (VARIOUS,))
    is_album = bool(tracks[0][1].album)
    group = rows.add(
        "release_group", name=title, artist_credit=credit, type=ALBUM if is_album else SINGLE
    )
    if "soundtrack" in title.lower() or "OST" in title.split():
        rows.add(
            "release_group_secondary_type_join", release_group=group, secondary_type=SOUNDTRACK
        )
    for edition in TWO_EDITIONS if (WITH_ISRCS,) in credits_ else EDITIONS:
        release = _add_release(rows, title, group, credit, edition)
        _add_mediums(rows, release, edition, tracks)


def _add_sampler(rows: DumpRows, tracks: Sequence[Numbered]) -> None:
    credit = rows.credit((VARIOUS,))
    edition = Edition(CD, ((1, 2014, 6, 12),))
    group = rows.add("release_group", name=SAMPLER, artist_credit=credit, type=ALBUM)
    rows.add("release_group_secondary_type_join", release_group=group, secondary_type=COMPILATION)
    _add_mediums(rows, _add_release(rows, SAMPLER, group, credit, edition), edition, tracks)


def _add_release(rows: DumpRows, title: str, group: int, credit: int, edition: Edition) -> int:
    release = rows.add(
        "release",
        name=title,
        artist_credit=credit,
        release_group=group,
        comment=edition.disambiguation,
        quality=-1,
    )
    for area, year, month, day in edition.events:
        date = {"date_year": year, "date_month": month, "date_day": day}
        if area is None:
            rows.add("release_unknown_country", release=release, **date)
        else:
            rows.add("release_country", release=release, country=area, **date)
    return release


def _add_mediums(
    rows: DumpRows, release: int, edition: Edition, tracks: Sequence[Numbered]
) -> None:
    for position, start in enumerate(range(0, len(tracks), MEDIUM_SIZE), 1):
        listed = tracks[start : start + MEDIUM_SIZE]
        medium = rows.add(
            "medium",
            release=release,
            position=position,
            format=edition.format,
            track_count=len(listed),
        )
        for number, (recording, track) in enumerate(listed, 1):
            rows.add(
                "track",
                recording=recording,
                medium=medium,
                position=number,
                number=str(number),
                name=track.title,
                artist_credit=rows.credit(credit_of(track)),
                length=round(track.duration * 1000),
            )
