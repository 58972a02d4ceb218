"""Makes the OpenAPI document of the operations, parameters and schemas."""

import re
from functools import cache
from typing import Any, Final

from api.openapi.operations import OPERATIONS, Operation
from api.openapi.parameters import COMMON, PARAMETERS
from api.openapi.schemas import SCHEMAS, TEXT, UUID, Schema, ref

_DESCRIPTION: Final = """
The protocol of the public AcoustID service, which pyacoustid, beets and MusicBrainz Picard speak,
with task ids and final states beside it.

Every path answers GET and POST alike: GET reads the query string, POST the query string and a form
(gzip allowed) of up to 1 MiB. Where parameters are numbered, `fingerprint.0`, `duration.0`,
`fingerprint.1` and so on ask many questions at once; numbers may have gaps.

Limits are per second, averaged over 20 s. Every request counts, a bad one too. Every reply tells
how it stands in `X-RateLimit-Limit`, `X-RateLimit-Remaining` and `X-RateLimit-Reset`; a refusal
tells in `Retry-After` how long to wait.
"""

_REFUSALS: Final = {
    400: "A parameter is missing or wrong; the message names it",
    401: "A key is missing or wrong; the message says which",
    404: "There is no such thing",
    413: "The request is too large",
    429: "A limit is reached",
    503: "Come again later",
}
_ALWAYS: Final = (400, 413, 429, 503)

_LIMIT_HEADERS: Final = {
    "X-RateLimit-Limit": "Requests in 20 s.",
    "X-RateLimit-Remaining": "How many of them are left.",
    "X-RateLimit-Reset": "When there is room again, in seconds since 1970.",
}

_HEALTH: Final = {
    "/_health": "Can everything be done: database, Redis, index, workers?",
    "/_health_ro": "Can everything be read?",
    "/_health_docker": "Does the front end answer?",
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
    return {
        "parameters": [
            {"name": field, "in": "path", "required": True, "schema": UUID}
            for field in re.findall(r"{(\w+)}", path)
        ],
        "get": {
            "operationId": name,
            **_shared(operation),
            "parameters": [
                _query_parameter(each, required=each in operation.required)
                for each in _names(operation)
            ],
        },
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
            "200": {"description": "All checks passed", "content": content},
            "503": {"description": "A check failed; it is named", "content": content},
        },
    }
