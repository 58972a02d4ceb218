"""The describe stage on real databases."""

import json
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
import sqlalchemy as sa

from pipeline.catalog import migrate
from pipeline.catalog.fingerprint import tables as fp
from pipeline.catalog.fingerprint import track_links
from pipeline.catalog.musicbrainz import metadata
from pipeline.catalog.musicbrainz import tables as mb
from pipeline.catalog.musicbrainz.metadata import Wanted
from pipeline.lookups.describe import describe_lookups
from pipeline.lookups.metadata.meta_words import without_mismatches
from pipeline.messages import Lookup, LookupBatch, TrackHit, from_message, to_message
from pipeline.runtime.databases import Databases
from pipeline.settings.sections import Settings
from tests.support.catalogue.metadata_sample import (
    CATALOGUE,
    HARBOUR,
    HIDDEN,
    LINKS,
    STRANGER,
    TEXTS,
    WEATHER,
    A,
    B,
    C,
    D,
    E,
    fill,
    gid,
    mbid,
    track_gid,
)
from tests.support.processes.servers import Servers, free_port

EXAMPLES = json.loads(
    (Path(__file__).parents[2] / "data/metadata_examples.json").read_text(encoding="utf-8")
)
EVERYTHING = "recordings releasegroups releases tracks compress sources isrcs usermeta"


@pytest.fixture(scope="module")
def own(servers: Servers) -> Settings:
    """Four databases for this module, two of them with the sample."""
    settings = servers.settings("_describe")
    migrate.create_missing(settings)
    migrate.upgrade_all(settings)
    databases = Databases(settings)
    with (
        databases.engine("musicbrainz").begin() as musicbrainz_connection,
        databases.engine("fingerprint").begin() as fingerprint_connection,
    ):
        fill(musicbrainz_connection, fingerprint_connection)
    databases.dispose()
    return settings


@pytest.fixture
def databases(own: Settings) -> Iterator[Databases]:
    """Engines for one test."""
    made = Databases(own)
    yield made
    made.dispose()


@pytest.fixture
def without_musicbrainz(own: Settings) -> Iterator[Databases]:
    """The same, with a MusicBrainz database that is unreachable."""
    unreachable = own.database_musicbrainz.model_copy(update={"port": free_port()})
    made = Databases(own.model_copy(update={"database_musicbrainz_ro": unreachable}))
    yield made
    made.dispose()


def hit(track_id: int, score: float = 1.0) -> TrackHit:
    """Return a hit on a track of the sample."""
    return TrackHit(track_id, track_gid(track_id), score)


def batch_of(*requests: tuple[str, Sequence[int]], duration: int = 241) -> LookupBatch:
    """Return a batch of requests: the words of `meta`, and the track that each lookup finds."""
    lookups = [
        Lookup(request=number, duration=duration, hits=[hit(track_id)])
        for number, (_, track_ids) in enumerate(requests)
        for track_id in track_ids
    ]
    metas = [meta for meta, _ in requests]
    return LookupBatch("batch", "replies", time.time() + 10, metas, lookups)


def results(batch: LookupBatch, databases: Databases) -> list[list[dict[str, Any]]]:
    """Return the results of each lookup."""
    return [answer["results"] for answer in describe_lookups(batch, databases).reply.answers]


@contextmanager
def statements(databases: Databases) -> Iterator[list[str]]:
    """Collect the statements that run on the two databases; to prepare one is none."""
    seen: list[str] = []

    def note(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        if not statement.startswith("PREPARE"):
            seen.append(statement)

    with databases.reading("fingerprint") as connection:
        engines = [connection.engine, databases.engine("musicbrainz", read_only=True)]
    for engine in engines:
        sa.event.listen(engine, "before_cursor_execute", note)
    yield seen
    for engine in engines:
        sa.event.remove(engine, "before_cursor_execute", note)


def test_reading_gives_what_was_written(databases: Databases):
    """All metadata of the sample is read, in order."""
    wanted = Wanted(
        recordings={*CATALOGUE.recordings, STRANGER},
        with_releases={*CATALOGUE.recordings, STRANGER},
        isrcs=True,
        events=True,
        credited={"recording", "track", "release", "release_group"},
    )
    with databases.engine("musicbrainz").connect() as connection:
        found = metadata.load(connection, wanted)
    assert found.recordings == CATALOGUE.recordings
    assert {key: sorted(value) for key, value in found.tracks.items()} == {
        key: sorted(value) for key, value in CATALOGUE.tracks.items()
    }
    assert found.releases == CATALOGUE.releases
    assert found.groups == CATALOGUE.groups
    assert found.events == CATALOGUE.events
    assert found.artists == CATALOGUE.artists


def test_links_are_enabled_ones_in_the_order_of_their_mbids(databases: Databases):
    """A disabled link is as none."""
    with databases.reading("fingerprint") as connection:
        found = track_links.enabled_links(connection, [A, B, C, D, E, 999])
    assert found == LINKS
    assert HIDDEN not in {link.mbid for links in found.values() for link in links}


def test_texts_are_the_most_confirmed_of_each_track(databases: Databases):
    """The limit applies to each track."""
    with databases.reading("fingerprint") as connection:
        assert track_links.user_texts(connection, [A, B, C], 10) == TEXTS
        assert track_links.user_texts(connection, [B, C], 1) == {
            track_id: texts[:1] for track_id, texts in TEXTS.items()
        }


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example["meta"] or "none")
def test_examples_of_the_protocol(example: dict[str, Any], databases: Databases):
    """A result has its id, its score and exactly the metadata that `meta` asks for."""
    [[result]] = results(batch_of((example["meta"], [A])), databases)
    assert result == {"id": track_gid(A), "score": 1.0, **example["shown"]}


