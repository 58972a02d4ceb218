"""The submissions of a benchmark and their correct tracks.

Half of the recordings are new. A quarter are degraded copies of fingerprints in the catalogue and
must join their tracks. A quarter are degraded copies of a recording sent earlier in the same run,
whose import may not be complete, and must join its track.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import urlencode
from uuid import UUID

import sqlalchemy as sa

from bench.catalogue.content import BenchCatalogue
from bench.catalogue.synthetic import Random, Synthesizer, degrade
from bench.stack.launch import KEY
from pipeline.catalog.ingest.tables import submission, submission_result
from pipeline.fingerprint.codec import decode, encode
from pipeline.fingerprint.identity import fingerprint_gid
from pipeline.runtime.databases import Databases

NEW_SHARE: Final = 0.5
KNOWN_SHARE: Final = 0.25
_MBIDS: Final = 0xBE9C50B0_0000_4000_8000_0000_0000_0000


@dataclass(frozen=True, slots=True)
class SyntheticSubmission:
    """One submission.

    Attributes:
        form: its parameters, without suffix.
        recording: a track id of the catalogue, or a negative number for a new recording.
    """

    form: dict[str, str]
    recording: int

    def gid(self) -> UUID:
        """Return the identity of its fingerprint, which no other submission has."""
        version, words = decode(self.form["fingerprint"])
        return fingerprint_gid(version, words)


@dataclass
class SubmissionSource:
    """Creates submissions. Each run has different ones.

    Attributes:
        catalogue: the catalogue of the stack.
        run: a number that no earlier run on this stack had.
    """

    catalogue: BenchCatalogue
    run: int
    _sent: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Create the random source of the run."""
        self._new = Synthesizer(self.catalogue.seed)
        self._stream = f"submitted {self.run}"

    def create(self, count: int) -> list[SyntheticSubmission]:
        """Return `count` submissions in the order of sending."""
        return [self._create(number) for number in range(count)]

    def _create(self, number: int) -> SyntheticSubmission:
        random = self.catalogue.random(f"{self._stream} kinds", number)
        kind = float(random.random())
        if kind < NEW_SHARE or not self._sent:
            self._sent.append(number)
            return self._new_recording(number, number, random, is_copy=False)
        if kind < NEW_SHARE + KNOWN_SHARE:
            return self._known_recording(random)
        again = self._sent[int(random.integers(len(self._sent)))]
        return self._new_recording(again, number, random, is_copy=True)

    def _new_recording(
        self, number: int, name: int, random: Random, *, is_copy: bool
    ) -> SyntheticSubmission:
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
        return SyntheticSubmission(form, -1 - number)

    def _known_recording(self, random: Random) -> SyntheticSubmission:
        # The smallest catalogue has real fingerprints only.
        first = self.catalogue.real if self.catalogue.fingerprints > self.catalogue.real else 0
        number = int(random.integers(first, self.catalogue.fingerprints))
        query = self.catalogue.known(number, random)
        track = self.catalogue.track(number)
        form = {"fingerprint": encode(query.words), "duration": str(query.duration)}
        mbid = self.catalogue.mbid(track)
        form |= {"mbid": str(mbid)} if mbid else {"track": f"Title {track}"}
        return SyntheticSubmission(form, track + 1)


def encode_requests(
    submissions: Sequence[SyntheticSubmission], per_request: int, user: str
) -> list[str]:
    """Return form-encoded requests with `per_request` submissions each."""
    found = []
    for first in range(0, len(submissions), per_request):
        form = {"client": KEY, "clientversion": "1.0", "user": user}
        for index, item in enumerate(submissions[first : first + per_request]):
            form |= {f"{name}.{index}": value for name, value in item.form.items()}
        found.append(urlencode(form))
    return found


def newest_id(databases: Databases) -> int:
    """Return the highest id of a submission, 0 if there is none."""
    with databases.engine("ingest").connect() as connection:
        return connection.execute(sa.select(sa.func.max(submission.c.id))).scalar() or 0


def count_final(databases: Databases, after: int) -> int:
    """Return the number of submissions after an id that have a final state."""
    statement = (
        sa.select(sa.func.count())
        .select_from(submission)
        .where(submission.c.id > after, submission.c.state != "pending")
    )
    with databases.engine("ingest").connect() as connection:
        return connection.execute(statement).scalar_one()


def read_ids(databases: Databases, after: int) -> dict[UUID, int]:
    """Return the ids of the submissions after an id, by the identities of their fingerprints."""
    statement = sa.select(submission.c.gid, submission.c.id).where(submission.c.id > after)
    with databases.engine("ingest").connect() as connection:
        return {row.gid: row.id for row in connection.execute(statement)}


def read_outcomes(databases: Databases, after: int) -> tuple[dict[str, int], list[float]]:
    """Return the number of submissions after an id by state, and the seconds that each took."""
    took = sa.extract("epoch", submission.c.handled_at - submission.c.created)
    statement = sa.select(submission.c.state, took).where(submission.c.id > after)
    with databases.engine("ingest").connect() as connection:
        rows = connection.execute(statement).all()
    states = [state for state, _ in rows]
    return (
        {state: states.count(state) for state in sorted(set(states))},
        [float(seconds) for _, seconds in rows if seconds is not None],
    )


def read_tracks(databases: Databases, after: int) -> dict[int, int]:
    """Return the track id of each submission after an id."""
    statement = sa.select(submission_result.c.submission_id, submission_result.c.track_id).where(
        submission_result.c.submission_id > after
    )
    with databases.engine("ingest").connect() as connection:
        return {row.submission_id: row.track_id for row in connection.execute(statement)}


def judge(
    submissions: Sequence[SyntheticSubmission],
    ids: Sequence[int],
    found: Mapping[int, int],
    known_tracks: int,
) -> dict[str, int]:
    """Return the number of submissions by verdict.

    The verdicts are ``right``, ``missing`` (no track), ``other_track`` (a recording of the
    catalogue on a wrong track), ``split`` (one recording on two tracks) and ``joined`` (two
    recordings on one track).

    Args:
        submissions: the submissions in the order of sending.
        ids: the submission ids in the same order.
        found: the track id of each submission id.
        known_tracks: the highest track id of the catalogue.
    """
    verdicts = dict.fromkeys(("right", "missing", "other_track", "split", "joined"), 0)
    track_of: dict[int, int] = {}
    recording_of: dict[int, int] = {}
    for item, submission_id in zip(submissions, ids, strict=True):
        track = found.get(submission_id)
        verdicts[_verdict(item.recording, track, known_tracks, track_of, recording_of)] += 1
    return verdicts


def _verdict(
    recording: int,
    track: int | None,
    known_tracks: int,
    track_of: dict[int, int],
    recording_of: dict[int, int],
) -> str:
    if track is None:
        return "missing"
    if recording > 0:
        return "right" if track == recording else "other_track"
    if track_of.setdefault(recording, track) != track:
        return "split"
    if recording_of.setdefault(track, recording) != recording or track <= known_tracks:
        return "joined"
    return "right"
