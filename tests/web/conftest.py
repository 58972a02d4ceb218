"""The application under test, with real databases, a real Redis and a minimal worker."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from pipeline.settings.sections import Settings
from tests.support.clients.web_client import Web
from tests.support.processes.scratch_redis import on_scratch, scratch_redis
from tests.support.processes.servers import Servers

NO_LIMITS = {"global_limit": 0, "app_limit": 0, "ip_limit": 0}


@pytest.fixture
def make_web(servers: Servers, settings: Settings) -> Iterator[Callable[..., Web]]:
    """Return a function that creates applications with given sections of the settings."""
    made: list[Web] = []
    with scratch_redis(settings) as client:

        def make(**sections: Any) -> Web:
            sections.setdefault("cluster", {"rate_limiter": NO_LIMITS})
            sections.setdefault("features", {"demo_key": True})
            # The tests' worker changes its answers without a new generation of the catalogue.
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