def test_the_examples_in_one_batch(databases: Databases):
    """Requests that travel together don't see each other's words."""
    batch = batch_of(*((example["meta"], [A]) for example in EXAMPLES))
    with statements(databases) as seen:
        answered = results(batch, databases)
    assert [shown for [shown] in answered] == [
        {"id": track_gid(A), "score": 1.0, **example["shown"]} for example in EXAMPLES
    ]
    assert len(seen) <= 9


def test_user_text_where_musicbrainz_knows_nothing(databases: Databases):
    """The protocol's example, and a track whose MBID is unknown: its text comes after its id."""
    batch = batch_of(("recordings releasegroups releases usermeta", [B, C]))
    release = {
        "title": "Salt and Rope",
        "artists": ["Northern Pier"],
        "date": {"year": 2011},
        "releaseevents": [{"date": {"year": 2011}}],
    }
    group = {"title": "Salt and Rope", "artists": ["Northern Pier"], "releases": [release]}
    empty = {"releases": [{"releaseevents": [{}]}]}
    [[first], [second]] = results(batch, databases)
    assert first["recordings"] == [
        {"title": "Harbour Lights", "artists": ["Northern Pier"], "releasegroups": [group]},
        {"title": "Harbour Lights (live)", "artists": ["Northern Pier"], "releasegroups": [empty]},
    ]
    assert second["recordings"] == [
        {"id": STRANGER},
        {"title": "Unheard", "releasegroups": [empty]},
    ]


def test_user_text_is_a_matter_of_the_whole_request(databases: Databases):
    """A request with one known recording gets no texts; other requests do."""
    batch = batch_of(
        ("recordings usermeta", [A, B]), ("recordings usermeta", [B]), ("recordings", [B])
    )
    [[_], [without], [with_text], [unasked]] = results(batch, databases)
    assert "recordings" not in without
    assert len(with_text["recordings"]) == 2
    assert "recordings" not in unasked


def test_user_text_beside_stand_alone_recordings(databases: Databases):
    """A recording without releases counts as unknown if `meta` has releases."""
    batch = batch_of(("recordings usermeta", [D, B]), ("recordings releases usermeta", [D, B]))
    [[_], [without], [_], [with_text]] = results(batch, databases)
    assert "recordings" not in without
    assert "recordings" in with_text


def test_a_repeated_lookup_is_described_for_its_own_request(databases: Databases):
    """It has the hits of the first one and the metadata of its own request."""
    batch = batch_of(("recordingids", [E]), ("releaseids", []))
    batch.lookups.append(Lookup(request=1, same_as=0))
    [[first], [second]] = results(batch, databases)
    assert set(first) == {"id", "score", "recordings"}
    assert set(second) == {"id", "score", "releases"}
    assert first["id"] == second["id"]


def test_a_refused_lookup_has_its_error(databases: Databases):
    """The others of its batch have their results."""
    batch = batch_of(("recordingids", [A]))
    batch.lookups.insert(0, Lookup(request=0, error="invalid fingerprint"))
    batch.lookups.append(Lookup(request=0))
    answers = describe_lookups(batch, databases).reply.answers
    assert answers[0] == {"error": "invalid fingerprint"}
    assert len(answers[1]["results"]) == 1
    assert answers[2] == {"results": []}


def test_ids_are_as_the_client_wrote_them(databases: Databases):
    """The spelling of a track id and the order of the hits are kept."""
    batch = batch_of(("recordingids", []))
    hits = [TrackHit(A, track_gid(A).upper(), 1.0), hit(B, 0.75)]
    batch.lookups.append(Lookup(request=0, hits=hits))
    [[first, second]] = results(batch, databases)
    assert (first["id"], first["score"]) == (track_gid(A).upper(), 1.0)
    assert (second["id"], second["score"]) == (track_gid(B), 0.75)


