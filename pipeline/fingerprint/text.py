"""Chromaprint's lenient URL-safe Base64: what its decoder accepts is accepted here."""

import binascii
from contextlib import suppress

import pybase64

from pipeline.fingerprint.errors import InvalidFingerprint, Reason

_STANDARD = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
# Chromaprint reads whatever is outside its alphabet as 0 ("A"). For "+" and "/" that would turn
# a fingerprint in standard Base64 into noise, so here they keep their meaning.
_STRANGERS = bytes(code for code in range(256) if code not in _STANDARD + b"-_")
_TO_STANDARD = bytes.maketrans(b"-_" + _STRANGERS, b"+/" + b"A" * len(_STRANGERS))
_TO_URL_SAFE = bytes.maketrans(b"+/", b"-_")


def unpack_text(text: str) -> bytes:
    """Return the bytes that a fingerprint's text stands for.

    Padding, a newline at the end or any other stranger counts as six zero bits, and a single
    character left over is dropped. At the end that is harmless, since the codec ignores trailing
    bytes; a space in front would shift the header, so it is refused.

    Raises:
        InvalidFingerprint: the text is empty or starts with white space.
    """
    if not text:
        raise InvalidFingerprint(Reason.EMPTY, "the fingerprint is empty")
    if text[0].isspace():
        raise InvalidFingerprint(
            Reason.LEADING_SPACE, "the fingerprint starts with white space: remove it"
        )
    if not any(each in text for each in "+/="):
        with suppress(ValueError):  # most texts are regular, which takes a tenth of the time
            padding = "=" * (-len(text) % 4)
            return pybase64.b64decode(text + padding, altchars=b"-_", validate=True)
    standard = text.encode(errors="replace").translate(_TO_STANDARD)
    if len(standard) % 4 == 1:
        standard = standard[:-1]
    return binascii.a2b_base64(standard + b"=" * (-len(standard) % 4))


def pack_text(data: bytes) -> str:
    """Return the bytes as URL-safe Base64 without padding."""
    return binascii.b2a_base64(data, newline=False).translate(_TO_URL_SAFE, b"=").decode()
