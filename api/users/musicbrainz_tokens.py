"""Whose MusicBrainz access token is this? MusicBrainz is asked over HTTPS."""

import json
import re
from http.client import HTTPException
from typing import Any, Final
from urllib.error import HTTPError
from urllib.request import HTTPRedirectHandler, Request, build_opener

import structlog

from api.http.parameters import LONGEST_TEXT

TIMEOUT: Final = 5.0
"""Seconds to wait for each piece of the answer."""

LONGEST_ANSWER: Final = 65_536  # bytes; a user's claims are a few hundred

# What a bearer token may consist of (RFC 6750, section 2.1).
_TOKEN: Final = re.compile(r"[A-Za-z0-9._~+/-]{1,4000}=*")

logger = structlog.get_logger("acoustid.api.musicbrainz_user")


class _NoRedirects(HTTPRedirectHandler):
    """Follows no redirect: the token is for one address alone."""

    def redirect_request(self, *args: object, **kwargs: object) -> None:
        """Leave the redirect as it is, which makes it an error."""


class MusicbrainzUsers:
    """Asks the OAuth endpoint ``userinfo`` of MusicBrainz.

    Args:
        url: its address.
        timeout: seconds to wait for each piece of the answer.
    """

    def __init__(self, url: str, timeout: float = TIMEOUT) -> None:
        self._url = url
        self._timeout = timeout
        self._opener = build_opener(_NoRedirects)

    def name(self, token: str) -> str | None:
        """Return the name of the user who gave the token out, None where that is not confirmed.

        The token goes out in a header and into no log.
        """
        if not _TOKEN.fullmatch(token):
            return None
        try:
            name = self._ask(token)
        except HTTPError as error:
            with error:
                logger.warning("musicbrainz refused an access token", status=error.code)
            return None
        except (OSError, HTTPException, ValueError, RecursionError) as error:
            logger.warning("musicbrainz could not be asked", error=type(error).__name__)
            return None
        return name if _is_name(name) else None

    def _ask(self, token: str) -> Any:  # noqa: ANN401 - any JSON
        request = Request(  # noqa: S310 - the settings hold it to http and https
            self._url, headers={"Authorization": f"Bearer {token}", "Accept": "application/json"}
        )
        with self._opener.open(request, timeout=self._timeout) as reply:
            if reply.status != 200:
                return None
            claims = json.loads(reply.read(LONGEST_ANSWER))
        return claims.get("sub") if isinstance(claims, dict) else None


def _is_name(name: object) -> bool:
    return isinstance(name, str) and 0 < len(name) <= LONGEST_TEXT and "\0" not in name
