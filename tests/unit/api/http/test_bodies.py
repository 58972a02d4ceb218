"""Bodies are read and inflated within limits; forms of both content types are parsed."""

import gzip
import io
import tracemalloc
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.http.bodies import (
    MAX_BODY,
    MAX_MEMBERS,
    MAX_PARTS,
    inflate,
    parse_multipart,
    read_form,
)
from api.http.errors import ApiError, InvalidBodyError, RequestTooLargeError

FORM = "application/x-www-form-urlencoded"
BOUNDARY = "----xyz"


class Reader(io.BytesIO):
    """A body that returns at most `at_once` bytes per read, and counts all bytes in `taken`."""

    def __init__(self, body: bytes, at_once: int = 1 << 30) -> None:
        super().__init__(body)
        self.at_once = at_once
        self.taken = 0

    def read(self, size: int | None = -1, /) -> bytes:
        wanted = self.at_once if size is None or size < 0 else min(size, self.at_once)
        data = super().read(wanted)
        self.taken += len(data)
        return data


def request(body: bytes, content_type: str = FORM, **headers: Any) -> dict[str, Any]:
    environ = {"CONTENT_TYPE": content_type, "wsgi.input": Reader(body), **headers}
    environ.setdefault("CONTENT_LENGTH", str(len(body)))
    return {name: value for name, value in environ.items() if value is not None}


def part(name: str, value: str, extra: str = "") -> bytes:
    disposition = f'Content-Disposition: form-data; name="{name}"{extra}'
    return f"--{BOUNDARY}\r\n{disposition}\r\n\r\n{value}\r\n".encode()


def multipart(*parts: bytes) -> bytes:
    return b"".join(parts) + f"--{BOUNDARY}--\r\n".encode()


def test_an_urlencoded_form_is_read() -> None:
    assert read_form(request(b"a=1&b=%C3%A9")) == [("a", "1"), ("b", "é")]
    assert read_form(request(b"a=1", f"{FORM.upper()}; charset=UTF-8")) == [("a", "1")]


@pytest.mark.parametrize("kind", ["application/json", "text/plain", "", "nonsense", ";;=;"])
def test_a_body_of_another_content_type_has_no_pairs(kind: str) -> None:
    assert read_form(request(b'{"client": "x"}', kind)) == []


def test_a_body_at_the_limit_is_read_and_a_larger_one_is_not() -> None:
    largest = b"a=" + b"x" * (MAX_BODY - 2)
    assert len(read_form(request(largest))[0][1]) == MAX_BODY - 2
    environ = request(largest + b"x")
    with pytest.raises(RequestTooLargeError, match=str(MAX_BODY)):
        read_form(environ)
    assert environ["wsgi.input"].taken == 0


def test_a_body_without_a_length_is_read_up_to_the_limit() -> None:
    chunked = {"CONTENT_LENGTH": None, "wsgi.input_terminated": True}
    assert read_form(request(b"a=1", **chunked)) == [("a", "1")]
    environ = request(b"a=" + b"x" * (3 * MAX_BODY), **chunked)
    with pytest.raises(RequestTooLargeError):
        read_form(environ)
    assert environ["wsgi.input"].taken == MAX_BODY + 1


def test_a_body_without_length_or_termination_is_empty() -> None:
    assert read_form(request(b"a=1", CONTENT_LENGTH=None)) == []


def test_a_body_is_read_in_small_parts() -> None:
    environ = request(b"a=1&b=2")
    environ["wsgi.input"] = Reader(b"a=1&b=2", at_once=1)
    assert read_form(environ) == [("a", "1"), ("b", "2")]


@pytest.mark.parametrize("length", ["-1", "1x", "²", "1.0"])
def test_an_invalid_length_is_refused(length: str) -> None:
    with pytest.raises(InvalidBodyError, match="Content-Length"):
        read_form(request(b"a=1", CONTENT_LENGTH=length))


def test_a_body_that_ends_early_is_refused() -> None:
    with pytest.raises(InvalidBodyError, match="ends before"):
        read_form(request(b"a=1", CONTENT_LENGTH="4"))


def test_leading_zeros_of_a_length_are_ignored() -> None:
    assert read_form(request(b"a=1", CONTENT_LENGTH="0" * 30 + "3")) == [("a", "1")]
    with pytest.raises(InvalidBodyError, match="ends before"):
        read_form(request(b"a=1", CONTENT_LENGTH="0" * 30 + "4"))


