"""Tests of ``/v2/lookup`` with ``batch``: the results of all items, and the items left out."""

from typing import Any
from xml.etree import ElementTree as ET

import jsonschema_rs
import pytest

from api.http.skipped_items import MAX_SKIPPED
from api.openapi import openapi_document
from tests.support.clients.lookup_worker import refuse
from tests.support.clients.web_client import GID, WORD, code_of, error_of


def items(*numbers: int, **more: Any) -> dict[str, Any]:
    """Return the form of a batch of fingerprints, whose durations are the numbers."""
    form = {f"fingerprint.{n}": WORD for n in numbers} | {f"duration.{n}": n for n in numbers}
    return {"batch": 1, **form, **more}


def test_a_batch(web) -> None:
    result = web.lookup(
        batch=1,
        **{
            "fingerprint.1": WORD,
            "duration.1": 10,
            "trackid.7": GID,
            "fingerprint": WORD,
            "duration": 30,
        },
    )
    assert result.text == (
        '{"fingerprints": [{"index": null, "results": [{"id": "30", "score": 1.0}]}, '
        '{"index": 1, "results": [{"id": "10", "score": 1.0}]}, '
        f'{{"index": 7, "results": [{{"id": "{GID}", "score": 1.0}}]}}], "status": "ok"}}'
    )
    assert [len(batch.lookups) for batch in web.worker.batches] == [3]


def test_a_batch_in_xml(web) -> None:
    result = web.lookup(batch=1, fingerprint=WORD, duration=3, format="xml")
    assert "<fingerprint><index>None</index><results>" in result.text


def test_a_fraction_of_a_duration_is_rounded(web) -> None:
    result = web.lookup(**items(1, 2), **{"fingerprint.3": WORD, "duration.3": "223.89"})
    assert set(result.json) == {"fingerprints", "status"}
    found = [each["results"][0]["id"] for each in result.json["fingerprints"]]
    assert found == ["1", "2", "224"]


BAD = [
    ({"fingerprint": WORD}, 2, 'missing required parameter "duration.2"'),
    ({"fingerprint": WORD, "duration": "0.4"}, 2, 'missing required parameter "duration.2"'),
    ({"fingerprint": WORD, "duration": "1e3"}, 2, 'missing required parameter "duration.2"'),
    ({"fingerprint": WORD, "duration": "-1"}, 8, 'parameter "duration.2" must be a positive'),
    ({"fingerprint": "", "duration": "3"}, 2, 'missing required parameter "fingerprint.2"'),
    ({"fingerprint": "!", "duration": "3"}, 3, 'invalid fingerprint: parameter "fingerprint.2"'),
    ({"fingerprint": WORD, "duration": "3"}, 3, 'invalid fingerprint: parameter "fingerprint.2"'),
    ({"trackid": "x"}, 7, 'parameter "trackid.2" is not a valid UUID'),
]


@pytest.mark.parametrize(("bad", "code", "text"), BAD)
def test_an_item_that_is_left_out_has_the_error_that_it_has_alone(web, bad, code, text) -> None:
    web.worker.answer = refuse(3)
    form = {f"{name}.2": value for name, value in bad.items()}
    alone = error_of(web.lookup(batch=1, **form))
    assert alone["code"] == code
    assert alone["message"].startswith(text)
    result = web.lookup(**items(1, 7), **form)
    assert result.status_code == 200
    assert [each["index"] for each in result.json["fingerprints"]] == [1, 7]
    assert result.json["skipped"] == [{"index": "2", "error": alone}]


def test_the_index_of_a_skipped_item_is_its_suffix(web) -> None:
    form = {"fingerprint": WORD, "trackid.0": "x", "fingerprint.008": WORD}
    skipped = web.lookup(**items(3), **form).json["skipped"]
    assert [each["index"] for each in skipped] == ["", "0", "8"]
    assert all(set(each["error"]) == {"code", "message"} for each in skipped)


def test_without_batch_no_item_is_skipped(web) -> None:
    result = web.lookup(**items(2, batch=0), **{"trackid.1": "x", "trackid.3": "x"})
    assert result.text == '{"results": [{"id": "2", "score": 1.0}], "status": "ok"}'


def test_skipped_items_in_jsonp_and_xml(web) -> None:
    form = items(1, **{"trackid.2": "x"})
    found = web.lookup(**form)
    in_jsonp = web.lookup(**form, format="jsonp", jsoncallback="f").text
    assert in_jsonp == f"f({found.text})"
    root = ET.fromstring(web.lookup(**form, format="xml").content)  # noqa: S314 - our own
    (item,) = root.findall("skipped/item")
    (skipped,) = found.json["skipped"]
    assert item.findtext("index") == "2"
    assert item.findtext("error/code") == str(skipped["error"]["code"])
    assert item.findtext("error/message") == skipped["error"]["message"]


def test_a_reply_with_skipped_items_conforms_to_the_document(web) -> None:
    document = openapi_document()
    schema = {**document, "$ref": "#/components/schemas/LookupReply"}
    jsonschema_rs.validator_for(schema).validate(web.lookup(**items(1), trackid="x").json)


def test_the_number_of_skipped_items_is_limited(web) -> None:
    bad = {f"fingerprint.{n}": "" for n in range(10, MAX_SKIPPED + 20)}
    result = web.lookup(**items(1), **bad)
    assert len(result.json["skipped"]) == MAX_SKIPPED


@pytest.mark.parametrize(("stem", "most"), [("fingerprint", 20), ("trackid", 100)])
def test_a_batch_has_a_size(web, stem, most) -> None:
    form = {f"{stem}.{n}": GID if stem == "trackid" else WORD for n in range(most + 1)}
    form |= {f"duration.{n}": "3" for n in range(most + 1)}
    result = web.lookup(batch=1, **form)
    assert (result.status_code, code_of(result)) == (413, 19)
    del form[f"{stem}.0"]
    assert len(web.lookup(batch=1, **form).json["fingerprints"]) == most
