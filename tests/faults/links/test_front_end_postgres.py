"""A front end whose link to PostgreSQL is dead: all requests end in time, lookups go on."""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from pipeline.settings.sections import Settings
from tests.support.links.front_end import RECOVERY, THREADS, FrontEnd, front_end_behind
from tests.support.links.proxy import LinkProxy
from tests.support.polling import eventually


@pytest.fixture(scope="module")
def link(settings: Settings) -> Iterator[LinkProxy]:
    """Return the link between the front end and PostgreSQL."""
    with LinkProxy(settings.database.host, settings.database.port) as proxy:
        yield proxy


@pytest.fixture(scope="module")
def front_end(
    settings: Settings, link: LinkProxy, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[FrontEnd]:
    """Return a client of the front end."""
    folder = tmp_path_factory.mktemp("front_end")
    with front_end_behind(settings, folder, (link.host, link.port)) as client:
        yield client


def test_dead_connections_delay_no_other_request(front_end: FrontEnd, link: LinkProxy) -> None:
    """Submits get a 503 in time, later ones at once; lookups and health checks are answered."""
    assert eventually(lambda: front_end.submit() == 200, RECOVERY)
    assert front_end.status() == 200
    assert front_end.lookup() == 200
    front_end.replies.clear()
    link.half_open()
    with ThreadPoolExecutor(3 * THREADS) as threads:
        submits = [threads.submit(front_end.submit) for _ in range(2 * THREADS)]
        states = [threads.submit(front_end.status) for _ in range(THREADS // 2)]
        lookups = [front_end.lookup() for _ in range(20)]
        health = [front_end.get(path) for path in ("/_health", "/_health_docker")]
        assert {each.result(60) for each in (*submits, *states)} == {503}
    assert set(lookups) == {200}
    assert health == [503, 200]
    with ThreadPoolExecutor(4) as threads:
        known = len(front_end.replies)
        assert set(threads.map(lambda _: front_end.submit(), range(40))) == {503}
    quick = [seconds for _, _, seconds in front_end.replies[known:] if seconds < 0.5]
    assert len(quick) > 20
    front_end.require_in_time()
    link.restore()
    restored = time.monotonic()
    assert eventually(lambda: front_end.submit() == 200, RECOVERY)
    assert eventually(lambda: front_end.status() == 200, RECOVERY)
    assert time.monotonic() - restored < RECOVERY
