"""Tests of ``acoustid lookup`` and ``acoustid submit`` with the web service."""

import gzip
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import structlog
from click.testing import CliRunner, Result

from cli.commands.client.lookup import lookup
from cli.commands.client.submit import submit
from cli.exit_status import ExitStatus
from pipeline.messages import Lookup
from tests.support.clients.lookup_worker import Answer, refuse
from tests.support.clients.served_application import served
from tests.support.clients.web_client import GID, MBID, WORD


@pytest.fixture
def server(web) -> Iterator[str]:
    """Serve the application; return its address."""
    with served(web.app) as address:
        yield address


@pytest.fixture
def run(web, server, tmp_path):
    """Return a function that runs a command on a file of lines or on one fingerprint."""
    options = ["--server", server, "--client", web.application, "--data-dir", str(tmp_path)]

    def run(
        command: Any, subject: list[dict[str, Any]] | str, *more: str, data: bytes | None = None
    ) -> Result:
        if not isinstance(subject, str):
            subject = "\n".join(map(json.dumps, subject))
        if "{" in subject:
            path = tmp_path / "lines.jsonl"
            path.write_text(subject)
            subject = str(path)
        keys = ["--user", web.user, "--no-wait"] if command is submit else []
        with structlog.testing.capture_logs():  # the service logs to the command's output
            return CliRunner().invoke(command, [subject, *options, *keys, *more], input=data)

    return run


def bare(duration: float) -> dict[str, Any]:
    return {"fingerprint": WORD, "duration": duration}


def line(duration: float, **more: Any) -> dict[str, Any]:
    return {"fingerprint": WORD, "duration": duration, "id": f"song {duration}", **more}


def test_a_lookup_of_a_file_rounds_durations(run) -> None:
    result = run(lookup, [line(223.89), line(12)])
    assert result.exit_code == 0, result.output
    assert [each.split("track ")[1] for each in result.stdout.splitlines()] == ["224", "12"]


def test_each_refused_line_of_a_lookup_has_a_reason(web, run) -> None:
    web.worker.answer = refuse(7)
    lines = [line(number + 100) for number in range(20)]
    result = run(lookup, [*lines, line(3), line(4, fingerprint="!"), line(5), line(7), line(0)])
    assert result.exit_code == ExitStatus.PARTIAL, result.output
    assert result.stdout.splitlines()[20:] == [
        "song 3\t1.00  track 3",
        "song 4\trefused",
        "song 5\t1.00  track 5",
        "song 7\trefused",
        "song 0\trefused",
    ]
    assert [each.split(": ")[0] for each in result.stderr.splitlines()] == [
        "line 22 was refused",
        "line 24 was refused",
        "line 25 was refused",
    ]
    assert 'parameter "fingerprint"' in result.stderr
    assert "truncated" in result.stderr
    assert "duration must be a number of seconds from 1 to 32767" in result.stderr


def test_json_has_an_object_for_each_line(run) -> None:
    result = run(lookup, f"{json.dumps(line(3))}\n\n{{\n" + json.dumps(bare(4)), "--json")
    assert [json.loads(each) for each in result.stdout.splitlines()] == [
        {"line": 1, "id": "song 3", "results": [{"id": "3", "score": 1.0}]},
        {
            "line": 3,
            "error": "not valid JSON: Expecting property name enclosed in double quotes "
            "at character 2",
        },
        {"line": 4, "results": [{"id": "4", "score": 1.0}]},
    ]


def test_a_batch_whose_lines_are_all_refused_does_not_end_the_command(run) -> None:
    good = [line(number + 1) for number in range(20)]
    result = run(lookup, [*good, line(3, fingerprint="!"), line(4, fingerprint="!")])
    assert result.exit_code == ExitStatus.PARTIAL, result.output
    assert len(result.stdout.splitlines()) == 22
    assert [each[:8] for each in result.stderr.splitlines()] == ["line 21 ", "line 22 "]


