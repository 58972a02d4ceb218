"""Replies have the same bytes as those of the public service."""

import json
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.http.errors import InvalidApiKeyError, UnknownFormatError
from api.http.parameters import Parameters
from api.http.serialisation import DEFAULT_CALLBACK, ReplyStyle, reply_style, to_xml

GID = "0a1b2c3d-0000-4000-8000-000000000001"
HIT = {"status": "ok", "results": [{"score": 1.0, "id": GID}]}
XML = "<?xml version='1.0' encoding='UTF-8'?>\n"


def style(**parameters: str) -> ReplyStyle:
    return reply_style(Parameters(parameters.items()))


def test_json_is_sorted_spaced_and_ascii() -> None:
    body = style().write({**HIT, "title": "Glåss"})
    assert body == (
        b'{"results": [{"id": "0a1b2c3d-0000-4000-8000-000000000001", "score": 1.0}], '
        b'"status": "ok", "title": "Gl\\u00e5ss"}'
    )
    assert style().content_type == "application/json; charset=UTF-8"


def test_an_error_in_json() -> None:
    error = InvalidApiKeyError("why")
    assert style(format="json").write(error.body()) == (
        b'{"error": {"code": 4, "message": "invalid API key: why"}, "status": "error"}'
    )


def test_jsonp_has_a_callback_and_no_semicolon() -> None:
    body = {"status": "ok"}
    assert style(format="jsonp").write(body) == b'jsonAcoustidApi({"status": "ok"})'
    named = style(format="jsonp", jsoncallback="$a._b.c9")
    assert named.write(body) == b'$a._b.c9({"status": "ok"})'
    assert named.content_type == "application/javascript; charset=UTF-8"


@pytest.mark.parametrize("callback", ["$", "$a", "_", "a9", "$.$", "$a._b.$c9", "jQuery17_4"])
def test_a_callback_is_a_dotted_identifier(callback: str) -> None:
    assert style(format="jsonp", jsoncallback=callback).callback == callback


@pytest.mark.parametrize(
    "callback",
    ["", "9a", "a..b", "a.", "a b", "a(", "alert(1)//", "a\n", "é", "a.9", "a$", "$$", "a.b$c"],
)
def test_an_invalid_callback_is_replaced_by_the_default(callback: str) -> None:
    assert style(format="jsonp", jsoncallback=callback).callback == DEFAULT_CALLBACK


def test_xml_of_a_hit() -> None:
    assert style(format="xml").write(HIT).decode() == (
        f"{XML}<response><results><result><id>{GID}</id><score>1.0</score></result></results>"
        "<status>ok</status></response>"
    )
    assert style(format="xml").content_type == "text/xml; charset=UTF-8"


def test_xml_of_an_error() -> None:
    assert to_xml(InvalidApiKeyError("<why>").body()).decode() == (
        f"{XML}<response><error><code>4</code><message>invalid API key: &lt;why&gt;</message>"
        "</error><status>error</status></response>"
    )


def test_xml_of_empty_values_and_scalars() -> None:
    body = {"results": [], "task": {}, "index": None, "active": True, "count": 3, "text": ""}
    assert to_xml(body).decode() == (
        f"{XML}<response><active>True</active><count>3</count><index>None</index><results />"
        "<task /><text /></response>"
    )


@pytest.mark.parametrize(
    ("plural", "singular"),
    [
        ("results", "result"),
        ("secondarytypes", "secondarytype"),
        ("isrcs", "isrc"),
        ("releasegroups", "releasegroup"),
        ("countries", "country"),
        ("hashes", "hashe"),
    ],
)
def test_xml_names_items_by_the_singular(plural: str, singular: str) -> None:
    expected = f"{XML}<response><{plural}><{singular}>1</{singular}></{plural}></response>"
    assert to_xml({plural: [1]}).decode() == expected


def test_xml_of_skipped_items() -> None:
    body = {"skipped": [{"index": "1", "error": {"code": 2, "message": "no"}}, {"index": ""}]}
    assert to_xml(body).decode() == (
        f"{XML}<response><skipped><item><error><code>2</code><message>no</message></error>"
        "<index>1</index></item><item><index /></item></skipped></response>"
    )


def test_xml_lists_need_a_plural() -> None:
    with pytest.raises(ValueError, match="plural"):
        to_xml({"data": [1]})


def test_xml_attributes_and_non_ascii() -> None:
    assert to_xml({"a": {"@id": 1, "b": "é"}}).decode() == (
        f'{XML}<response><a id="1"><b>é</b></a></response>'
    )


@given(st.text())
def test_xml_of_any_text_is_well_formed(text: str) -> None:
    parsed = ET.fromstring(to_xml({"message": text}))  # noqa: S314 - our own output
    assert parsed.find("message") is not None


@given(st.text())
def test_json_of_any_text_round_trips(text: str) -> None:
    assert json.loads(style().write({"message": text})) == {"message": text}


def test_an_unknown_format_is_in_the_message() -> None:
    with pytest.raises(UnknownFormatError) as caught:
        style(format="yaml")
    assert caught.value.message == 'unknown format "yaml": use json, jsonp or xml'
    with pytest.raises(UnknownFormatError) as caught:
        style(format="y" * 1000)
    assert len(caught.value.message) < 100


def test_an_empty_format_is_unknown() -> None:
    with pytest.raises(UnknownFormatError, match='unknown format ""'):
        style(format="")
