"""Tests of ``acoustid identify`` with the web service and a program in place of fpcalc."""

import base64
import csv
import io
import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import structlog
from click.testing import CliRunner, Result

from cli.commands.client.audio.tags import tag_names, tag_writing
from cli.commands.client.audio.tags.audio_tags import read_tags
from cli.commands.client.identify import identify
from pipeline.messages import Lookup
from tests.support.audio_files import (
    answer_seconds,
    answer_with,
    write_flac,
    write_fpcalc,
    write_mp3,
    write_wav,
)
from tests.support.clients.lookup_worker import Answer, echo, refuse
from tests.support.clients.served_application import served
from tests.support.clients.web_client import GID, MBID, Web

Run = Callable[..., Result]

LINKED = {
    "id": MBID,
    "title": "Glass Weather",
    "artists": [{"id": GID, "name": "Aurora Lane"}],
    "releasegroups": [{"id": GID, "title": "Slow Storm"}],
}
BEST = {
    "score": 0.97,
    "acoustid": GID,
    "mbid": MBID,
    "title": "Glass Weather",
    "artist": "Aurora Lane",
    "album": "Slow Storm",
}
TEXT = {"title": "Harbour Lights", "artists": ["Northern Pier"]}


def answer(*recordings: dict[str, Any], score: float = 0.97) -> Callable[[Lookup], Answer]:
    """Return a worker's answer with one track."""
    track = {"id": GID, "score": score, **({"recordings": list(recordings)} if recordings else {})}
    return lambda _: {"results": [track]}


@pytest.fixture
def run(web: Web, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Run]:
    """Return a function that runs the command in an empty folder `music`."""
    monkeypatch.setenv("PATH", str(write_fpcalc(tmp_path).parent), prepend=":")
    monkeypatch.chdir((tmp_path / "music").mkdir() or tmp_path / "music")

    def run(*arguments: str, **options: Any) -> Result:
        with structlog.testing.capture_logs():  # the service logs to the command's output
            return CliRunner().invoke(identify, [*common, *arguments], **options)

    with served(web.app) as server:
        common = ["--server", server, "--client", web.application, "--data-dir", str(tmp_path)]
        yield run


def write_songs(*seconds: int) -> None:
    """Write a file for each duration; the worker returns the duration as the id of the track."""
    for each in seconds:
        answer_seconds(write_mp3(Path(f"{each:03}.mp3")), each)


def test_results_are_in_the_given_order_and_bad_files_are_named(run: Run) -> None:
    write_songs(*range(30, 72))
    answer_with(write_wav(Path("001.wav")), "echo 'ERROR: Not audio' >&2; exit 2")
    result = run("033.mp3", ".", "none.mp3")
    assert result.exit_code == 4, result.output
    lines = result.stdout.splitlines()
    expected = [33, *range(30, 72)]
    assert lines[::2] == [f"{each:03}.mp3:" for each in expected]
    assert lines[1::2] == [f"1.00  track {each}" for each in expected]
    assert result.stderr.splitlines() == [
        "001.wav: fpcalc cannot read it: Not audio",
        "none.mp3: no such file or directory",
    ]


def test_several_files_are_looked_up_in_one_request(web: Web, run: Run) -> None:
    write_songs(*range(1, 31))
    assert run(".", "--jobs", "8").exit_code == 0
    sizes = [len(batch.lookups) for batch in web.worker.batches]
    assert sum(sizes) == 30
    assert 2 <= len(sizes) < 15
    assert max(sizes) <= 20


def test_no_good_file_is_a_failure(web: Web, run: Run) -> None:
    answer_with(write_mp3(Path("a.mp3")), "exit 2")
    assert run("a.mp3").exit_code == 1
    Path("empty").mkdir()
    result = run("empty")
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.splitlines() == [
        "empty: no audio file below this directory",
        "Error: no file could be identified",
    ]
    assert web.worker.batches == []


def test_a_fingerprint_that_the_server_refuses_is_an_error_of_its_file(web: Web, run: Run) -> None:
    web.worker.answer = refuse(7)
    write_songs(6, 7, 8)
    answer_with(write_mp3(Path("010.mp3")), 'echo \'{"duration": 9, "fingerprint": "!"}\'')
    result = run(".", "--jobs", "1")
    assert result.exit_code == 4
    assert result.stdout.splitlines()[::2] == ["006.mp3:", "008.mp3:"]
    assert [each.split(":")[0] for each in result.stderr.splitlines()] == ["007.mp3", "010.mp3"]
    assert "truncated" in result.stderr
    assert run("010.mp3").exit_code == 1


def test_an_error_of_the_request_ends_the_command(run: Run) -> None:
    write_songs(3, 4)
    result = run(".", "--client", "nobodys")
    assert result.exit_code == 1
    assert "replied 401: invalid API key" in result.stderr


