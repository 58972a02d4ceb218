"""The whole service, as run by `acoustid up`: unmodified clients, real recordings, load."""

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from http.client import HTTPConnection
from itertools import chain
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import acoustid
import psycopg2
import pytest
from psycopg2 import sql

from cli.stack.data_directory import DataDir
from cli.stack.stack_record import StackRecord
from pipeline.fingerprint.codec import decode, encode
from pipeline.fingerprint.compare import compare2_within
from tasks import task_names
from tests.support.catalogue.recordings import KINDS, Recording, recordings
from tests.support.catalogue.synthetic import fingerprint, near_copy
from tests.support.polling import eventually
from tests.support.processes.whole_stack import WholeStack, running_stack

PYACOUSTID_LOOKUPS = 6  # it waits a third of a second before each of them
Reply = dict[str, Any]


class Service(WholeStack):
    """An HTTP client of the stack."""

    def post(self, path: str, *form: tuple[str, object]) -> Reply:
        """Send a form with the test's keys; fail unless it is accepted."""
        connection = HTTPConnection("127.0.0.1", self.port("api"), timeout=60)
        body = urlencode([("client", self.client), ("user", self.user), *form])
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        connection.request("POST", path, body, headers)
        reply = connection.getresponse()
        answer: Reply = json.loads(reply.read())
        connection.close()
        assert reply.status == 200, answer
        return answer

    def final(self, ids: list[int]) -> dict[int, Reply]:
        """Return submissions once all have a final state, by id."""

        def ask() -> dict[int, Reply] | None:
            answer = self.post("/v2/submission_status", *(("id", number) for number in ids))
            found = {each["id"]: each for each in answer["submissions"]}
            return None if any(each["status"] == "pending" for each in found.values()) else found

        return eventually(ask, 120)

    def find(self, *asked: tuple[str, float]) -> list[list[Reply]]:
        """Look up (fingerprint, duration) pairs in one batch request."""
        form = [("batch", 1), ("meta", "recordingids")]
        for number, (text, duration) in enumerate(asked):
            form += [(f"fingerprint.{number}", text), (f"duration.{number}", int(duration))]
        answer = self.post("/v2/lookup", *form)
        return [each["results"] for each in answer["fingerprints"]]


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    data = DataDir.at(tmp_path_factory.mktemp("service") / "data")
    with running_stack(data, Service) as stack:
        yield stack


@pytest.fixture(scope="module")
def submitted(service: Service) -> list[Recording]:
    """All test recordings, submitted by pyacoustid in batches, with MBIDs and with metadata."""
    acoustid.set_base_url(f"http://127.0.0.1:{service.port('api')}/v2/")
    entries = [_entry(each, number) for number, each in enumerate(recordings())]
    ids: list[int] = []
    for start in range(0, len(entries), 20):
        answer = acoustid.submit(service.client, service.user, entries[start : start + 20])
        ids += [each["id"] for each in answer["submissions"]]
    assert len(ids) == len(entries)
    final = service.final(ids)
    assert {each["status"] for each in final.values()} == {"imported"}
    assert acoustid.get_submission_status(service.client, ids[0])["submissions"][0] == final[ids[0]]
    return list(recordings())


def _entry(recording: Recording, number: int) -> dict[str, Any]:
    texts = {"track": recording.title, "artist": recording.artist, "album": recording.album}
    return {
        "duration": recording.original.duration,
        "fingerprint": recording.original.fingerprint,
        "bitrate": recording.bitrate,
        "fileformat": recording.format,
        "mbid": recording.mbid,
        **(texts if number % 2 else {}),
    }


def test_degraded_copies_are_found(service: Service, submitted: list[Recording]) -> None:
    asked = [(each, each.variants[kind]) for each in submitted for kind in KINDS]
    eventually(service.index_is_current)
    found = list(
        chain.from_iterable(
            service.find(*((audio.fingerprint, audio.duration) for _, audio in part))
            for part in (asked[start : start + 20] for start in range(0, len(asked), 20))
        )
    )
    firsts = [_mbids(results[0]) if results else set() for results in found]
    right = sum(each.mbid in mbids for (each, _), mbids in zip(asked, firsts, strict=True))
    others = [
        mbids - {each.mbid}
        for (each, _), results in zip(asked, found, strict=True)
        for mbids in map(_mbids, results)
    ]
    assert right >= 0.99 * len(asked)
    assert not set().union(*others)


