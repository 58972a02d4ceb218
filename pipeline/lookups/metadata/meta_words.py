"""The words of a lookup's ``meta`` parameter: their table and the only parser."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum
from functools import lru_cache
from types import MappingProxyType
from typing import Final


class Detail(IntEnum):
    """How much of a recording, release or release group is shown."""

    NONE = 0
    IDS = 1
    FULL = 2


@dataclass(frozen=True, slots=True)
class MetaOptions:
    """The metadata in an answer, in addition to ids and scores.

    Attributes:
        legacy: the format of ``m2``; all other attributes except `hide_mismatches` are unset.
        recordings: the recordings of a track.
        release_groups: release groups, in the recordings, or in the track without recordings.
        releases: releases, in the release groups, else in the recordings, else in the track.
        tracks: the mediums and tracks of each release.
        isrcs: the ISRCs of each recording.
        sources: the number of submissions that link each recording to the track.
        compress: values that equal those of the enclosing object are left out.
        user_text: submitted text is shown if MusicBrainz has none of the recordings.
        hide_mismatches: recordings whose length does not fit the track are left out.
    """

    legacy: bool = False
    recordings: Detail = Detail.NONE
    release_groups: Detail = Detail.NONE
    releases: Detail = Detail.NONE
    tracks: bool = False
    isrcs: bool = False
    sources: bool = False
    compress: bool = False
    user_text: bool = False
    hide_mismatches: bool = False

    @property
    def shows_links(self) -> bool:
        """Whether the answer depends on the links of the tracks."""
        return self.legacy or bool(self.recordings) or self.shows_releases

    @property
    def shows_releases(self) -> bool:
        """Whether recordings are shown with their releases."""
        return self.legacy or bool(self.release_groups) or bool(self.releases)

    @property
    def reads_musicbrainz(self) -> bool:
        """Whether the answer depends on MusicBrainz; the ids of recordings are in the links."""
        if self.recordings is Detail.FULL or self.user_text or self.shows_releases:
            return True
        return self.hide_mismatches and self.shows_links

    @property
    def compares_lengths(self) -> bool:
        """Whether the lengths of recordings are compared with those of the tracks' fingerprints."""
        shows_recordings = self.legacy or bool(self.recordings)
        return self.reads_musicbrainz and (shows_recordings or self.hide_mismatches)


LEGACY_WORD: Final = "m2"
"""The word that disables all others."""

META_WORDS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "recordings": "the recordings of each track: title, duration, artists",
        "recordingids": "the same, as ids only",
        "releases": "the releases of each recording, or of each track without recordings",
        "releaseids": "the same, as ids only",
        "releasegroups": "the release groups that contain the releases",
        "releasegroupids": "the same, as ids only",
        "tracks": "the mediums and tracks of each release",
        "compress": "leaves out values that equal those of the enclosing object",
        "usermeta": "submitted text for tracks without a recording in MusicBrainz",
        "sources": "the number of submissions that link each recording to its track",
        "isrcs": "the ISRCs of each recording; includes `recordings`",
        LEGACY_WORD: "the format of the first version; all other words are ignored",
    }
)
"""The words of ``meta`` with their additions to an answer. All other words are ignored.

To add a word, declare it here, give `MetaOptions` an attribute that `parse_meta` sets, and read the
attribute in ``view.py`` and ``reading.py``. The front end and the OpenAPI document need no change.
"""

HIDE_MISMATCHES: Final = "hide_duration_mismatches"
"""The word that sets `MetaOptions.hide_mismatches`. Only front ends add it, from a setting.

It is part of ``meta`` so that the answer cache and the batches carry it. `normalize_meta` removes
it, so clients can't send it.
"""

_KNOWN_WORDS: Final = frozenset(META_WORDS)

_SHORTHANDS: Final[Mapping[str, frozenset[str]]] = MappingProxyType(
    {"0": frozenset(), "1": frozenset({"recordingids"}), "2": frozenset({LEGACY_WORD})}
)
"""Short values of the whole parameter, and the words that they mean."""


def normalize_meta(meta: str | None) -> str:
    """Return the known words of a ``meta`` parameter, each once, sorted, separated by spaces.

    Values that differ only in order, repetitions or unknown words have equal results.

    Args:
        meta: words separated by white space, or ``0`` (nothing), ``1`` (``recordingids``) or
            ``2`` (``m2``).
    """
    return " ".join(sorted(_words(meta))) if meta else ""


def without_mismatches(meta: str) -> str:
    """Add `HIDE_MISMATCHES` to a result of `normalize_meta` that is not empty."""
    return f"{meta} {HIDE_MISMATCHES}" if meta else ""


@lru_cache(maxsize=1024)
def parse_meta(meta: str) -> MetaOptions:
    """Return the options that a ``meta`` parameter selects; see `normalize_meta` for its form."""
    words = _words(meta)
    hides = HIDE_MISMATCHES in meta.split()
    if LEGACY_WORD in words:
        return MetaOptions(legacy=True, hide_mismatches=hides)
    recordings = _detail("recordingids" in words, bool(words & {"recordings", "isrcs"}))
    releases = _detail("releaseids" in words, "releases" in words)
    return MetaOptions(
        recordings=recordings,
        release_groups=_detail("releasegroupids" in words, "releasegroups" in words),
        releases=releases,
        tracks="tracks" in words and bool(releases),
        isrcs="isrcs" in words and recordings is Detail.FULL,
        sources="sources" in words and bool(recordings),
        compress="compress" in words,
        user_text="usermeta" in words and bool(recordings),
        hide_mismatches=hides,
    )


def _words(meta: str) -> frozenset[str]:
    words = frozenset(meta.split())
    if len(words) == 1:
        [word] = words
        words = _SHORTHANDS.get(word, words)
    return words & _KNOWN_WORDS


def _detail(ids: bool, full: bool) -> Detail:  # noqa: FBT001 - the two words of one kind of object
    if ids:
        return Detail.IDS  # ids take precedence over the full form
    return Detail.FULL if full else Detail.NONE
