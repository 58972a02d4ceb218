"""``/v2/openapi.json`` and ``/docs``: the OpenAPI document, and Swagger UI, which displays it."""

import json
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Final

import falcon

from api.openapi import openapi_document

DOCS: Final = "/docs"
ASSETS: Final = "/docs/assets"
OPENAPI: Final = "/v2/openapi.json"
FILES: Final = frozenset({"swagger-ui.css", "swagger-ui-bundle.js", "favicon-32x32.png"})

_PAGE: Final = f"""<!DOCTYPE html>
<html lang="en">
<head>
  <meta charset="utf-8">
  <meta name="viewport" content="width=device-width, initial-scale=1">
  <title>AcoustID web service</title>
  <link rel="stylesheet" href="{ASSETS}/swagger-ui.css">
  <link rel="icon" type="image/png" href="{ASSETS}/favicon-32x32.png">
</head>
<body>
  <div id="page"></div>
  <script src="{ASSETS}/swagger-ui-bundle.js"></script>
  <script>SwaggerUIBundle({{ url: "{OPENAPI}", dom_id: "#page" }})</script>
</body>
</html>
"""


class OpenApiResource:
    """Serves the OpenAPI document."""

    name: Final = "openapi"

    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:  # noqa: ARG002 - Falcon's signature
        """Send the document."""
        resp.content_type = falcon.MEDIA_JSON
        resp.text = json.dumps(openapi_document())

    on_head = on_get


class DocsPage:
    """Serves the page of Swagger UI."""

    name: Final = "docs"

    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:  # noqa: ARG002 - Falcon's signature
        """Send the page."""
        resp.content_type = falcon.MEDIA_HTML
        resp.text = _PAGE

    on_head = on_get


class DocsAsset:
    """Serves the files that the page of Swagger UI needs."""

    name: Final = "docs_asset"

    def on_get(self, req: falcon.Request, resp: falcon.Response, file: str) -> None:  # noqa: ARG002 - Falcon's signature
        """Send a file."""
        if file not in FILES:
            raise falcon.HTTPNotFound
        path = _folder() / file
        resp.content_type = {
            ".css": "text/css; charset=UTF-8",
            ".js": falcon.MEDIA_JS,
            ".png": falcon.MEDIA_PNG,
        }[path.suffix]
        resp.cache_control = ["public", "max-age=86400"]
        resp.data = path.read_bytes()

    on_head = on_get


@cache
def _folder() -> Path:
    """Return the folder of Swagger UI's files, without an import of its Python package."""
    spec = find_spec("swagger_ui")
    if spec is None or spec.origin is None:
        raise falcon.HTTPNotFound
    return Path(spec.origin).with_name("static")
