"""Creates the OpenAPI document from the operations, parameters and schemas."""

import re
from functools import cache
from typing import Any, Final

from api.openapi.operations import OPERATIONS, Operation
from api.openapi.parameters import COMMON, PARAMETERS
from api.openapi.schemas import SCHEMAS, TEXT, UUID, Schema, ref

_DESCRIPTION: Final = """
The protocol of the public AcoustID service, for clients such as pyacoustid, beets and MusicBrainz
Picard. In addition, submissions have task ids and final states.

GET and POST are equivalent, but paths under `/v2/edit/` accept only POST. GET takes the parameters
from the query string. POST also takes them from a form of up to 1 MiB, which may be gzipped.
Numbered parameters have a numeric suffix: `fingerprint.0`, `duration.0`, `fingerprint.1`. All
parameters with the same suffix are one item. A request may have several items. Numbers may be
missing in the sequence.

Rate limits are in requests per second, averaged over 20 s. Invalid requests count too. Each reply
has the state of the limit in the headers `X-RateLimit-Limit`, `X-RateLimit-Remaining` and
`X-RateLimit-Reset`. The reply to a request over a limit has status 429, and in `Retry-After` the
seconds to wait.
"""

_REFUSALS: Final = {
    400: "A parameter is missing or invalid; the message names the parameter",
    401: "A key is missing or invalid; the message names the parameter",
    404: "The path or object does not exist",
    405: "The method is not allowed: use POST",
    409: "The catalogue is not in the state that the edit needs; the message says why",
    413: "The request is too large",
    429: "A rate limit is exceeded",
    503: "The service is unavailable; try again later",
}
_ALWAYS: Final = (400, 413, 429, 503)

_LIMIT_HEADERS: Final = {
    "X-RateLimit-Limit": "Requests allowed in 20 s.",
    "X-RateLimit-Remaining": "Requests that remain until the limit is reached.",
    "X-RateLimit-Reset": "Unix time in seconds when the remaining requests next increase.",
}

_HEALTH: Final = {
    "/_health": "Check whether the front end serves lookups or submissions, and their dependencies",
    "/_health_ro": "Check whether the front end serves lookups, and their dependencies",
    "/_health_docker": "Check that the front end replies",
}


@cache
def openapi_document() -> dict[str, Any]:
    """Return the document, OpenAPI 3.1."""
    return {
        "openapi": "3.1.0",
        "info": {"title": "AcoustID web service", "version": "2", "description": _DESCRIPTION},
        "servers": [{"url": "/"}],
        "paths": {
            **{path: _path(path, operation) for path, operation in OPERATIONS.items()},
            **{path: {"get": _health(path, summary)} for path, summary in _HEALTH.items()},
        },
        "components": {"schemas": dict(SCHEMAS)},
    }


def _path(path: str, operation: Operation) -> dict[str, Any]:
    name = re.sub(r"\W+", "_", path).strip("_")
    get = {
        "operationId": name,
        **_shared(operation),
        "parameters": [
            _query_parameter(each, required=each in operation.required)
            for each in _names(operation)
        ],
    }
    return {
        "parameters": [
            {"name": field, "in": "path", "required": True, "schema": UUID}
            for field in re.findall(r"{(\w+)}", path)
        ],
        **({} if operation.post_only else {"get": get}),
        "post": {
            "operationId": f"{name}_form",
            **_shared(operation),
            "requestBody": {"content": {form: {"schema": _form(operation)} for form in _FORMS}},
        },
    }


_FORMS: Final = ("application/x-www-form-urlencoded", "multipart/form-data")


def _names(operation: Operation) -> list[str]:
    return [*operation.parameters, *(each for each in COMMON if each not in operation.parameters)]


def _shared(operation: Operation) -> dict[str, Any]:
    refusals = sorted({*_ALWAYS, *operation.errors})
    return {
        "tags": [operation.tag],
        "summary": operation.summary,
        "description": operation.description.strip() or operation.summary,
        "x-internal": not operation.is_public,
        "responses": {
            "200": _response(operation.summary, ref(operation.reply)),
            **{str(status): _response(_REFUSALS[status], ref("Error")) for status in refusals},
        },
    }


def _response(description: str, schema: Schema) -> dict[str, Any]:
    headers = {
        name: {"description": text, "schema": {"type": "integer"}}
        for name, text in _LIMIT_HEADERS.items()
    }
    return {
        "description": description,
        "headers": headers,
        "content": {
            "application/json": {"schema": schema},
            "application/javascript": {"schema": TEXT},
            "text/xml": {"schema": TEXT},
        },
    }


def _query_parameter(name: str, *, required: bool) -> dict[str, Any]:
    parameter = PARAMETERS[name]
    more = f" Also `{name}.0`, `{name}.1`, …" if parameter.is_numbered else ""
    return {
        "name": name,
        "in": "query",
        "required": required,
        "description": parameter.description + more,
        "schema": parameter.schema,
    }


def _form(operation: Operation) -> Schema:
    names = _names(operation)
    numbered = [name for name in names if PARAMETERS[name].is_numbered]
    form: Schema = {
        "type": "object",
        "properties": {
            name: {**PARAMETERS[name].schema, "description": PARAMETERS[name].description}
            for name in names
        },
        "required": list(operation.required),
    }
    if numbered:
        form["patternProperties"] = {
            rf"^{name}\.[0-9]+$": PARAMETERS[name].schema for name in numbered
        }
    return form


def _health(path: str, summary: str) -> dict[str, Any]:
    content = {"application/json": {"schema": ref("Health")}}
    return {
        "operationId": path.strip("/_"),
        "tags": ["health"],
        "summary": summary,
        "responses": {
            "200": {
                "description": "The front end serves requests; if degraded, the reply has faults",
                "content": content,
            },
            "503": {
                "description": "The front end cannot serve requests, or is stopping",
                "content": content,
            },
        },
    }