def _mbids(result: Reply) -> set[str]:
    return {recording["id"] for recording in result.get("recordings", ())}


def test_pyacoustid_looks_up(service: Service, submitted: list[Recording]) -> None:
    eventually(service.index_is_current)
    for each in submitted[:PYACOUSTID_LOOKUPS]:
        audio = each.variants["mp3_96k"]
        answer = acoustid.lookup(service.client, audio.fingerprint, audio.duration)
        [(score, mbid, _, _), *_] = acoustid.parse_lookup_result(answer)
        assert (mbid, score > 0.9) == (each.mbid, True)


def test_near_copies_from_many_clients_create_one_track_each(service: Service) -> None:
    originals = [fingerprint(seed) for seed in range(900, 910)]
    copies = [
        (number, near_copy(original, 8 * number + copy, 0.045))
        for copy in range(8)
        for number, original in enumerate(originals)
    ]
    for number in range(len(originals)):
        _, _, scores = compare2_within([words for each, words in copies if each == number])
        assert scores.min() > 0.8

    def submit(copy: tuple[int, Any]) -> int:
        number, words = copy
        texts = [("track", f"Recording {number}"), ("duration", 200 + number)]
        answer = service.post("/v2/submit", ("fingerprint", encode(words)), *texts)
        return int(answer["submissions"][0]["id"])

    with ThreadPoolExecutor(16) as pool:
        ids = list(pool.map(submit, copies))
    final = service.final(ids)
    tracks = {
        (number, final[i]["result"]["id"]) for (number, _), i in zip(copies, ids, strict=True)
    }
    assert len(tracks) == len(originals)
    assert len({track for _, track in tracks}) == len(originals)


def test_lookups_at_the_same_time_share_a_batch(service: Service) -> None:
    words = [encode(fingerprint(seed)) for seed in range(64)]
    record = StackRecord.load(service.data)

    def shared() -> set[str]:
        with ThreadPoolExecutor(32) as pool:
            list(pool.map(lambda text: service.find((text, 200)), words * 16))
        # Events show one batch per second.
        tasks = service.flower("/api/tasks?taskname=lookup.sampled_batch", record.flower_password)
        sizes = {each["args"].partition(" ")[0] for each in tasks.values()}
        return sizes - {"(1", "(20"}  # a request with one lookup, and one with twenty

    assert eventually(shared)


def test_a_background_lookup_is_answered_and_flower_shows_its_task(service: Service) -> None:
    asked = ("trackid", "0a1b2c3d-0000-4000-8000-000000000001")
    task_id = service.post("/v2/lookup", asked, ("async", 1))["task"]["id"]

    def finished() -> Reply | None:
        task: Reply = service.post(f"/v2/task/{task_id}")["task"]
        return task if task["state"] == "finished" else None

    task = eventually(finished)
    assert task is not None
    assert task["result"] == {"results": []}
    password = StackRecord.load(service.data).flower_password

    def shown() -> bool:
        tasks = service.flower("/api/tasks?taskname=lookup.background", password)
        return [(key, each["state"]) for key, each in tasks.items()] == [(task_id, "SUCCESS")]

    assert eventually(shown)


def test_without_the_fast_path_the_answers_are_equal_and_flower_shows_each_stage(
    tmp_path: Path,
) -> None:
    data = DataDir.at(tmp_path / "data")
    text = encode(fingerprint(5))
    with running_stack(data, Service, ACOUSTID_CELERY_FAST_PATH="false") as plain:
        record = StackRecord.load(plain.data)
        submitted = plain.post(
            "/v2/submit", ("fingerprint", text), ("duration", 200), ("track", "One"), ("wait", 10)
        )
        assert [each["status"] for each in submitted["submissions"]] == ["imported"]
        [found] = eventually(lambda: [each for each in plain.find((text, 200)) if each])
        assert [each["score"] for each in found] == [1.0]

        def shown() -> bool:
            tasks = plain.flower("/api/tasks", record.flower_password)
            names = {each["name"] for each in tasks.values() if each["state"] == "SUCCESS"}
            return set(task_names.LOOKUP.stages) <= names

        assert eventually(shown)