def test_a_file_without_a_valid_line_is_an_error(run) -> None:
    result = run(lookup, [line(3, fingerprint="!")])
    assert result.exit_code == ExitStatus.FAILED
    assert result.stderr.startswith("line 1 was refused: invalid fingerprint")
    assert "Error: all lines were refused" in result.stderr
    assert run(submit, [line(3)]).exit_code == ExitStatus.FAILED


def test_an_error_of_the_request_ends_the_command(run) -> None:
    result = run(lookup, [line(3), line(4)], "--client", "nobodys")
    assert result.exit_code == 1
    assert "replied 401: invalid API key" in result.stderr
    assert "refused" not in result.stderr


def test_a_lookup_of_one_fingerprint(run) -> None:
    result = run(lookup, WORD, "--duration", "223.5", "--json")
    assert json.loads(result.stdout)["results"][0]["id"] == "224"
    result = run(lookup, "AA", "--duration", "3")
    assert result.exit_code == 1
    assert "invalid fingerprint" in result.stderr


def test_a_lookup_shows_the_names_of_submitted_tags(web, run) -> None:
    """As `identify` does: for one fingerprint and for a file."""
    text = {"title": "Song 5", "artists": ["Band 5"]}
    known = {"id": MBID, "title": "Known"}

    def only_alone(lookup: Lookup) -> Answer:
        if lookup.track_gid:
            return {"results": [{"id": lookup.track_gid, "score": 1.0, "recordings": [text]}]}
        second = {"id": MBID, "score": 0.8, "recordings": [known]}
        return {"results": [{"id": GID, "score": 0.9}, second]}

    web.worker.answer = only_alone
    assert "      Band 5 - Song 5  [from tags]\n" in run(lookup, WORD, "--duration", "9").stdout
    assert run(lookup, [line(9)]).stdout == "song 9\t0.90  Band 5 - Song 5  [from tags]\n"
    assert {batch.metas[0] for batch in web.worker.batches} == {"recordings usermeta"}
    assert "Song 5" not in run(lookup, [line(9)], "--meta", "recordings").stdout
    assert run(lookup, [line(9)], "--meta", "nonsense").exit_code == ExitStatus.USAGE


def test_a_submission_of_a_file(web, run) -> None:
    lines = [line(223.89, mbid=MBID), line(4), line(5, fingerprint="!", track="x"), line(0.3)]
    result = run(submit, lines)
    assert result.exit_code == ExitStatus.PARTIAL, result.output
    assert result.stdout == "1 submission received, of 4 lines\n"
    second, third, fourth = result.stderr.splitlines()
    assert second.startswith('line 2 was refused: missing required parameter "mbid"')
    assert third.startswith("line 3 was refused: invalid fingerprint")
    assert fourth.startswith("line 4 was refused: duration must be a number")
    assert [row["length"] for row in web.receipts()] == [224]


def test_a_submission_of_one_fingerprint(web, run) -> None:
    assert run(submit, WORD, "--duration", "8.5", "--track", "x").exit_code == 0
    assert [row["length"] for row in web.receipts()] == [9]
    for more, text in [((), "was refused: missing required"), (("--mbid", "x"), "a valid")]:
        result = run(submit, WORD, "--duration", "3", *more)
        assert result.exit_code == ExitStatus.FAILED
        assert text in result.stderr
    assert len(web.receipts()) == 1


