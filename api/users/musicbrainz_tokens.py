"""Requests the user of an access token from MusicBrainz."""

import json
import re
from http.client import HTTPException
from typing import Any, Final
from urllib.error import HTTPError
from urllib.request import HTTPRedirectHandler, Request, build_opener

import structlog

from api.http.parameters import MAX_TEXT
from pipeline.runtime.links.deadline import seconds_left

TIMEOUT: Final = 5.0
"""Maximum time in seconds to wait for each part of the reply."""

SHORTEST_TIMEOUT: Final = 0.1
"""Minimum time in seconds to wait for a part of the reply."""

MAX_REPLY: Final = 65_536  # bytes; a reply has a few hundred

# The syntax of a bearer token (RFC 6750, section 2.1).
_TOKEN: Final = re.compile(r"[A-Za-z0-9._~+/-]{1,4000}=*")

logger = structlog.get_logger("acoustid.api.users.musicbrainz_tokens")


class _NoRedirects(HTTPRedirectHandler):
    """Follows no redirect, so that the token is sent to the configured address only."""

    def redirect_request(self, *args: object, **kwargs: object) -> None:
        """Return nothing, which makes the redirect an error."""


class MusicbrainzUsers:
    """Sends requests to the OAuth endpoint ``userinfo`` of MusicBrainz.

    Args:
        url: the address of the endpoint.
        timeout: maximum time in seconds to wait for each part of the reply. A request with less
            time left waits until its deadline.
    """

    def __init__(self, url: str, timeout: float = TIMEOUT) -> None:
        self._url = url
        self._timeout = timeout
        self._opener = build_opener(_NoRedirects)

    def name(self, token: str) -> str | None:
        """Return the name of the token's user; None if MusicBrainz does not confirm the token.

        The token is sent in a header and is not logged.
        """
        if not _TOKEN.fullmatch(token):
            return None
        try:
            name = self._request_name(token)
        except HTTPError as error:
            with error:
                logger.warning("MusicBrainz refused an access token", status=error.code)
            return None
        except (OSError, HTTPException, ValueError, RecursionError) as error:
            logger.warning("the request to MusicBrainz failed", error=type(error).__name__)
            return None
        return name if _is_name(name) else None

    def _request_name(self, token: str) -> Any:  # noqa: ANN401 - any JSON
        request = Request(  # noqa: S310 - the settings allow http and https only
            self._url, headers={"Authorization": f"Bearer {token}", "Accept": "application/json"}
        )
        # A socket with a timeout of 0 would not wait at all.
        timeout = max(SHORTEST_TIMEOUT, min(self._timeout, seconds_left()))
        with self._opener.open(request, timeout=timeout) as reply:
            if reply.status != 200:
                return None
            claims = json.loads(reply.read(MAX_REPLY))
        return claims.get("sub") if isinstance(claims, dict) else None


def _is_name(name: object) -> bool:
    return isinstance(name, str) and 0 < len(name) <= MAX_TEXT and "\0" not in name
