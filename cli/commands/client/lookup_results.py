"""The results of lookups: in replies, and as text."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from cli.commands.client.entries.batches import Answer
from cli.commands.client.entries.search_mode import WHOLE, SearchMode
from cli.commands.client.http_client import UnexpectedReplyError, index_of, list_of
from cli.commands.client.messages import counted, tell
from cli.commands.client.recording_names import NAMED_BY_TAGS, artist_of, merged_recordings
from cli.printable import printable

BATCH: Final = 20  # fingerprints in one request, the limit of the service

MATCH: Final = ("offset", "duration", "matched")
"""The numbers of `match` of a result: the place in the recording, seconds, share of equal bits."""

Result = dict[str, Any]
"""A result of ``/v2/lookup``."""

Results = list[Result]
"""The results of one lookup, the highest score first."""


def results_of(reply: Mapping[str, Any]) -> Results:
    """Return the results in a reply.

    Raises:
        UnexpectedReplyError: a result has no id or no score, or a `match` without its numbers.
    """
    found = list_of(reply, "results")
    for each in found:
        if "match" in each and not _is_match(each["match"]):
            raise UnexpectedReplyError
        if not isinstance(each.get("score"), int | float) or "id" not in each:
            raise UnexpectedReplyError
        if "recordings" in each:
            list_of(each, "recordings")
    return found


def _is_match(match: object) -> bool:
    return isinstance(match, dict) and all(
        isinstance(match.get(name), int | float) for name in MATCH
    )


def results_by_position(answer: Answer) -> dict[int, Results]:
    """Return the results of the entries of a request by position. Refused entries have none.

    Raises:
        UnexpectedReplyError: the reply has not the form of a batch of lookups.
    """
    listed = list_of(answer.reply, "fingerprints") if answer.reply else ()
    return {index_of(each): results_of(each) for each in listed}


def tell_partial(answer: Answer) -> None:
    """Print a warning if a limit of the server may have left out results of an answer."""
    listed = answer.reply.get("fingerprints", ()) if answer.reply else ()
    _warn_of_partial(sum(each.get("partial") is True for each in listed))


def tell_partial_reply(reply: Mapping[str, Any]) -> None:
    """Do the same for the reply to a single lookup."""
    _warn_of_partial(int(reply.get("partial") is True))


def _warn_of_partial(number: int) -> None:
    if number:
        answers = counted(number, "answers")
        tell(f"warning: {answers} may lack results: the server limits its searches")


def describe(results: Sequence[Mapping[str, Any]], mode: SearchMode = WHOLE) -> str:
    """Return the results of one lookup as text."""
    if not results:
        return mode.nothing_found
    return "\n".join(dict.fromkeys(map(_block, results)))


def _block(result: Mapping[str, Any]) -> str:
    """Return a result as a line, and a line below it for each recording that looks different."""
    lines = [f"      {_recording(each)}" for each in merged_recordings(result)]
    first = f"{result['score']:.2f}  {_track(result)}{_place(result)}"
    return "\n".join([first, *dict.fromkeys(lines)])


def describe_best(results: Sequence[Mapping[str, Any]]) -> str:
    """Return the best result of one lookup as one line of text."""
    if not results:
        return "unknown"
    best = results[0]
    named = merged_recordings(best)
    name = _recording(named[0]) if named else _track(best)
    return f"{best['score']:.2f}  {name}{_place(best)}"


def _place(result: Mapping[str, Any]) -> str:
    """Return where in the recording the fingerprint begins, such as ``  at 0:41.20``."""
    return f"  at {clock(result['match']['offset'])}" if "match" in result else ""


def clock(seconds: float) -> str:
    """Return a number of seconds such as ``0:41.20``, ``1:02:03.40`` or ``-0:03.10``."""
    hundredths = round(abs(seconds) * 100)
    minutes, rest = divmod(hundredths, 6000)
    hours, minutes = divmod(minutes, 60)
    start = f"{hours}:{minutes:02}" if hours else f"{minutes}"
    sign = "-" if seconds < 0 and hundredths else ""
    return f"{sign}{start}:{rest // 100:02}.{rest % 100:02}"


def _track(result: Mapping[str, Any]) -> str:
    return f"track {printable(result['id'])}"


def _recording(recording: Mapping[str, Any]) -> str:
    """Return the artist, title and id of a recording. Missing ones are omitted."""
    title = " - ".join(filter(None, (artist_of(recording), recording.get("title"))))
    identifier = f"recording {recording['id']}" if "id" in recording else "from tags"
    if recording.get(NAMED_BY_TAGS):
        identifier += ", names from tags"
    if recording.get("duration_mismatch"):
        identifier += ", of another length"
    return printable(f"{title}  [{identifier}]" if title else identifier)
