"""A submission and a lookup on a running stack."""

import json

from tests.support.catalogue.recordings import recordings
from tests.support.polling import eventually
from tests.support.processes.whole_stack import WholeStack


def check_submission_and_lookup(stack: WholeStack) -> None:
    """Submit a recording, look up a degraded copy, and check that the recording is found."""
    recording = recordings()[0]
    submit(stack, recording.original.fingerprint, recording.original.duration, recording.mbid)
    copy = recording.variants["mp3_96k"]
    arguments = ("--duration", str(int(copy.duration)), "--json")
    answer = stack.acoustid("lookup", copy.fingerprint, *arguments)
    assert answer.returncode == 0, answer.stderr
    [result] = json.loads(answer.stdout)["results"]
    assert result["score"] > 0.8
    assert [each["id"] for each in result["recordings"]] == [recording.mbid]


def submit(stack: WholeStack, fingerprint: str, duration: float, mbid: str) -> None:
    """Submit a fingerprint with the demo keys, and wait until the index has it."""
    arguments = ("--duration", str(int(duration)), "--mbid", mbid)
    answer = stack.acoustid("submit", fingerprint, *arguments)
    assert answer.returncode == 0, answer.stderr
    assert "1 imported" in answer.stdout
    eventually(stack.index_is_current)