def test_recordings_of_another_length_are_flagged(databases: Databases):
    """Ids alone are not, also not beside a request for which lengths are read."""
    batch = batch_of(("recordings", [E]), ("recordingids", [E]), ("recordings", [A, D]))
    [[flagged], [ids], *others] = results(batch, databases)
    assert [each.get("duration_mismatch") for each in flagged["recordings"]] == [None, True]
    assert ids["recordings"] == [{"id": WEATHER}, {"id": HARBOUR}]
    assert "duration_mismatch" not in json.dumps(others)


def test_recordings_of_another_length_can_be_hidden(databases: Databases):
    """From ids too, for which their lengths are then read; other requests are not affected."""
    batch = batch_of((without_mismatches("recordingids"), [E]), ("recordingids", [E]))
    with statements(databases) as seen:
        [[hidden], [shown]] = results(batch, databases)
    assert hidden == {"id": track_gid(E), "score": 1.0, "recordings": [{"id": WEATHER}]}
    assert [each["id"] for each in shown["recordings"]] == [WEATHER, HARBOUR]
    assert len(seen) == 4


def test_lengths_are_read_only_if_a_recording_may_not_fit(databases: Databases):
    """Most recordings are as long as the audio that the lookup is for."""

    def count(batch: LookupBatch) -> int:
        with statements(databases) as seen:
            describe_lookups(batch, databases)
        return sum("min(fingerprint.length)" in statement for statement in seen)

    assert count(batch_of(("recordings", [A, D]), ("recordingids", [E]))) == 0
    assert count(batch_of(("recordings", [A, D]), ("recordings", [E, E]))) == 1
    assert count(batch_of(("recordings", [A]), duration=217)) == 1
    by_id = batch_of(("recordings", [A]), duration=0)
    by_id.lookups[0].track_gid = track_gid(A)
    assert count(by_id) == 1


def test_a_track_whose_recordings_are_all_hidden_is_still_a_result(databases: Databases):
    """MusicBrainz has its recording, so its submitted text is not shown, either."""
    with databases.engine("fingerprint").begin() as connection:
        connection.execute(
            sa.update(fp.track_mbid).filter_by(track_id=C).values(mbid=UUID(HARBOUR))
        )
        connection.execute(sa.update(fp.fingerprint).filter_by(track_id=D).values(track_id=C))
    try:
        words = ("recordings", "recordingids", "releases", "m2", "recordings usermeta")
        batch = batch_of(*((without_mismatches(word), [C]) for word in words))
        assert results(batch, databases) == [[{"id": track_gid(C), "score": 1.0}]] * len(words)
    finally:
        with databases.engine("fingerprint").begin() as connection:
            connection.execute(
                sa.update(fp.track_mbid).filter_by(track_id=C).values(mbid=UUID(STRANGER))
            )
            connection.execute(sa.update(fp.fingerprint).filter_by(track_id=C).values(track_id=D))


def test_without_musicbrainz_nothing_is_hidden(without_musicbrainz: Databases):
    """Their lengths are unknown."""
    batch = batch_of((without_mismatches("recordingids"), [E]))
    described = describe_lookups(batch, without_musicbrainz)
    [answer] = described.reply.answers
    assert answer["results"][0]["recordings"] == [{"id": WEATHER}, {"id": HARBOUR}]
    assert described.degraded


def test_nothing_is_read_for_nothing(databases: Databases):
    """Without metadata there is no statement; ids and counts need none to MusicBrainz."""
    with statements(databases) as seen:
        describe_lookups(batch_of(("", [A]), ("tracks", [B]), ("0", [C])), databases)
    assert seen == []
    with statements(databases) as seen:
        describe_lookups(batch_of(("recordingids sources", [A, B, C])), databases)
    assert len(seen) == 1


def test_the_number_of_statements_is_bounded(databases: Databases):
    """Nine at most, however many lookups, results and requests there are."""
    many = batch_of(*([(EVERYTHING, [A, B, C, D, E] * 4), (EVERYTHING, [B, C])] * 4))
    few = batch_of((EVERYTHING, [A]), (EVERYTHING, [B]))
    counts = []
    for batch in (few, many):
        with statements(databases) as seen:
            describe_lookups(batch, databases)
        counts.append(len(seen))
    assert counts == [8, 9]


def test_missing_recordings_are_reported(databases: Databases):
    """Those without a row, not those without a release."""
    described = describe_lookups(batch_of(("recordings releases", [A, C, D])), databases)
    assert described.missing_mbids == {STRANGER}
    assert not described.degraded


