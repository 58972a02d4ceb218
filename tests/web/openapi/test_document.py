"""Tests that the OpenAPI document agrees with the code, and that its page works."""

import re
from typing import Any

import jsonschema_rs
import pytest

from api.http import middleware
from api.http.parameters import Parameters
from api.openapi import openapi_document
from api.openapi.operations import OPERATIONS
from api.openapi.parameters import COMMON, PARAMETERS
from api.routes import ROUTES
from pipeline.fingerprint.codec import encode
from tests.support.catalogue.synthetic import fingerprint

UUID = "0a1b2c3d-0000-4000-8000-000000000001"
SECRET = "cluster-secret"


def valid(web: Any, name: str) -> str:
    """Return a valid value of a parameter."""
    values = {
        "client": web.application,
        "user": web.user,
        "fingerprint": encode(fingerprint(1)),
        "duration": "200",
        "mbid": UUID,
        "puid": UUID,
        "trackid": UUID,
        "foreignid": "vendor:name",
        "format": "jsonp",
        "meta": "recordings",
        "maxdurationdiff": "7",
        "date": "2026-01-01",
        "from": "2026-01-01",
        "to": "2026-01-02",
        "access_token": "token",
        "secret": SECRET,
    }
    return values.get(name, "1")


class Recorder(Parameters):
    """Parameters that record the names that the code reads."""

    names: set[str]

    def get(self, name: str) -> str | None:
        self.names.add(re.sub(r"\.\d+$", "", name))
        return super().get(name)

    def get_all(self, name: str) -> list[str]:
        self.names.add(re.sub(r"\.\d+$", "", name))
        return super().get_all(name)

    def suffixes(self, *stems: str) -> list[int | None]:
        self.names.update(stems)
        return super().suffixes(*stems)


def test_every_path_is_in_the_document_and_no_other() -> None:
    assert set(OPERATIONS) == set(ROUTES)


def test_the_document_is_openapi(web) -> None:
    document = web.get("/v2/openapi.json").json
    assert document == openapi_document()
    assert document["openapi"] == "3.1.0"
    for name, schema in document["components"]["schemas"].items():
        jsonschema_rs.validator_for({**document, **schema}), name


@pytest.mark.parametrize("path", sorted(OPERATIONS))
def test_a_path_reads_the_parameters_of_the_document(
    make_web, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    Recorder.names = set()
    monkeypatch.setattr(middleware, "Parameters", Recorder)
    service = make_web(cluster={"secret": SECRET}, features={"demo_key": True, "async_api": True})
    service.make_admin()
    url = path.replace("{task_id}", UUID)
    everything = {name: valid(service, name) for name in PARAMETERS}
    without_track = {name: value for name, value in everything.items() if name != "trackid"}
    for left_out in ("", "async", "days", "client"):
        form = {name: value for name, value in without_track.items() if name != left_out}
        service.post(url, **form)
    service.post(url, **everything)
    documented = {*OPERATIONS[path].parameters, *COMMON}
    assert Recorder.names - {"clientversion"} <= documented
    assert documented - Recorder.names <= {"clientversion"}


def test_a_request_without_parameters_is_an_error_of_the_document(web) -> None:
    document = openapi_document()
    schema = {**document, "$ref": "#/components/schemas/Error"}
    error = jsonschema_rs.validator_for(schema)
    for path, operation in document["paths"].items():
        if "post" in operation and OPERATIONS[path].required:
            result = web.get(path) if "get" in operation else web.post(path)
            assert str(result.status_code) in operation["post"]["responses"]
            error.validate(result.json)


def test_the_page_and_its_files(web) -> None:
    page = web.http.simulate_get("/docs")
    assert page.status_code == 200
    assert page.headers["Content-Type"].startswith("text/html")
    for asset in re.findall(r'(?:href|src)="(/docs/[^"]+)"', page.text):
        found = web.http.simulate_get(asset)
        assert found.status_code == 200, asset
        assert len(found.content) > 500
    assert web.http.simulate_get("/docs/assets/..%2f__init__.py").status_code == 404
