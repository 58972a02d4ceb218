"""A front end whose link to Redis is dead: lookups are refused in time, then answered again."""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field

import pytest

from pipeline.messages import LookupBatch
from pipeline.runtime.databases import Databases
from pipeline.runtime.links.connection_limits import REDIS_PUBLISH
from pipeline.runtime.redis_client import connect
from pipeline.settings.sections import RateLimiterSettings, Settings
from tests.support.clients.web_client import WORD, Web
from tests.support.links.proxy import LinkProxy
from tests.support.polling import eventually

RECOVERY = 15.0
"""Seconds after the end of a fault in which lookups must be answered."""

DEADLINE = 5.0
"""Seconds in which each request must end: half of the deadline of a lookup."""


@dataclass
class FrontEnd:
    """A front end behind a link, with the status and the seconds of each lookup."""

    web: Web
    link: LinkProxy
    replies: list[tuple[int, float]] = field(default_factory=list)

    def lookup(self, **parameters: int) -> int:
        """Send a lookup and return the status."""
        begun = time.monotonic()
        found = self.web.lookup(fingerprint=WORD, duration=200, **parameters).status_code
        self.replies.append((found, time.monotonic() - begun))
        return found

    def is_answered(self) -> bool:
        """Return whether a lookup is answered."""
        return self.lookup() == 200


@pytest.fixture(scope="module")
def link(settings: Settings) -> Iterator[LinkProxy]:
    """The link between the front end and Redis."""
    with LinkProxy(settings.redis.host, settings.redis.port) as proxy:
        yield proxy


@pytest.fixture
def front_end(settings: Settings, databases: Databases, link: LinkProxy) -> Iterator[FrontEnd]:
    """A front end that reaches Redis by the link only; its worker is beside Redis."""
    del databases
    redis = settings.redis.model_copy(update={"host": link.host, "port": link.port})
    limits = RateLimiterSettings(global_limit=10_000, app_limit=10_000, ip_limit=10_000)
    cluster = settings.cluster.model_copy(update={"rate_limiter": limits})
    features = settings.features.model_copy(update={"async_api": True})
    index = settings.fingerprint_index.model_copy(update={"sketch_rate": 4})
    changed = {"redis": redis, "cluster": cluster, "features": features}
    here = settings.model_copy(update={**changed, "fingerprint_index": index})
    with (
        closing(connect(settings.redis)) as beside,
        closing(connect(redis, limits=REDIS_PUBLISH)) as publishing,
        closing(Web(here, beside)) as web,
    ):

        def send(batch: LookupBatch) -> None:
            publishing.ping()
            web.worker.send(batch)

        web.send_lookups = web.send_excerpts = send
        made = FrontEnd(web, link)
        assert eventually(made.is_answered, RECOVERY)
        yield made
        link.restore()


@pytest.mark.parametrize("fault", ["freeze", "half_open", "cut"])
def test_lookups_are_refused_in_time_and_answered_after_the_fault(
    front_end: FrontEnd, fault: str
) -> None:
    with ThreadPoolExecutor(20) as threads:
        list(threads.map(lambda _: front_end.lookup(), range(20)))  # each opens a connection
        front_end.replies.clear()
        getattr(front_end.link, fault)()
        first = set(threads.map(lambda _: front_end.lookup(), range(20)))
        later = set(threads.map(lambda _: front_end.lookup(), range(100)))
    assert first == later == {503}
    assert max(seconds for _, seconds in front_end.replies) < DEADLINE
    quick = [seconds for _, seconds in front_end.replies if seconds < 0.5]
    assert len(quick) >= 90, "Redis is known to be away, so most requests do not wait for it"
    front_end.link.restore()
    assert eventually(front_end.is_answered, RECOVERY)
    assert max(seconds for _, seconds in front_end.replies) < DEADLINE


def test_background_lookups_are_refused_in_time(front_end: FrontEnd) -> None:
    check_refusals(front_end, "async")


def test_excerpts_are_refused_in_time(front_end: FrontEnd) -> None:
    check_refusals(front_end, "excerpt")


def check_refusals(front_end: FrontEnd, parameter: str) -> None:
    """Check that lookups with a parameter are refused in time while Redis does not answer."""
    front_end.link.freeze()
    with ThreadPoolExecutor(20) as threads:
        found = set(threads.map(lambda _: front_end.lookup(**{parameter: 1}), range(60)))
    assert found == {503}
    assert max(seconds for _, seconds in front_end.replies) < DEADLINE


def test_a_short_stall_of_redis_costs_no_lookup(front_end: FrontEnd) -> None:
    """An optional command times out after 1 s, but a publication or a reply after 2 s."""

    def look_up_until(end: float) -> set[int]:
        found = set()
        while time.monotonic() < end:
            found.add(front_end.lookup())
            time.sleep(0.02)
        return found

    begun = time.monotonic()
    with ThreadPoolExecutor(4) as threads:
        clients = [threads.submit(look_up_until, begun + 2.2) for _ in range(4)]
        time.sleep(0.2)
        front_end.link.freeze()
        time.sleep(1.3)
        front_end.link.restore()
        statuses = set().union(*(each.result() for each in clients))
    assert statuses == {200}
