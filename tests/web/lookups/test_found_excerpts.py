"""Excerpts of real recordings are found by a front end and real workers, where they lie."""

from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from typing import Any, Final
from uuid import UUID

import numpy as np
import pytest

from cli.stack.roles import Role
from pipeline.catalog import migrate
from pipeline.excerpts.alignment import WORD_SECONDS
from pipeline.fingerprint.codec import decode, encode
from pipeline.fingerprint.words import Words
from pipeline.runtime.databases import Databases
from pipeline.runtime.redis_client import connect
from pipeline.settings.sections import Settings
from tasks import dispatch
from tasks.celery import app
from tests.support.catalogue.imports import Importer
from tests.support.catalogue.recordings import Audio, Recording, recordings
from tests.support.clients.web_client import Web, code_of, error_of
from tests.support.polling import eventually
from tests.support.processes.servers import Servers
from tests.support.processes.workers import (
    point_celery_at,
    running_worker,
    worker_roles,
    write_config,
)

KIND: Final = "mp3_96k"
LONG: Final = [each for each in recordings() if each.original.duration >= 120]
STORED: Final = LONG[:8]
OTHER: Final = LONG[8]
"""A recording that is not in the catalogue."""

EXCERPT: Final = 121
"""Words of an excerpt of 15 s."""

INTRO: Final = 200
"""Words of a longer intro: 25 s."""

QUEUES: Final = "lookup,background,index"


@dataclass
class Service:
    """A front end with a worker, and the AcoustIDs of the recordings in the catalogue."""

    web: Web
    tracks: dict[str, str]

    def results(self, **form: Any) -> list[dict[str, Any]]:
        """Return the results of a lookup without `batch`."""
        reply = self.web.lookup(**form)
        assert reply.status_code == 200, reply.text
        found: list[dict[str, Any]] = reply.json["results"]
        return found


def words_of(audio: Audio) -> Words:
    return decode(audio.fingerprint).words


def excerpt_of(recording: Recording, start: int, count: int = EXCERPT) -> str:
    """Return the fingerprint of a part of a degraded copy of a recording."""
    return encode(words_of(recording.variants[KIND])[start : start + count])


@pytest.fixture(scope="module")
def own_settings(servers: Servers) -> Settings:
    """Settings with a sketch index, and databases of this module."""
    settings = servers.settings(
        "_excerpts",
        fingerprint_index={
            "path": servers.folder / "index_excerpts",
            "sketch_rate": 4,
            "sketch_path": servers.folder / "sketch_excerpts",
        },
        features={"async_api": True, "demo_key": True},
        cluster={"rate_limiter": {"global_limit": 0, "app_limit": 0, "ip_limit": 0}},
    )
    migrate.create_missing(settings)
    migrate.upgrade_all(settings)
    return settings


