"""The page ``/``: a description of this server, links, and a first lookup."""

import base64
import hashlib
import re
from html import escape
from typing import Final

import falcon

from api.http.endpoint import request_of, write_reply
from api.http.serialisation import JSON
from api.openapi.page import ASSETS, DOCS, OPENAPI
from pipeline.catalog.app.keys.demo_application import DEMO_API_KEY
from pipeline.settings.sections import Settings

HEALTH: Final = "/_health"

_HOST: Final = re.compile(r"[A-Za-z0-9._\[\]:-]+")

_STYLE: Final = """
body { font: 1rem/1.5 sans-serif; max-width: 45rem; margin: 2rem auto; padding: 0 1rem }
pre { overflow-x: auto; padding: 1rem; border: 1px solid }
"""

_STYLE_HASH: Final = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()

POLICY: Final = (
    f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; img-src 'self'; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'"
)
"""The Content-Security-Policy: no script, and no files except the icon."""


class HomePage:
    """Serves the page; in JSON to a client that prefers it.

    Args:
        settings: the name of the installation, and whether the demo key is valid.
    """

    name: Final = "home"

    def __init__(self, settings: Settings) -> None:
        self._name = settings.cluster.name
        self._demo_key = settings.features.demo_key

    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        """Send the page."""
        resp.append_header("Vary", "Accept")
        if _prefers_json(req):
            links = {"documentation": DOCS, "openapi": OPENAPI, "health": HEALTH}
            write_reply(resp, JSON, {"status": "ok", "name": self._name, **links})
            return
        resp.content_type = falcon.MEDIA_HTML
        resp.set_header("Content-Security-Policy", POLICY)
        resp.text = self._page(_address(req))

    on_head = on_get

    def _page(self, address: str) -> str:
        key = DEMO_API_KEY if self._demo_key else "KEY"
        command = (
            "export $(fpcalc song.mp3)\n"
            f"curl {address}/v2/lookup -d client={key} -d meta=recordings \\\n"
            "    -d duration=$DURATION -d fingerprint=$FINGERPRINT"
        )
        about_key = (
            f"<code>{DEMO_API_KEY}</code> is a key for trials."
            if self._demo_key
            else "Replace <code>KEY</code> by the key of your application."
        )
        return f"""<!DOCTYPE html>
<html lang="en">
<head>
  <meta charset="utf-8">
  <meta name="viewport" content="width=device-width, initial-scale=1">
  <title>{escape(self._name)}: AcoustID server</title>
  <link rel="icon" type="image/png" href="{ASSETS}/favicon-32x32.png">
  <style>{_STYLE}</style>
</head>
<body>
  <main>
    <h1>{escape(self._name)}: AcoustID server</h1>
    <p>This server identifies recordings by their audio fingerprint. It implements the protocol of
      the public <a href="https://acoustid.org/webservice">AcoustID</a> web service.</p>
    <ul>
      <li><a href="{DOCS}">Description of the web service</a> (needs JavaScript)</li>
      <li><a href="{OPENAPI}">OpenAPI document</a></li>
      <li><a href="{HEALTH}">State of this server</a></li>
    </ul>
    <h2>First lookup</h2>
    <p>The program <code>fpcalc</code> of <a href="https://acoustid.org/chromaprint">Chromaprint</a>
      computes the fingerprint of an audio file. In a shell:</p>
    <pre><code>{escape(command)}</code></pre>
    <p>{about_key} The operator of this server creates keys with
      <code>acoustid keys create --application NAME</code>.</p>
  </main>
</body>
</html>
"""


def _prefers_json(req: falcon.Request) -> bool:
    """Return whether ``Accept`` names JSON, and HTML not with a higher quality."""
    preferred = req.client_prefers((falcon.MEDIA_JSON, falcon.MEDIA_HTML))
    return falcon.MEDIA_JSON in req.accept and preferred == falcon.MEDIA_JSON


def _address(req: falcon.Request) -> str:
    """Return the URL of this server for its clients.

    The header ``Host`` is used if it has only characters of names and addresses, since the page
    shows it in a shell command.
    """
    scheme = "https" if request_of(req).secure else "http"
    return f"{scheme}://{req.netloc if _HOST.fullmatch(req.netloc) else 'HOST'}"