def test_json_has_one_object_for_each_file(web: Web, run: Run) -> None:
    web.worker.answer = answer(LINKED)
    write_songs(31)
    name = b"\xff\n.mp3"
    Path(os.fsdecode(name)).touch()
    result = run(".", "none", "--json")
    assert result.exit_code == 4
    assert [json.loads(line) for line in result.stdout.splitlines()] == [
        {
            "file": "031.mp3",
            "duration": 31,
            "results": [{"id": GID, "score": 0.97, "recordings": [LINKED]}],
            "best": BEST,
            "error": None,
        },
        {
            "file": "\ufffd\n.mp3",
            "file_base64": base64.b64encode(name).decode(),
            "duration": 10,
            "results": [{"id": GID, "score": 0.97, "recordings": [LINKED]}],
            "best": BEST,
            "error": None,
        },
        {
            "file": "none",
            "duration": None,
            "results": [],
            "best": None,
            "error": "no such file or directory",
        },
    ]
    assert web.worker.batches[0].metas == ["compress recordings releasegroups usermeta"]


def test_csv_has_a_row_for_each_recording(web: Web, run: Run) -> None:
    web.worker.answer = answer(LINKED, {**LINKED, "id": GID, "title": 'A "B", C\nD'})
    write_mp3(Path('a, "b".mp3'))
    write_mp3(Path(os.fsdecode(b"\xff.mp3")))
    result = run(".", "none", "--csv")
    assert result.exit_code == 4
    header = b"file,duration,score,acoustid,mbid,title,artist,album,error\r\n"
    assert result.stdout_bytes.startswith(header)
    assert b"\xff.mp3,10,0.97," in result.stdout_bytes
    text = result.stdout_bytes.decode("utf-8", "surrogateescape")
    rows = list(csv.reader(io.StringIO(text, newline=""), strict=True))
    assert len(rows) == 6
    names = ["Glass Weather", "Aurora Lane", "Slow Storm", ""]
    assert rows[1] == ['a, "b".mp3', "10", "0.97", GID, MBID, *names]
    assert rows[2][5] == 'A "B", C\nD'
    assert rows[5] == ["none", *7 * [""], "no such file or directory"]


def test_csv_of_a_file_without_a_result_and_of_a_track_without_a_recording(
    web: Web, run: Run
) -> None:
    write_songs(1, 2)
    web.worker.answer = lambda each: {"results": []} if each.duration == 1 else echo(each)
    rows = run(".", "--csv").stdout.splitlines()
    assert rows[1:] == ["001.mp3,1,,,,,,,", "002.mp3,2,1.0,2,,,,,"]


def test_submitted_names_are_shown_beside_recordings_with_an_mbid(web: Web, run: Run) -> None:
    def only_alone(lookup: Lookup) -> Answer:
        """Return submitted texts for a request with track ids only, as the service does."""
        if lookup.track_gid:
            return {"results": [{"id": lookup.track_gid, "score": 1.0, "recordings": [TEXT]}]}
        known = {"id": MBID, "score": 0.99, "recordings": [LINKED]}
        return {"results": [known, {"id": GID, "score": 0.9}]}

    web.worker.answer = only_alone
    write_songs(5, 6)
    result = run(".")
    assert result.exit_code == 0
    assert result.stdout.splitlines()[1:5] == [
        f"0.99  track {MBID}",
        f"      Aurora Lane - Glass Weather  [recording {MBID}]",
        f"0.90  track {GID}",
        "      Northern Pier - Harbour Lights  [from tags]",
    ]
    assert "recordings usermeta" in web.worker.batches[0].metas[0]


def test_a_recording_that_musicbrainz_does_not_have_is_one_row(web: Web, run: Run) -> None:
    """The service returns its MBID and the submitted text as two recordings, and equal texts."""
    web.worker.answer = answer({"id": MBID}, TEXT, {**TEXT}, score=0.9)
    write_songs(5)
    text = f"      Northern Pier - Harbour Lights  [recording {MBID}, names from tags]"
    assert run(".").stdout.splitlines()[2:] == [text]
    row = f"005.mp3,5,0.9,{GID},{MBID},Harbour Lights,Northern Pier,,"
    assert run(".", "--csv").stdout.splitlines()[1:] == [row]
    shown = json.loads(run(".", "--json").stdout)
    assert shown["best"]["mbid"] == MBID
    assert shown["best"]["title"] == "Harbour Lights"
    assert shown["best"]["album"] is None
    assert len(shown["results"][0]["recordings"]) == 3  # as the service returns them


def test_several_recordings_stay_apart_and_equal_lines_are_one(web: Web, run: Run) -> None:
    other = {**TEXT, "releasegroups": [{"title": "An album"}]}
    web.worker.answer = answer({"id": MBID}, {"id": GID}, TEXT, other)
    write_songs(5)
    assert run(".").stdout.splitlines()[2:] == [
        f"      recording {MBID}",
        f"      recording {GID}",
        "      Northern Pier - Harbour Lights  [from tags]",
    ]
    assert len(run(".", "--csv").stdout.splitlines()) == 5  # their albums differ