def test_an_incomplete_chunked_body_is_refused() -> None:
    class Breaking(Reader):
        def read(self, size: int | None = -1, /) -> bytes:
            if self.taken:
                raise OSError("the chunk ends early")
            return super().read(size)

    for kind in (FORM, f"multipart/form-data; boundary={BOUNDARY}"):
        environ = request(b"", kind, CONTENT_LENGTH=None, **{"wsgi.input_terminated": True})
        environ["wsgi.input"] = Breaking(WHOLE)
        with pytest.raises(InvalidBodyError, match="to the end"):
            read_form(environ)


@pytest.mark.parametrize(
    ("body", "text"),
    [
        ("ä=%C3%A9".encode(), ("ä", "é")),
        ("a=é%20ü".encode(), ("a", "é ü")),
        (b"a=%E9", ("a", "\ufffd")),
        (b"a=\xe9", ("a", "\ufffd")),
        (b"a=%C3", ("a", "\ufffd")),
        (b"a=%", ("a", "%")),
    ],
)
def test_invalid_utf_8_is_replaced_without_losing_a_pair(
    body: bytes, text: tuple[str, str]
) -> None:
    assert read_form(request(b"x=1&" + body + b"&y=2")) == [("x", "1"), text, ("y", "2")]


def test_a_lost_connection_is_an_invalid_body() -> None:
    class Broken(Reader):
        def read(self, _: int | None = -1, /) -> bytes:
            raise ConnectionResetError("peer")

    environ = request(b"a=1")
    environ["wsgi.input"] = Broken(b"")
    with pytest.raises(InvalidBodyError):
        read_form(environ)


@pytest.mark.parametrize("encoding", ["gzip", " GZIP "])
def test_a_gzipped_form_is_inflated(encoding: str) -> None:
    body = gzip.compress(b"client=x&duration=241")
    found = read_form(request(body, HTTP_CONTENT_ENCODING=encoding))
    assert found == [("client", "x"), ("duration", "241")]


def test_gzip_with_several_members_and_padding() -> None:
    assert inflate(gzip.compress(b"a=1&") + gzip.compress(b"b=2") + b"\0" * 9) == b"a=1&b=2"
    assert inflate(b"") == b""
    with pytest.raises(InvalidBodyError, match=str(MAX_MEMBERS)):
        inflate(gzip.compress(b"") * (MAX_MEMBERS + 1))


@pytest.mark.parametrize(
    "body",
    [b"client=x", b"\x1f\x8b", gzip.compress(b"a" * 1000)[:-5], gzip.compress(b"a") + b"junk"],
    ids=["a form", "its first bytes", "cut short", "followed by junk"],
)
def test_invalid_gzip_is_refused(body: bytes) -> None:
    with pytest.raises(InvalidBodyError, match="gzip"):
        inflate(body)


@given(st.binary(max_size=2000))
def test_gzip_round_trips(data: bytes) -> None:
    assert inflate(gzip.compress(data)) == data


@given(st.binary(max_size=300))
def test_any_bytes_are_inflated_or_refused(data: bytes) -> None:
    for body in (data, gzip.compress(b"a=1")[:10] + data):
        try:
            inflate(body)
        except ApiError:
            continue


def test_an_inflated_body_at_the_limit_is_returned_and_a_larger_one_is_not() -> None:
    assert len(inflate(gzip.compress(b"\0" * MAX_BODY))) == MAX_BODY
    with pytest.raises(RequestTooLargeError):
        inflate(gzip.compress(b"\0" * (MAX_BODY + 1)))


def test_the_memory_of_a_gzip_bomb_is_limited() -> None:
    bomb = gzip.compress(b"\0" * (256 * MAX_BODY))
    tracemalloc.start()
    try:
        with pytest.raises(RequestTooLargeError):
            inflate(bomb)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 4 * MAX_BODY


def test_a_multipart_form_is_read() -> None:
    body = b"prologue\r\n" + multipart(part("a", "1"), part("b", "é\r\nx"), part("a", ""))
    assert read_form(request(body, f'multipart/form-data; boundary="{BOUNDARY}"')) == [
        ("a", "1"),
        ("b", "é\r\nx"),
        ("a", ""),
    ]


