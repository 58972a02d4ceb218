"""Gids that are computed from content: equal fingerprints or metadata have equal gids."""

import hashlib
import json
from collections.abc import Mapping
from uuid import UUID

from pipeline.fingerprint.words import Words
from pipeline.submission_fields import METADATA_FIELDS

META_FIELDS = tuple(METADATA_FIELDS)
"""The fields of user-submitted metadata, in the order in which they are hashed."""

_FINGERPRINTS = UUID("df7bef46-416e-4c57-a877-39b54325ef03")
_META = UUID("3b3bd228-5d2c-11ea-b498-60f67731bf41")


def fingerprint_gid(version: int, words: Words) -> UUID:
    """Return a fingerprint's gid, which also serves as its digest in caches.

    Args:
        version: the version, as in `codec.Fingerprint`.
        words: uint32[n].

    Returns:
        The UUIDv5 of the version and the words, all as little-endian 32-bit numbers.
    """
    header = (version & 0xFFFFFFFF).to_bytes(4, "little")
    return _uuid5(_FINGERPRINTS, header + words.astype("<u4", copy=False).tobytes())


def meta_gid(fields: Mapping[str, str | int | None]) -> UUID:
    """Return the gid of user-submitted metadata.

    Args:
        fields: any of `META_FIELDS`; empty, zero and missing ones are the same. Other keys are
            ignored.

    Returns:
        The UUIDv5 of the fields as compact JSON in UTF-8.
    """
    present = {name: fields[name] for name in META_FIELDS if fields.get(name)}
    text = json.dumps(present, ensure_ascii=False, separators=(",", ":"))
    # JSON may contain a lone surrogate, which UTF-8 can't encode; it must not stop an import.
    return _uuid5(_META, text.encode(errors="surrogatepass"))


def _uuid5(namespace: UUID, name: bytes) -> UUID:
    """Return the UUIDv5 of bytes; `uuid.uuid5` takes them only since Python 3.12."""
    digest = hashlib.sha1(namespace.bytes + name, usedforsecurity=False).digest()
    return UUID(bytes=digest[:16], version=5)
