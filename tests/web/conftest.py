"""The application under test: real databases, a real Redis, and a worker of a few lines."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from pipeline.settings.sections import Settings
from tests.support.scratch_redis import on_scratch, scratch_redis
from tests.support.servers import Servers
from tests.support.web_client import Web

NO_LIMITS = {"global_limit": 0, "app_limit": 0, "ip_limit": 0}


@pytest.fixture
def make_web(servers: Servers, settings: Settings) -> Iterator[Callable[..., Web]]:
    """Return a function that makes applications with sections of their own."""
    made: list[Web] = []
    with scratch_redis(settings) as client:

        def make(**sections: Any) -> Web:
            sections.setdefault("cluster", {"rate_limiter": NO_LIMITS})
            sections.setdefault("features", {"demo_key": True})
            # A test's worker changes its answers without a word; `test_answers.py` has the cache.
            sections["api"] = {"answer_cache": False, **sections.get("api", {})}
            made.append(Web(on_scratch(servers.settings(**sections)), client))
            return made[-1]

        yield make
        for web in made:
            web.close()


@pytest.fixture
def web(make_web: Callable[..., Web]) -> Web:
    """An application without rate limits, with the demo key."""
    return make_web()