def test_parts_with_other_headers_are_parsed_and_files_are_left_out() -> None:
    odd = (
        f"--{BOUNDARY}  \r\ncontent-transfer-encoding: 8bit\r\n"
        "CONTENT-DISPOSITION: form-data; name=b\r\n\r\n2\r\n"
    ).encode()
    unnamed = f"--{BOUNDARY}\r\nX: y\r\n\r\n3\r\n".encode()
    body = multipart(part("file", "x", '; filename="f.txt"'), odd, unnamed)
    assert parse_multipart(body, BOUNDARY) == [("b", "2")]


def test_the_number_of_parts_is_limited() -> None:
    most = multipart(*[part("a", "1")] * MAX_PARTS)
    assert len(parse_multipart(most, BOUNDARY)) == MAX_PARTS
    with pytest.raises(RequestTooLargeError, match=str(MAX_PARTS)):
        parse_multipart(multipart(*[part("a", "1")] * (MAX_PARTS + 1)), BOUNDARY)


@pytest.mark.parametrize(
    "body",
    [b"", b"--other--", part("a", "1"), f"--{BOUNDARY}\r\nno header".encode(), b"--" + b"x" * 99],
)
def test_a_broken_form_is_refused(body: bytes) -> None:
    with pytest.raises(InvalidBodyError, match="multipart"):
        parse_multipart(body, BOUNDARY)


WHOLE = multipart(part("a", "1"), part("b", "2"), part("c", "3"))


def test_a_truncated_form_is_refused() -> None:
    end = WHOLE.rindex(b"--") + 2
    assert len(parse_multipart(WHOLE[:end], BOUNDARY)) == 3
    for length in range(end):
        with pytest.raises(InvalidBodyError, match="multipart"):
            parse_multipart(WHOLE[:length], BOUNDARY)


LOOKALIKES = (
    f"x--{BOUNDARY}--\r\n",
    f"\n--{BOUNDARY}--\r\n",
    f"\r\n--{BOUNDARY[1:]}--\r\n",
    f"\r\n-{BOUNDARY}--\r\n",
)


@pytest.mark.parametrize("text", LOOKALIKES)
def test_a_value_similar_to_the_closing_boundary_is_kept(text: str) -> None:
    whole = multipart(part("a", "1"), part("b", f"{text}2"), part("c", "3"))
    assert parse_multipart(whole, BOUNDARY) == [("a", "1"), ("b", f"{text}2"), ("c", "3")]
    cut = whole[: whole.index(b"2\r\n")]
    with pytest.raises(InvalidBodyError, match="multipart"):
        parse_multipart(cut, BOUNDARY)


@pytest.mark.parametrize("after", ["2", "\r\n2", "--", "\r\n" + part("c", "3").decode()])
def test_text_after_the_closing_boundary_is_refused(after: str) -> None:
    with pytest.raises(InvalidBodyError, match="after its closing boundary"):
        parse_multipart(f"--{BOUNDARY}--{after}".encode(), BOUNDARY)
    whole = multipart(part("a", "1"), part("b", f"\r\n--{BOUNDARY}--{after}"), part("d", "4"))
    with pytest.raises(InvalidBodyError, match="after its closing boundary"):
        parse_multipart(whole, BOUNDARY)


@pytest.mark.parametrize("after", ["", "\r\n", " \t\r\n", "\r\n\r\n", "\n"])
def test_white_space_after_the_closing_boundary_is_ignored(after: str) -> None:
    end = WHOLE.rindex(b"--") + 2
    assert len(parse_multipart(WHOLE[:end] + after.encode(), BOUNDARY)) == 3


def test_a_form_without_a_boundary_is_refused() -> None:
    with pytest.raises(InvalidBodyError, match="boundary"):
        read_form(request(b"", "multipart/form-data"))


@given(st.binary(max_size=300), st.text(max_size=20))
def test_any_bytes_are_parsed_or_refused(data: bytes, boundary: str) -> None:
    framed = f"--{BOUNDARY}\r\n".encode() + data + multipart()
    for kind in (f"multipart/form-data; boundary={BOUNDARY}", f"multipart/form-data; {boundary}"):
        try:
            read_form(request(framed, kind))
        except ApiError:
            continue
