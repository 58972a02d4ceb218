"""The submissions of ``bench submit``, and the verdicts on their tracks."""

from urllib.parse import parse_qs

import pytest

from bench.catalogue.content import BenchCatalogue
from bench.submit.submissions import SubmissionSource, SyntheticSubmission, encode_requests, judge
from pipeline.fingerprint.codec import decode
from pipeline.fingerprint.compare import compare2

KNOWN_TRACKS = 100
SENT = [
    SyntheticSubmission({}, 7),
    SyntheticSubmission({}, -1),
    SyntheticSubmission({}, -1),
    SyntheticSubmission({}, -2),
]


@pytest.fixture(scope="module")
def catalogue():
    return BenchCatalogue(fingerprints=300)


@pytest.fixture(scope="module")
def items(catalogue):
    return SubmissionSource(catalogue, run=0).create(200)


def test_the_smallest_catalogue_has_submissions():
    """All its fingerprints are real ones."""
    smallest = BenchCatalogue(BenchCatalogue(300).real)
    created = SubmissionSource(smallest, run=0).create(50)
    assert {each.recording > 0 for each in created} == {True, False}


def words(item):
    return decode(item.form["fingerprint"]).words


def test_a_run_mixes_new_known_and_repeated_recordings(items):
    new = {each.recording for each in items if each.recording < 0}
    known = [each for each in items if each.recording > 0]
    assert 80 <= len(new) <= 120
    assert 30 <= len(known) <= 70
    assert len(items) - len(new) - len(known) >= 30


def test_a_repeated_recording_is_similar_to_the_first_one(items):
    first = {}
    for item in items:
        if item.recording < 0:
            original = first.setdefault(item.recording, item)
            assert compare2(words(original), words(item)) > 0.9
            assert original.form["duration"] == item.form["duration"]


def test_a_known_recording_is_similar_to_that_of_the_catalogue(catalogue, items):
    for item in [each for each in items if each.recording > 0][:10]:
        assert compare2(catalogue.words(item.recording - 1), words(item)) > 0.75


def test_every_submission_has_metadata(items):
    assert all("mbid" in each.form or "track" in each.form for each in items)


def test_another_run_has_other_recordings(catalogue, items):
    [other] = SubmissionSource(catalogue, run=1).create(1)
    assert compare2(words(items[0]), words(other)) < 0.1


def test_requests_have_the_given_number_of_submissions(items):
    requests = [parse_qs(body) for body in encode_requests(items[:25], per_request=10, user="key")]
    assert [sum(name.startswith("fingerprint.") for name in each) for each in requests] == [
        10,
        10,
        5,
    ]
    assert requests[2]["fingerprint.4"] == [items[24].form["fingerprint"]]


@pytest.mark.parametrize(
    ("tracks", "wrong"),
    [
        ([7, 101, 101, 102], {}),
        ([8, 101, 101, 102], {"other_track": 1}),
        ([7, 101, 103, 102], {"split": 1}),
        ([7, 101, 101, 101], {"joined": 1}),
        ([7, 50, 50, 102], {"joined": 2}),
        ([7, None, 101, 102], {"missing": 1}),
    ],
)
def test_each_wrong_track_has_its_verdict(tracks, wrong):
    found = {number: track for number, track in enumerate(tracks) if track is not None}
    verdicts = judge(SENT, range(4), found, KNOWN_TRACKS)
    assert {name: count for name, count in verdicts.items() if count and name != "right"} == wrong
    assert sum(verdicts.values()) == len(SENT)