@pytest.fixture(scope="module")
def service(own_settings: Settings, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A front end and one worker of all queues of lookups and of the index."""
    folder = tmp_path_factory.mktemp("excerpts")
    config = write_config(own_settings, folder / "acoustid.conf")
    databases = Databases(own_settings, component="tests")
    tracks = _stored(Importer(databases, own_settings.fingerprint_index.path))
    databases.dispose()
    with (
        pytest.MonkeyPatch.context() as patch,
        closing(connect(own_settings.redis)) as client,
        closing(Web(own_settings, client)) as web,
    ):
        patch.setenv("ACOUSTID_CONFIG", str(config))
        point_celery_at(config, own_settings)
        web.send_lookups, web.send_excerpts = dispatch.send_lookups, dispatch.send_excerpts
        with running_worker(_one_worker(), config, folder / "worker.log", own_settings):
            app.send_task("index.update", ignore_result=True)
            made = Service(web, tracks)
            eventually(lambda: _is_filled(made), 60)
            yield made


def _stored(importer: Importer) -> dict[str, str]:
    """Import the recordings; return their AcoustIDs by MBID."""
    receipts = [
        importer.receipt(
            words_of(each.original), round(each.original.duration), mbid=UUID(each.mbid)
        )
        for each in STORED
    ]
    statuses = importer.run(*receipts, index=False)
    return {each.mbid: str(status.track_gid) for each, status in zip(STORED, statuses, strict=True)}


def _one_worker() -> Role:
    [role] = [each for each in worker_roles() if each.name.startswith("worker-lookup")]
    queues = role.command.index("-Q") + 1
    return replace(role, command=(*role.command[:queues], QUEUES, *role.command[queues + 1 :]))


def _is_filled(service: Service) -> bool:
    """Return whether a worker uses an index and a sketch index with the recordings."""
    excerpt = service.web.lookup(fingerprint=excerpt_of(STORED[-1], 200), excerpt=1)
    return excerpt.status_code == 200 and bool(excerpt.json["results"])


def test_excerpts_are_found_where_they_lie(service: Service) -> None:
    places = {each.mbid: 100 + 60 * number for number, each in enumerate(STORED)}
    form = {
        f"fingerprint.{number}": excerpt_of(each, places[each.mbid])
        for number, each in enumerate(STORED)
    }
    reply = service.web.lookup(**form, excerpt=1, batch=1, meta="recordingids").json
    assert "skipped" not in reply
    for each, found in zip(STORED, reply["fingerprints"], strict=True):
        assert set(found) == {"index", "results"}
        first = found["results"][0]
        assert first["id"] == service.tracks[each.mbid]
        assert [recording["id"] for recording in first["recordings"]] == [each.mbid]
        assert 0 < first["score"] <= 1
        match = first["match"]
        assert set(match) == {"offset", "duration", "matched"}
        assert match["offset"] == pytest.approx(places[each.mbid] * WORD_SECONDS, abs=0.5)
        assert match["offset"] == round(match["offset"], 2)
        assert match["duration"] == pytest.approx(EXCERPT * WORD_SECONDS, abs=1.0)
        assert 0.75 < match["matched"] <= 1


def test_an_excerpt_that_begins_before_the_recording_has_a_negative_offset(
    service: Service,
) -> None:
    before = words_of(OTHER.original)[400:440]
    inside = words_of(STORED[2].variants[KIND])[:EXCERPT]
    text = encode(np.concatenate([before, inside]))
    first = service.results(fingerprint=text, duration=20, excerpt=1)[0]
    assert first["id"] == service.tracks[STORED[2].mbid]
    assert first["match"]["offset"] == pytest.approx(-40 * WORD_SECONDS, abs=0.5)


def test_an_excerpt_of_another_recording_is_not_found(service: Service) -> None:
    assert service.results(fingerprint=excerpt_of(OTHER, 300), excerpt=1) == []


def test_an_excerpt_without_content_is_refused_with_what_it_lacks(service: Service) -> None:
    few = np.tile(words_of(STORED[0].original)[::100][:5], 20)
    assert np.unique(few).size == 5
    reply = service.web.lookup(fingerprint=encode(few), excerpt=1)
    assert (reply.status_code, code_of(reply)) == (400, 3)
    message = error_of(reply)["message"]
    assert message.startswith(
        'invalid fingerprint: parameter "fingerprint": it has 5 distinct words; it needs '
    )
    assert "s of music" in message


def test_track_ids_beside_excerpts_are_answered(service: Service) -> None:
    gid = service.tracks[STORED[1].mbid]
    form = {"trackid.0": gid, "fingerprint.1": excerpt_of(STORED[0], 300)}
    for more in ({}, {"async": 1}):
        reply = service.web.lookup(**form, excerpt=1, batch=1, **more).json
        found = _result_of(service, reply)["fingerprints"]
        assert found[0] == {"index": 0, "results": [{"id": gid, "score": 1.0}]}
        assert found[1]["results"][0]["id"] == service.tracks[STORED[0].mbid]
        assert "match" in found[1]["results"][0]


def _result_of(service: Service, reply: dict[str, Any]) -> Any:
    """Return a reply, or the result of the task that it names, which a worker runs."""
    if "task" not in reply:
        return reply
    task_id = reply["task"]["id"]
    dispatch.send_background(task_id, service.web.background[task_id])

    def ended() -> dict[str, Any] | None:
        task: dict[str, Any] = service.web.get(f"/v2/task/{task_id}").json["task"]
        return task if task["finished"] else None

    return eventually(ended)["result"]


def test_a_second_chance_finds_a_recording_with_a_longer_intro(service: Service) -> None:
    intro = words_of(OTHER.original)[300 : 300 + INTRO]
    whole = np.concatenate([intro, words_of(STORED[3].variants[KIND])])[:948]
    duration = round(STORED[3].original.duration + INTRO * WORD_SECONDS)
    form = {"fingerprint": encode(whole), "duration": duration}
    assert service.results(**form) == []
    assert service.results(**form, second_chance=0) == []
    first = service.results(**form, second_chance=1)[0]
    assert first["id"] == service.tracks[STORED[3].mbid]
    assert first["match"]["offset"] == pytest.approx(-INTRO * WORD_SECONDS, abs=0.5)


def test_a_lookup_with_results_is_the_same_with_a_second_chance(service: Service) -> None:
    audio = STORED[4].variants[KIND]
    form = {"fingerprint": audio.fingerprint, "duration": audio.duration, "meta": "recordingids"}
    plain = service.web.lookup(**form)
    assert plain.json["results"][0]["id"] == service.tracks[STORED[4].mbid]
    assert service.web.lookup(**form, second_chance=1).text == plain.text
