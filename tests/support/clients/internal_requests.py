"""Settings and requests for the tests of the internal endpoints."""

from typing import Any, Final

from falcon import testing

from tests.support.clients.web_client import Web

SECRET: Final = "correct horse é"
XML: Final = "<?xml version='1.0' encoding='UTF-8'?>\n"


def cluster(**more: Any) -> dict[str, Any]:
    """Return a section `cluster` with the secret and, by default, without rate limits."""
    limits = {"global_limit": 0, "app_limit": 0, "ip_limit": 0}
    return {"secret": SECRET, "rate_limiter": limits, **more}


def call(web: Web, name: str, /, **form: Any) -> testing.Result:
    """Post a form to an internal path. By default the form contains the secret."""
    return web.post(f"/v2/internal/{name}", **{"secret": SECRET, **form})
