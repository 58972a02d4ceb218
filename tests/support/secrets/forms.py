"""The forms in which a text may show a secret."""

import base64
import json
from collections.abc import Iterable, Mapping
from urllib.parse import quote, quote_plus


def forms(secret: str) -> set[bytes]:
    """Return the forms of a secret: plain, percent-encoded, in JSON and HTML, in Base64.

    In Base64 a secret may begin at each of three positions of a group. The first and last
    characters of a form depend on the neighbours, so they are left out.
    """
    escaped = secret.replace("&", "&amp;").replace("<", "&lt;").replace('"', "&quot;")
    texts = {secret, quote(secret), quote(secret, safe=""), quote_plus(secret), escaped}
    texts |= {each.replace("%2F", "%2f").replace("%3A", "%3a") for each in texts}
    texts |= {json.dumps(secret)[1:-1], secret.replace("/", "\\/"), repr(secret)[1:-1]}
    found = {each.encode() for each in texts}
    for before in range(3):
        for alphabet in (b"+/", b"-_"):
            text = base64.b64encode(b"\0" * before + secret.encode(), altchars=alphabet)
            found.add(text.rstrip(b"=")[(0, 2, 3)[before] : -2])
    return found


def shown(secrets: Mapping[str, str], texts: Iterable[tuple[str, bytes]]) -> set[str]:
    """Return ``SECRET in TEXT`` for each secret in each of the named texts."""
    every = {name: forms(secret) for name, secret in secrets.items()}
    return {
        f"{name} in {source}"
        for source, text in texts
        for name, known in every.items()
        if any(form in text for form in known)
    }
