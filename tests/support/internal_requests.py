"""What the tests of the internal endpoints share: a front end of a cluster, and its secret."""

from typing import Any, Final

from falcon import testing

from tests.support.web_client import Web

SECRET: Final = "correct horse é"
XML: Final = "<?xml version='1.0' encoding='UTF-8'?>\n"


def cluster(**more: Any) -> dict[str, Any]:
    """Return the section of a server that knows the secret, without limits unless it says so."""
    limits = {"global_limit": 0, "app_limit": 0, "ip_limit": 0}
    return {"secret": SECRET, "rate_limiter": limits, **more}


def call(web: Web, name: str, /, **form: Any) -> testing.Result:
    """Post to an internal path with the secret, unless the form has another."""
    return web.post(f"/v2/internal/{name}", **{"secret": SECRET, **form})