def test_status_agrees_with_the_databases(service: Service, submitted: list[Recording]) -> None:
    del submitted
    state = service.status()
    urls = state["databases"]

    def count(database: str, table: str) -> int:
        with closing(psycopg2.connect(urls[database])) as connection:
            cursor = connection.cursor()
            cursor.execute(sql.SQL("SELECT count(*) FROM {}").format(sql.Identifier(table)))
            [(rows,)] = cursor.fetchall()
            return int(rows)

    assert state["catalogue"]["tracks"] == count("fingerprint", "track")
    assert state["catalogue"]["fingerprints"] == count("fingerprint", "fingerprint")
    assert state["submissions"].pop("oldest_pending_seconds") is None
    assert sum(state["submissions"].values()) == count("ingest", "submission")
    assert state["index"]["database_position"] == count("fingerprint", "fpindex_changelog")


def test_a_rebuilt_index_gives_the_same_answers(
    service: Service, submitted: list[Recording]
) -> None:
    eventually(service.index_is_current)
    asked = [
        (each.variants["noise_aac64"].fingerprint, each.original.duration)
        for each in submitted[:20]
    ]
    before = service.find(*asked)
    done = service.acoustid("index", "rebuild")
    assert done.returncode == 0, done.stderr
    assert service.acoustid("index", "verify").returncode == 0
    assert service.find(*asked) == before


def test_flower_shows_workers_and_tasks_by_name(service: Service) -> None:
    service.find((encode(fingerprint(1)), 200))
    record = StackRecord.load(service.data)

    def names() -> set[str]:
        tasks = service.flower("/api/tasks", record.flower_password)
        return {each["name"] for each in tasks.values()}

    wanted = {"lookup.sampled_batch", "submission.persist", "index.update"}
    assert eventually(lambda: wanted <= names())
    assert "lookup.batch" not in names()
    workers = service.flower("/workers?json=1", record.flower_password)["data"]
    hosts = {each["hostname"].split("@")[0] for each in workers}
    assert hosts == {"lookup-1", "submission", "index"}


def test_the_command_line_submits_and_looks_up(service: Service, tmp_path: Path) -> None:
    words = [fingerprint(seed) for seed in (501, 502, 503)]
    lines = [
        {"fingerprint": encode(each), "duration": 321.7, "track": f"Number {number}", "year": 1999}
        for number, each in enumerate(words)
    ]
    file = tmp_path / "recordings.jsonl"
    file.write_text("\n".join(map(json.dumps, lines)))
    done = service.acoustid("submit", str(file))
    assert done.returncode == 0, done.stderr
    assert "3 imported" in done.stdout
    eventually(service.index_is_current)
    found = service.acoustid("lookup", str(file), "--meta", "recordings usermeta", "--json")
    assert found.returncode == 0, found.stderr
    titles = [
        json.loads(line)["results"][0]["recordings"][0]["title"]
        for line in found.stdout.splitlines()
    ]
    assert titles == ["Number 0", "Number 1", "Number 2"]
    one = service.acoustid("lookup", lines[0]["fingerprint"], "--duration", "321")
    assert "1.00  track" in one.stdout


def test_a_task_has_the_states_of_its_submissions(service: Service) -> None:
    few = decode(encode(fingerprint(1)[:40])).words
    form = [
        ("fingerprint.0", encode(fingerprint(777))),
        ("duration.0", 100),
        ("track.0", "Good"),
        ("fingerprint.1", encode(few)),
        ("duration.1", 100),
        ("track.1", "Too short"),
        ("wait", 10),
    ]
    answer = service.post("/v2/submit", *form)
    assert [each["status"] for each in answer["submissions"]] == ["imported", "rejected"]
    task = service.post(f"/v2/task/{answer['task']['id']}")["task"]
    assert task["finished"] is not None
    assert "40 distinct words" in task["result"]["submissions"][1]["reason"]
