"""The commands of the line protocol: one line in, one reply out, without sockets.

The changes between ``begin`` and ``commit`` become one version of the index.
"""

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import numpy as np
import structlog
from numpy.typing import NDArray

from index_server.errors import IndexServerError, SearchTimeoutError
from index_server.registry import IndexRegistry
from index_server.served_index import SearchRequest, ServedIndex
from index_server.update_batching import UpdateRequest
from pipeline.index import Change, FingerprintIndexError, Insert

if TYPE_CHECKING:
    from collections.abc import Callable

MAX_TRANSACTION: Final = 1 << 24
"""Maximum number of terms of a transaction: 64 MiB."""

MAX_DOCUMENT_ID: Final = "max_document_id"
"""A read-only attribute: the highest id in the index."""

_DEFAULTS: Final = {
    "max_results": 500,
    "top_score_percent": 10,
    "timeout": 0,  # milliseconds, 0 for none
    "idle_timeout": 60_000,  # milliseconds, 0 for none
}
_MAX_U32: Final = 2**32 - 1
_NUMBER: Final = re.compile(r"[+-]?\d{1,19}", re.ASCII)

logger = structlog.get_logger("acoustid.index_server.line_protocol.session")


class RefusedError(Exception):
    """A command failed; the text is sent to the client."""


@dataclass(slots=True)
class _Transaction:
    changes: list[Change] = field(default_factory=list)
    metadata: dict[str, str] = field(default_factory=dict)
    terms: int = 0


class LineProtocolSession:
    """The settings and the transaction of one connection.

    Args:
        indexes: the indexes of the server.
        name: the name of the index that the protocol serves.
    """

    def __init__(self, indexes: IndexRegistry, name: str) -> None:
        self._indexes = indexes
        self._name = name
        self._settings = dict(_DEFAULTS)
        self._transaction: _Transaction | None = None
        self._commands: dict[str, Callable[[list[str]], str]] = {
            "echo": " ".join,
            "search": self._search,
            "begin": self._begin,
            "insert": self._insert,
            "commit": self._commit,
            "rollback": self._rollback,
            "optimize": self._do_nothing,
            "cleanup": self._do_nothing,
            "get": self._get,
            "set": self._set,
        }

    @property
    def idle_timeout(self) -> float | None:
        """Seconds without a command after which the connection is closed; None for no limit."""
        return self._settings["idle_timeout"] / 1000 or None

    def answer(self, line: str) -> str:
        """Run a command and return the reply without a line end."""
        words = [word for word in line.split(" ") if word]
        if not words:
            return "OK "
        command = self._commands.get(words[0])
        if command is None:
            return "ERR unknown command"
        try:
            return f"OK {command(words[1:])}"
        except RefusedError as refused:
            return f"ERR {refused}"
        except Exception:
            logger.exception("unhandled exception", command=words[0])
            return "ERR internal error"

    def _search(self, words: list[str]) -> str:
        if len(words) != 1:
            raise RefusedError("expected one argument")
        query = _fingerprint(words[0])
        limit, percent = self._settings["max_results"], self._settings["top_score_percent"]
        if limit == 0:
            return ""
        request = SearchRequest(
            query,
            timeout=self._settings["timeout"] / 1000 or None,
            limit=limit,
            score_pct=min(percent, 100),
        )
        try:
            hits = self._index().search(request)
        except SearchTimeoutError:
            raise RefusedError("timeout exceeded") from None
        except (IndexServerError, FingerprintIndexError) as error:
            logger.warning("search failed", error=repr(error))
            raise RefusedError("search failed") from None
        scores = hits.scores.tolist()
        # The protocol rounds this minimum half up; the engine rounds it down.
        least = (scores[0] * percent + 50) // 100 if scores else 0
        found = zip(hits.ids.tolist(), scores, strict=True)
        return " ".join(f"{document}:{score}" for document, score in found if score >= least)

    def _begin(self, words: list[str]) -> str:
        del words
        if self._transaction is not None:
            raise RefusedError("already in transaction")
        self._transaction = _Transaction()
        return ""

    def _insert(self, words: list[str]) -> str:
        transaction = self._in_transaction()
        if len(words) != 2:
            raise RefusedError("expected two arguments")
        document = _unsigned(words[0], "invalid document id")
        if document == 0:
            raise RefusedError("invalid document id")
        terms = _fingerprint(words[1])
        if transaction.terms + terms.size > MAX_TRANSACTION:
            raise RefusedError("transaction too large")
        transaction.terms += terms.size
        transaction.changes.append(Insert(document, terms))
        return ""

    def _commit(self, words: list[str]) -> str:
        del words
        transaction = self._in_transaction()
        if transaction.changes or transaction.metadata:
            try:
                self._index().update(UpdateRequest(transaction.changes, transaction.metadata))
            except (IndexServerError, FingerprintIndexError, OSError) as error:
                logger.warning("commit failed", error=repr(error))
                raise RefusedError("commit failed") from None
        self._transaction = None
        return ""

    def _rollback(self, words: list[str]) -> str:
        del words
        self._in_transaction()
        self._transaction = None
        return ""

    def _do_nothing(self, words: list[str]) -> str:
        """Do nothing: the engine does the work of this command by itself."""
        del words
        self._in_transaction()
        return ""

    def _get(self, words: list[str]) -> str:
        if len(words) == 2 and words[0] == "attribute":
            del words[0]
        if len(words) != 1:
            raise RefusedError("expected one argument")
        (name,) = words
        if name in self._settings:
            return str(self._settings[name])
        try:
            info = self._index().info()
        except IndexServerError:
            return ""
        if name == MAX_DOCUMENT_ID:
            return str(info.stats.max_document_id)
        return info.metadata.get(name, "")

    def _set(self, words: list[str]) -> str:
        if len(words) == 3 and words[0] == "attribute":
            del words[0]
        if len(words) != 2:
            raise RefusedError("expected two arguments")
        name, value = words
        if name in self._settings:
            self._settings[name] = _unsigned(value, "invalid value")
            return ""
        transaction = self._in_transaction()
        try:
            str.encode(name + value)
        except UnicodeEncodeError:
            raise RefusedError("invalid value") from None
        transaction.metadata[name] = value
        return ""

    def _in_transaction(self) -> _Transaction:
        if self._transaction is None:
            raise RefusedError("not in transaction")
        return self._transaction

    def _index(self) -> ServedIndex:
        return self._indexes.get(self._name)


def _fingerprint(text: str) -> NDArray[np.uint32]:
    """Return the terms of a comma-separated list, each number modulo 2**32."""
    numbers = text.split(",")
    if not all(map(_NUMBER.fullmatch, numbers)):
        raise RefusedError("invalid fingerprint")
    try:
        return np.array(list(map(int, numbers)), dtype=np.int64).astype(np.uint32)
    except OverflowError:
        raise RefusedError("invalid fingerprint") from None


def _unsigned(text: str, complaint: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= 10 and int(text) <= _MAX_U32):
        raise RefusedError(complaint)
    return int(text)