def test_a_second_run_goes_on_and_waits(web, run, tmp_path: Path) -> None:
    resume = ("--resume", str(tmp_path / "journal"))
    lines = [line(number, track="x") for number in range(1, 60)] + [line(60)]
    result = run(submit, lines, *resume)
    assert result.exit_code == ExitStatus.PARTIAL, result.output
    assert result.stdout == "59 submissions received, of 60 lines\n"
    more = [line(61, track="y"), line(62, mbid=MBID)]
    assert run(submit, [*lines, *more], *resume).stdout == "61 submissions received, of 62 lines\n"
    receipts = web.receipts()
    assert [row["length"] for row in receipts] == [*range(1, 60), 61, 62]
    for row in receipts:
        state = {7: "rejected", 62: "failed"}.get(row["length"], "imported")
        web.finish(row["id"], state, "too bad" if state != "imported" else None)
    result = run(submit, [*lines, *more], *resume, "--wait")
    assert result.exit_code == ExitStatus.PARTIAL
    assert result.stdout.splitlines()[1:] == ["1 failed", "59 imported", "1 rejected"]
    assert result.stderr.splitlines() == [
        "goes on after line 62",
        "1 line was refused in an earlier run",
        f"line 7: submission {receipts[6]['id']} rejected: too bad",
        f"line 62: submission {receipts[60]['id']} failed: too bad",
    ]
    assert len(web.receipts()) == 61
    other = run(submit, more, *resume)
    assert other.exit_code == ExitStatus.FAILED
    assert "was written for another input" in other.stderr


def test_what_submit_does_not_take(run, tmp_path: Path) -> None:
    for name in ("a.jsonl", "b.jsonl"):
        (tmp_path / name).write_text(json.dumps(line(3, track="x")))
    result = run(submit, str(tmp_path / "a.jsonl"), str(tmp_path / "b.jsonl"))
    assert result.exit_code == ExitStatus.USAGE
    assert "one file of lines at a time" in result.stderr
    for name in ("Musik/", "nonexist"):
        result = run(submit, name)
        assert result.exit_code == ExitStatus.FAILED
        assert f"{name!r} is neither a file nor a fingerprint" in result.stderr


def test_a_lookup_of_audio_names_identify(run, tmp_path: Path) -> None:
    song = tmp_path / "song.wav"
    song.write_bytes(b"RIFF\n" * 300)
    for subject in (song, tmp_path):
        result = run(lookup, str(subject))
        assert result.exit_code == ExitStatus.FAILED
        assert "use `acoustid identify`" in result.stderr
        assert len(result.stderr.splitlines()) == 1


@pytest.mark.parametrize("command", [lookup, submit])
@pytest.mark.parametrize("count", [1, 97, 300])
def test_a_file_without_an_object_is_one_error(run, tmp_path: Path, command, count: int) -> None:
    path = tmp_path / "text"
    path.write_bytes(b"\xff no JSON\n" * count)
    result = run(command, str(path))
    assert result.exit_code == ExitStatus.FAILED
    assert result.stdout == ""
    [error] = result.stderr.splitlines()
    assert "no JSON object. Give a file with one JSON object per line" in error


def test_standard_input(web, run) -> None:
    data = json.dumps(line(3, track="x")).encode()
    assert run(submit, "-", data=gzip.compress(data)).exit_code == ExitStatus.OK
    assert [row["length"] for row in web.receipts()] == [3]
    result = run(lookup, "-", data=b"\xef\xbb\xbf" + data)
    assert result.stdout == "song 3\t1.00  track 3\n"


def test_a_file_that_is_cut_is_an_error_after_its_lines(web, run) -> None:
    lines = b"".join(json.dumps(line(n, track="x")).encode() + b"\n" for n in range(1, 1000))
    cut = gzip.compress(lines, 0)[:-30_000]
    result = run(submit, "-", data=cut)
    assert result.exit_code == ExitStatus.FAILED
    count = len(web.receipts())
    assert 0 < count < 999
    told, error = result.stderr.splitlines()
    assert told.startswith(f"done up to line {count}: {count} accepted")
    assert error.startswith(f"Error: line {count + 1}: the gzip data ends early here")


@pytest.mark.parametrize("command", [lookup, submit])
def test_what_is_no_file_of_lines(run, tmp_path: Path, command: Any) -> None:
    empty = tmp_path / "empty"
    empty.touch()
    assert run(command, str(empty)).exit_code == ExitStatus.OK
    for subject, text in [
        (str(tmp_path), "directory"),
        ("none.jsonl", "'none.jsonl' is neither a file nor a fingerprint"),
        (WORD, "give --duration"),
    ]:
        result = run(command, subject)
        assert result.exit_code == ExitStatus.FAILED
        assert text in result.stderr