@pytest.mark.parametrize("option", [[], ["--csv"]])
def test_texts_of_a_linked_track_are_read_beside_a_known_recording(
    web: Web, run: Run, option: list[str]
) -> None:
    def only_alone(lookup: Lookup) -> Answer:
        if lookup.track_gid:
            recordings = [{"id": GID}, TEXT]
            return {"results": [{"id": GID, "score": 1.0, "recordings": recordings}]}
        known = {"id": MBID, "score": 0.99, "recordings": [LINKED]}
        return {"results": [known, {"id": GID, "score": 0.9, "recordings": [{"id": GID}]}]}

    web.worker.answer = only_alone
    write_songs(5)
    last = run(".", *option).stdout.splitlines()[-1]
    assert "Harbour Lights" in last
    assert GID in last


def test_an_unknown_word_of_meta_is_refused(web: Web, run: Run) -> None:
    write_songs(5)
    result = run(".", "--meta", "recordings+nonsense")
    assert result.exit_code == 2
    assert "'nonsense' is unknown" in result.stderr
    assert web.worker.batches == []
    for known in ("recordings usermeta", "recordings+sources", "releases,compress", "2", ""):
        assert run(".", "--meta", known).exit_code == 0


def test_no_second_request_is_sent_if_the_first_one_has_all_names(web: Web, run: Run) -> None:
    write_songs(5)
    for answered in (answer(TEXT), answer(LINKED), answer(), echo):
        web.worker.answer = answered
        before = len(web.worker.batches)
        assert run(".").exit_code == 0
        assert len(web.worker.batches) == before + 1


def test_the_user_chooses_the_metadata(web: Web, run: Run) -> None:
    write_songs(5)
    assert run(".", "--meta", "recordingids", "--json").exit_code == 0
    assert web.worker.batches[0].metas == ["recordingids"]
    for option in ("--csv", "--write-tags"):
        assert run(".", "--meta", "recordingids", option).exit_code == 2


def test_tags_are_written_without_a_question(web: Web, run: Run) -> None:
    web.worker.answer = answer(LINKED)
    song = write_flac(Path("a.flac"))
    write_flac(Path("b.flac")).chmod(0o644)
    result = run(".", "--write-tags", "--yes")
    assert result.exit_code == 0, result.output
    assert "  title: - -> Glass Weather\n" in result.stdout
    assert result.stdout.endswith("2 files were changed.\n")
    tags = read_tags(song)
    assert tags.get(tag_names.ALBUM) == ["Slow Storm"]
    assert tags.get(tag_names.RECORDING) == [MBID]
    again = run(".", "--write-tags", "--yes")
    assert "a.flac: no tags are written: they are up to date" in again.stderr
    assert again.stdout.endswith("0 files were changed.\n")


@pytest.mark.parametrize("arguments", [["--dry-run"], ["--dry-run", "--yes"], []])
def test_tags_are_not_written_without_a_yes(
    web: Web, run: Run, monkeypatch: pytest.MonkeyPatch, arguments: list[str]
) -> None:
    monkeypatch.setattr(tag_writing, "is_terminal", lambda: True)
    web.worker.answer = answer(LINKED)
    song = write_flac(Path("a.flac"))
    before = song.read_bytes()
    result = run(".", "--write-tags", *arguments, input="n\n")
    assert result.exit_code == 0
    assert "  title: - -> Glass Weather\n" in result.stdout
    assert "Nothing was written." in result.stdout
    assert ("Write the tags of 1 file?" in result.stderr) == (not arguments)
    assert song.read_bytes() == before


def test_a_yes_at_a_terminal_writes(web: Web, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tag_writing, "is_terminal", lambda: True)
    web.worker.answer = answer(LINKED)
    song = write_flac(Path("a.flac"))
    result = run(".", "--write-tags", "--json", input="y\n")
    assert result.exit_code == 0
    assert json.loads(result.stdout)["file"] == "a.flac"  # messages are on standard error
    assert read_tags(song).get(tag_names.TITLE) == ["Glass Weather"]


def test_options_without_an_effect_are_refused_before_a_lookup(web: Web, run: Run) -> None:
    write_songs(5)
    for arguments, reason in [
        (["--write-tags"], "standard input is not a terminal"),
        (["--dry-run"], "need --write-tags"),
        (["--yes"], "need --write-tags"),
        (["--replace"], "need --write-tags"),
        (["--json", "--csv"], "not both"),
        (["--jobs", "0"], "--jobs"),
        (["--write-tags", "--min-score", "2"], "--min-score"),
    ]:
        result = run(".", *arguments)
        assert result.exit_code == 2
        assert reason in result.stderr
    assert web.worker.batches == []


def test_a_file_in_doubt_is_named_and_one_that_cannot_be_written_is_an_error(
    web: Web, run: Run
) -> None:
    write_songs(5)
    web.worker.answer = answer(LINKED, score=0.7)
    result = run(".", "--write-tags", "--yes")
    assert result.exit_code == 0
    assert "005.mp3: no tags are written: the best score is 0.70, below 0.80" in result.stderr
    web.worker.answer = answer(LINKED)
    Path("a.txt").write_text("no audio")
    result = run(".", "a.txt", "--write-tags", "--yes", "--min-score", "0.9")
    assert result.exit_code == 4
    assert "a.txt: a file of this format has no tags that can be read" in result.stderr
    assert result.stdout.endswith("1 file was changed.\n")