def test_a_reply_can_travel(databases: Databases):
    """What answers share arrives whole."""
    reply = describe_lookups(batch_of((EVERYTHING, [A, E, A])), databases).reply
    assert from_message(type(reply), json.loads(json.dumps(to_message(reply)))) == reply


def test_without_musicbrainz_the_ids_are_there(without_musicbrainz: Databases):
    """And the text that was submitted, and empty lists of releases."""
    batch = batch_of(
        ("recordings sources", [A]), ("recordings usermeta", [C]), ("releases", [A]), ("m2", [D])
    )
    described = describe_lookups(batch, without_musicbrainz)
    shown = [answer["results"][0] for answer in described.reply.answers]
    assert shown[0]["recordings"] == [
        {"id": link.mbid, "sources": link.sources} for link in LINKS[A]
    ]
    assert shown[1]["recordings"] == [{"id": STRANGER}, {"title": "Unheard"}]
    assert shown[2]["releases"] == []
    assert shown[3]["recordings"] == [{"id": mbid(2)}]
    assert described.degraded
    assert described.missing_mbids == frozenset()


def test_an_outage_is_not_asked_about_at_once(
    without_musicbrainz: Databases, monkeypatch: pytest.MonkeyPatch
):
    """The second batch doesn't wait for a server that just failed."""
    engine = without_musicbrainz.engine("musicbrainz", read_only=True)
    attempts: list[object] = []
    connect = engine.dialect.connect

    def attempt(*args: Any, **parameters: Any) -> Any:
        attempts.append(args)
        return connect(*args, **parameters)

    monkeypatch.setattr(engine.dialect, "connect", attempt)
    for _ in range(2):
        assert describe_lookups(batch_of(("recordings", [A])), without_musicbrainz).degraded
    assert len(attempts) == 1


def test_a_musicbrainz_that_does_not_answer_is_given_up(databases: Databases):
    """A lookup that waits for a lock ends before its deadline, with ids."""
    batch = batch_of(("recordings", [A]))
    deadline = time.monotonic() + 1
    with databases.engine("musicbrainz").begin() as connection:
        connection.execute(sa.text("LOCK TABLE musicbrainz.recording IN ACCESS EXCLUSIVE MODE"))
        described = describe_lookups(batch, databases, deadline)
    assert described.degraded
    [answer] = described.reply.answers
    assert answer["results"][0]["recordings"][0] == {"id": WEATHER}


def test_a_hundred_lookups_of_a_well_known_recording(databases: Databases):
    """Results that share a track share its metadata."""
    batch = batch_of((EVERYTHING, [A] * 100))
    answered = results(batch, databases)
    assert len(answered) == 100
    assert all(result["recordings"] is answered[0][0]["recordings"] for [result] in answered)


def test_no_more_than_ten_texts(databases: Databases):
    """The most confirmed ones."""
    with databases.engine("fingerprint").begin() as connection:
        [track_id] = connection.execute(
            sa.insert(fp.track).values(gid=UUID(track_gid(70))).returning(fp.track.c.id)
        ).scalars()
        for number in range(12):
            [meta_id] = connection.execute(
                sa.insert(fp.meta)
                .values(track=str(number), gid=UUID(gid("fe", number)))
                .returning(fp.meta.c.id)
            ).scalars()
            connection.execute(
                sa.insert(fp.track_meta).values(
                    track_id=track_id, meta_id=meta_id, submission_count=number
                )
            )
    [[result]] = results(batch_of(("recordings usermeta", [track_id])), databases)
    titles = [recording["title"] for recording in result["recordings"]]
    assert titles == [str(number) for number in range(11, 1, -1)]


def test_the_tracks_of_a_release_are_those_of_its_mediums(databases: Databases):
    """A release on mediums without tracks has none."""
    with databases.engine("musicbrainz").begin() as connection:
        connection.execute(sa.update(mb.medium).values(track_count=0))
        found = metadata.load(connection, Wanted({WEATHER}, {WEATHER}))
        connection.rollback()
    assert (found.releases[1].medium_count, found.releases[1].track_count) == (2, 0)


def test_an_area_with_two_codes_is_two_events(databases: Databases):
    """As the public service shows it."""
    with databases.engine("musicbrainz").begin() as connection:
        connection.execute(sa.insert(mb.iso_3166_1).values(area=1, code="SJ"))
        found = metadata.load(connection, Wanted({WEATHER}, {WEATHER}, events=True))
        connection.rollback()
    assert [event.country for event in found.events[1]] == ["NO", "SJ", "IS"]
