"""What benchmarks read: a worker's log, a driver's output, the service's answers, options."""

from uuid import UUID

import click
import pytest

from bench.lookup import batches
from bench.lookup.checks import judge
from bench.lookup.drivers import Load, find_wrk, parse
from bench.lookup.queries import Asked
from bench.stack.accounting import part_of, per_request
from bench.stack.options import Numbers, read_settings_options
from cli.errors import StackError
from cli.stack.roles import Layout, roles

TRACK = UUID("11111111-2222-4333-8444-555555555555")


def test_batches_are_counted_by_what_the_workers_answer():
    stats = {
        "lookup-1@here": {"total": {"lookup.batch": 17, "lookup.sampled_batch": 2}},
        "lookup-2@here": {"total": {"lookup.validate": 3, "lookup.dedupe": 3}},
        "index@here": {"total": {"index.update": 5}},
    }
    assert batches.count_batches(stats) == 22


def test_batches_are_summed_up():
    assert batches.summary(4, 16) == {"count": 4, "mean": 4.0}
    assert batches.summary(0, 0) == {"count": 0}


def test_every_process_of_a_stack_plays_a_part():
    layout = Layout("127.0.0.1", 5000, 5555, workers=2)
    parts = {each.name: part_of(each.name) for each in roles(layout)}
    assert parts == {
        "worker-lookup-1": "lookup_workers",
        "worker-lookup-2": "lookup_workers",
        "worker-submission": "import_workers",
        "worker-index": "import_workers",
        "beat": "rest",
        "api": "front_end",
        "flower": "rest",
    }
    assert (part_of("postgres"), part_of("valkey")) == ("postgres", "redis")
    assert part_of("a-role-of-another-version") == "rest"


def test_cpu_is_shared_among_the_requests():
    before = dict.fromkeys(("front_end", "lookup_workers", "import_workers"), 1.0)
    before |= dict.fromkeys(("postgres", "redis", "rest"), 1.0)
    after = {**before, "front_end": 2.0, "redis": 1.5}
    found = per_request(before, after, 100)
    assert (found["front_end"], found["redis"], found["total"]) == (10.0, 5.0, 15.0)


def test_a_drivers_last_line_is_its_report():
    report = '{"requests": 3, "seconds": 1.0}'
    assert parse(f"Running 1s test\n\n{report}\n", "") == {"requests": 3, "seconds": 1.0}


def test_a_driver_that_fails_is_quoted():
    with pytest.raises(StackError, match="unable to connect"):
        parse("", "unable to connect to 127.0.0.1")


def test_a_missing_wrk_is_named_with_what_to_do(monkeypatch):
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(StackError, match="apt-get install wrk"):
        find_wrk()


@pytest.mark.parametrize(
    ("asked", "found", "none", "refused", "unexpected"),
    [
        (100, 80, 20, 0, 0),
        (104, 76, 24, 0, 0),  # four were under way
        (104, 70, 30, 0, 6),
        (100, 81, 19, 0, 1),
        (100, 70, 20, 10, 0),  # refused ones may have been known
    ],
)
def test_answers_that_should_be_others_are_counted(asked, found, none, refused, unexpected):
    load = Load(
        requests=100,
        seconds=1.0,
        asked=asked,
        known=80,
        rounds=0,
        found=found,
        none=none,
        refused=refused,
        late=0,
        errors={},
        latency_ms={},
        driver_cpu=0.0,
    )
    assert load.unexpected() == unexpected


def test_a_load_is_what_the_driver_reports():
    assert set(Load.__slots__) == {
        *("requests", "seconds", "asked", "known", "rounds", "found", "none", "refused"),
        *("late", "errors", "latency_ms", "driver_cpu"),
    }


@pytest.mark.parametrize(
    ("results", "verdict"),
    [
        ([{"id": str(TRACK), "score": 0.9}], "right"),
        ([{"id": str(TRACK), "score": 0.5}], "low_score"),
        ([{"id": str(UUID(int=1)), "score": 0.9}, {"id": str(TRACK), "score": 0.9}], "wrong_track"),
        ([], "missed"),
    ],
)
def test_an_answer_to_a_known_query_is_judged(results, verdict):
    assert judge(Asked("", TRACK, 0.85), {"results": results}) == verdict


def test_an_answer_to_an_unknown_query_is_judged():
    assert judge(Asked("", None), {"results": []}) == "right"
    assert judge(Asked("", None), {"results": [{"id": str(TRACK), "score": 0.5}]}) == "false_hit"


def test_settings_become_variables():
    given = ("celery.fuse_lookup_stages=true", "cluster.rate_limiter.ip_limit=0", "sentry.dsn=a=b")
    assert read_settings_options(None, None, given) == {
        "ACOUSTID_CELERY_FUSE_LOOKUP_STAGES": "true",
        "ACOUSTID_CLUSTER_RATE_LIMITER_IP_LIMIT": "0",
        "ACOUSTID_SENTRY_DSN": "a=b",
    }
    with pytest.raises(click.BadParameter, match="SECTION"):
        read_settings_options(None, None, ("fuse=true",))


def test_numbers_are_separated_by_commas():
    assert Numbers(1).convert("1,4,32", None, None) == (1, 4, 32)
    for wrong in ("1,,2", "one", "0"):
        with pytest.raises(click.BadParameter):
            Numbers(1).convert(wrong, None, None)
