"""The search for secrets of the tests finds them in all their forms."""

import base64
import html
import json
from urllib.parse import quote, urlencode

import pytest

from tests.support.secrets.forms import shown

SECRET = 'a:b@c/%41+d "e&'


@pytest.mark.parametrize(
    "text",
    [
        SECRET,
        quote(SECRET, safe=""),
        quote(SECRET, safe="").lower().replace("%2B".lower(), "%2B"),
        urlencode({"password": SECRET}),
        json.dumps({"password": SECRET}),
        html.escape(SECRET, quote=False),
        repr({"password": SECRET}),
        base64.b64encode(SECRET.encode()).decode(),
        base64.b64encode(f"user:{SECRET}".encode()).decode(),
        base64.b64encode(f"acoustid:{SECRET}\n".encode()).decode(),
        base64.urlsafe_b64encode(f"me:{SECRET}?".encode()).decode(),
    ],
)
def test_each_form_is_found(text: str) -> None:
    found = shown({"name": SECRET}, [("log", f"before {text} after".encode())])
    assert found == {"name in log"}


def test_a_masked_text_has_none() -> None:
    assert shown({"name": SECRET}, [("log", b"redis://:***@localhost client=*** a:b c/d")]) == set()
