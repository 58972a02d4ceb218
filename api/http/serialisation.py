"""Writes replies as JSON, JSONP or XML, byte for byte as the public service does."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal
from xml.etree import ElementTree as ET

from api.http.errors import UnknownFormatError
from api.http.parameters import Parameters

Format = Literal["json", "jsonp", "xml"]

DEFAULT_CALLBACK: Final = "jsonAcoustidApi"

_CONTENT_TYPES: Final[Mapping[Format, str]] = {
    "json": "application/json; charset=UTF-8",
    "jsonp": "application/javascript; charset=UTF-8",
    "xml": "text/xml; charset=UTF-8",
}
_CALLBACK: Final = re.compile(r"[$A-Za-z_][A-Za-z0-9_]*(?:\.[$A-Za-z_][A-Za-z0-9_]*)*")
_ITEM_TAGS: Final[Mapping[str, str]] = {"skipped": "item"}
"""The names of the items of lists whose name is not a plural."""

_ENCODER: Final = json.JSONEncoder(sort_keys=True)
# Characters that XML 1.0 allows neither literally nor as references.
_NOT_XML: Final = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


@dataclass(frozen=True, slots=True)
class ReplyStyle:
    """The format of a reply.

    Attributes:
        format: the value of the parameter ``format``.
        callback: the name of the function that a JSONP reply calls.
    """

    format: Format = "json"
    callback: str = DEFAULT_CALLBACK

    @property
    def content_type(self) -> str:
        """The ``Content-Type`` of the reply."""
        return _CONTENT_TYPES[self.format]

    def write(self, body: Mapping[str, Any]) -> bytes:
        """Return the bytes of the reply.

        Raises:
            ValueError: the format is XML, and the name of a list is not a plural.
        """
        if self.format == "xml":
            return to_xml(body)
        text = _ENCODER.encode(body)
        return (f"{self.callback}({text})" if self.format == "jsonp" else text).encode("ascii")


JSON: Final = ReplyStyle()
XML: Final = ReplyStyle("xml")


def reply_style(parameters: Parameters) -> ReplyStyle:
    """Return the style that the parameters ``format`` and ``jsoncallback`` select.

    If ``jsoncallback`` is not a dotted identifier, the default is used.

    Raises:
        UnknownFormatError: the format is unknown.
    """
    style = parameters.get("format")
    match "json" if style is None else style:
        case "json":
            return JSON
        case "jsonp":
            callback = parameters.get("jsoncallback") or ""
            return ReplyStyle(
                "jsonp", callback if _CALLBACK.fullmatch(callback) else DEFAULT_CALLBACK
            )
        case "xml":
            return XML
        case unknown:
            raise UnknownFormatError(unknown)


def known_style(parameters: Parameters) -> ReplyStyle:
    """Return the style that the parameters select; JSON if the format is unknown."""
    try:
        return reply_style(parameters)
    except UnknownFormatError:
        return JSON


def to_xml(body: Mapping[str, Any]) -> bytes:
    """Return the element ``<response>``, whose children are the keys of the body.

    A key that starts with ``@`` becomes an attribute. The name of the items of a list is the
    singular of the list's name; the items of ``skipped`` are named ``item``. A scalar is written as
    `str` returns it. U+FFFD replaces characters that XML does not allow.

    Raises:
        ValueError: the name of a list is not a plural.
    """
    root = ET.Element("response")
    _fill(root, body)
    text: bytes = ET.tostring(root, encoding="UTF-8", xml_declaration=True)
    return text


def _fill(element: ET.Element, value: Any) -> None:  # noqa: ANN401 - any JSON value
    if isinstance(value, Mapping):
        for key in sorted(value):
            if key.startswith("@"):
                element.set(key[1:], _text(value[key]))
            else:
                _fill(ET.SubElement(element, key), value[key])
    elif isinstance(value, list):
        item_tag = _singular(element.tag) if value else ""
        for item in value:
            _fill(ET.SubElement(element, item_tag), item)
    else:
        element.text = _text(value)


def _text(value: object) -> str:
    return _NOT_XML.sub("\ufffd", str(value))


def _singular(tag: str) -> str:
    if tag in _ITEM_TAGS:
        return _ITEM_TAGS[tag]
    if tag.endswith("ies"):
        return f"{tag[:-3]}y"
    if tag.endswith("s"):
        return tag[:-1]
    raise ValueError(f'the name of a list must be a plural: "{tag}"')
