"""What a submission benchmark sends, and what has to become of it.

Half of the recordings are new. A quarter are degraded copies of the catalogue's, which must join
its tracks; a quarter are degraded copies of a recording sent earlier in the same run, perhaps by
a request that is still being worked on, and must join whatever track that one founds.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import urlencode
from uuid import UUID

import sqlalchemy as sa

from bench.catalogue.catalogue import Catalogue
from bench.catalogue.synthetic import Random, Synthesizer, degrade
from bench.stack.stack import KEY
from pipeline.catalog.ingest.tables import submission, submission_result
from pipeline.fingerprint.codec import encode
from pipeline.runtime.databases import Databases

NEW_SHARE: Final = 0.5
KNOWN_SHARE: Final = 0.25
_MBIDS: Final = 0xBE9C50B0_0000_4000_8000_0000_0000_0000


@dataclass(frozen=True, slots=True)
class Item:
    """One submission.

    Attributes:
        form: its parameters, without suffix.
        recording: what it is of: a track id of the catalogue, or, negative, a new recording.
    """

    form: dict[str, str]
    recording: int


@dataclass
class Submitter:
    """Makes submissions, each run other ones.

    Attributes:
        catalogue: that the stack holds.
        run: a number that no earlier run on this stack had.
    """

    catalogue: Catalogue
    run: int
    _sent: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Seed the run."""
        self._new = Synthesizer(self.catalogue.seed)
        self._stream = f"submitted {self.run}"

    def make(self, count: int) -> list[Item]:
        """Return so many submissions, in the order in which they are to be sent."""
        return [self._make(number) for number in range(count)]

    def _make(self, number: int) -> Item:
        random = self.catalogue.random(f"{self._stream} kinds", number)
        kind = float(random.random())
        if kind < NEW_SHARE or not self._sent:
            self._sent.append(number)
            return self._new_recording(number, number, random, is_copy=False)
        if kind < NEW_SHARE + KNOWN_SHARE:
            return self._known_recording(random)
        again = self._sent[int(random.integers(len(self._sent)))]
        return self._new_recording(again, number, random, is_copy=True)

    def _new_recording(self, number: int, name: int, random: Random, *, is_copy: bool) -> Item:
        words = self._new.fingerprint(self._stream, number)
        form = {
            "fingerprint": encode(degrade(words, random) if is_copy else words),
            "duration": str(150 + number % 300),
            "bitrate": "900",
            "fileformat": "FLAC",
        }
        if name % 2:
            form["mbid"] = str(UUID(int=_MBIDS | self.run << 24 | number))
        else:
            form |= {"track": f"Title {number}", "artist": f"Artist {number // 12}"}
        return Item(form, -1 - number)

    def _known_recording(self, random: Random) -> Item:
        number = int(random.integers(self.catalogue.real, self.catalogue.fingerprints))
        query = self.catalogue.known(number, random)
        track = self.catalogue.track(number)
        form = {"fingerprint": encode(query.words), "duration": str(query.duration)}
        mbid = self.catalogue.mbid(track)
        form |= {"mbid": str(mbid)} if mbid else {"track": f"Title {track}"}
        return Item(form, track + 1)


def bodies(items: Sequence[Item], per_request: int, user: str) -> list[str]:
    """Return the requests that submit them, so many in each, form-encoded."""
    found = []
    for first in range(0, len(items), per_request):
        form = {"client": KEY, "clientversion": "1.0", "user": user}
        for index, item in enumerate(items[first : first + per_request]):
            form |= {f"{name}.{index}": value for name, value in item.form.items()}
        found.append(urlencode(form))
    return found


def newest(databases: Databases) -> int:
    """Return the highest id of a submission, 0 before the first."""
    with databases.engine("ingest").connect() as connection:
        return connection.execute(sa.select(sa.func.max(submission.c.id))).scalar() or 0


def pending(databases: Databases) -> int:
    """Return how many submissions have no final state."""
    statement = sa.select(sa.func.count()).where(submission.c.state == "pending")
    with databases.engine("ingest").connect() as connection:
        return connection.execute(statement).scalar_one()


def outcome(databases: Databases, after: int) -> tuple[dict[str, int], list[float]]:
    """Return the submissions after an id by state, and the seconds that each took to its end."""
    took = sa.extract("epoch", submission.c.handled_at - submission.c.created)
    statement = sa.select(submission.c.state, took).where(submission.c.id > after)
    with databases.engine("ingest").connect() as connection:
        rows = connection.execute(statement).all()
    states = [state for state, _ in rows]
    return (
        {state: states.count(state) for state in sorted(set(states))},
        [float(seconds) for _, seconds in rows if seconds is not None],
    )


def tracks(databases: Databases, after: int) -> dict[int, int]:
    """Return the track id that each submission after an id went to."""
    statement = sa.select(submission_result.c.submission_id, submission_result.c.track_id).where(
        submission_result.c.submission_id > after
    )
    with databases.engine("ingest").connect() as connection:
        return {row.submission_id: row.track_id for row in connection.execute(statement)}


def judge(
    items: Sequence[Item], ids: Sequence[int], found: Mapping[int, int], known_tracks: int
) -> dict[str, int]:
    """Return how many submissions are on the right track, and how many not, by what went wrong.

    Args:
        items: what was sent.
        ids: the submission ids, item by item.
        found: the track id of each submission.
        known_tracks: the highest track id of the catalogue.
    """
    verdicts = dict.fromkeys(("right", "missing", "other_track", "split", "joined"), 0)
    founded: dict[int, int] = {}
    owners: dict[int, int] = {}
    for item, submission_id in zip(items, ids, strict=True):
        track = found.get(submission_id)
        verdicts[_verdict(item.recording, track, known_tracks, founded, owners)] += 1
    return verdicts


def _verdict(
    recording: int,
    track: int | None,
    known_tracks: int,
    founded: dict[int, int],
    owners: dict[int, int],
) -> str:
    if track is None:
        return "missing"
    if recording > 0:
        return "right" if track == recording else "other_track"
    if founded.setdefault(recording, track) != track:
        return "split"  # one recording on two tracks
    if owners.setdefault(track, recording) != recording or track <= known_tracks:
        return "joined"  # two recordings on one track
    return "right"
