"""The state of a stack as text, without secrets."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

import click

from cli.stack.files.installed_code import EARLIER_CODE
from cli.status.collect import State
from cli.status.musicbrainz import describe_musicbrainz
from cli.status.nats import describe_nats
from cli.text_table import aligned, show_value
from tasks.clocks.shared_clock import MAX_DIFFERENCE

UNREACHABLE: Final = "unreachable"
NOT_READY: Final = "not ready yet"
"""The text for a value that is missing while the stack starts."""

_COLORS: Final[Mapping[str, str]] = {
    State.READY: "green",
    State.DEGRADED: "yellow",
    State.STARTING: "yellow",
    State.FAILING: "red",
}

_WORDS: Final[Mapping[str, str]] = {
    State.READY: "ready",
    State.DEGRADED: "ready, with faults",
    State.STARTING: "starting",
    State.FAILING: "not ready",
    State.STOPPED: "stopped",
    State.UNKNOWN: "processes unknown",
}

_UNITS: Final = ((86400, "d"), (3600, "h"), (60, "min"), (1, "s"))


def describe(found: Mapping[str, Any]) -> str:
    """Return the state of a stack as lines of text.

    Args:
        found: the result of `cli.status.collect.collect`.
    """
    blocks = [
        _head(found),
        _faults(found),
        _processes(found["processes"]),
        _queues(found["queues"], _missing(found)),
        _figures(found),
        _errors(found["errors"]),
        _keys(found),
    ]
    return "\n\n".join("\n".join(block) for block in blocks if block)


def duration(seconds: float | None) -> str:
    """Return a time span in its two largest units, such as ``3 h 12 min``; ``-`` for None."""
    if seconds is None:
        return "-"
    rest = int(seconds)
    parts: list[str] = []
    for size, unit in _UNITS:
        if rest >= size or (unit == "s" and not parts):
            parts.append(f"{rest // size} {unit}")
        elif parts:
            break
        rest %= size
    return " ".join(parts[:2])


def size(number: int | None) -> str:
    """Return a number of bytes in MiB; ``-`` for None."""
    return "-" if number is None else f"{number / 2**20:,.0f} MiB"


def _head(found: Mapping[str, Any]) -> list[str]:
    state = found["state"]
    words = click.style(_WORDS[state], fg=_COLORS.get(state), bold=True)
    where = f"; data in {found['data_dir']}" if found["data_dir"] else ""
    if found["uptime_seconds"] is None:
        return [f"{words}{where}"]
    uses = f"up {duration(found['uptime_seconds'])}, {size(found['memory_bytes'])} of memory"
    lines = [f"{words}{where}", uses]
    return [*lines, EARLIER_CODE] if found["runs_installed_code"] is False else lines


def _missing(found: Mapping[str, Any]) -> str:
    """Return the text for a value that its server has not given."""
    return NOT_READY if found["state"] == State.STARTING else UNREACHABLE


def _faults(found: Mapping[str, Any]) -> list[str]:
    health = found["health"]
    lines = [str(line) for line in (health or {}).get("faults", ())]
    if health is None and found["processes"] and found["state"] != State.STARTING:
        lines.append("the API does not reply to health checks: see `acoustid logs api`")
    lines += found["worker_faults"] or ()
    title = NOT_READY if found["state"] == State.STARTING else "faults"
    return [click.style(title, bold=True), *(f"  {line}" for line in lines)] if lines else []


def _processes(processes: Sequence[Mapping[str, Any]]) -> list[str]:
    rows = [
        (
            each["role"],
            str(each["pid"]),
            size(each["memory_bytes"]),
            duration(each["uptime_seconds"]),
            show_value(each["port"]),
        )
        for each in processes
    ]
    return _table(("process", "pid", "memory", "up", "port"), rows, right={2}) if rows else []


def _queues(queues: Mapping[str, Mapping[str, Any]] | None, missing: str) -> list[str]:
    if queues is None:
        reason = ": Redis does not reply" if missing == UNREACHABLE else ""
        return [f"queues       {missing}{reason}"]
    rows = [
        (
            name,
            str(each["waiting"]),
            duration(each["oldest_seconds"]) if each["waiting"] else "-",
        )
        for name, each in queues.items()
    ]
    return _table(("queue", "waiting", "oldest"), rows, right={1})


def _figures(found: Mapping[str, Any]) -> Iterator[str]:
    missing = _missing(found)
    yield f"submissions  {_submissions(found['submissions'], missing)}"
    if found["transient_failures"]:
        yield f"retries      {_transient_failures(found['transient_failures'])}"
    yield f"index        {_copy(found['index'], missing)}"
    if found["store"]:
        yield f"store        {_copy(found['store'], missing)}"
    if found["sketch"]:
        yield f"sketch       {_sketch(found['sketch'], missing)}"
    yield f"catalogue    {_catalogue(found['catalogue'], missing)}"
    yield f"musicbrainz  {_musicbrainz(found['musicbrainz'], missing)}"
    yield f"redis        {_redis(found['redis'], missing)}"
    if found["nats"]:
        first, *others = describe_nats(found["nats"])
        yield f"nats         {first}"
        yield from (f"             {line}" for line in others)
    if disk := _disk(found["disk"]):
        yield f"disk         {disk}"
    if found["clocks"]:
        yield f"clocks       {_clocks(found['clocks'])}"
    if found["health"]:
        failed = [name for name, state in found["health"]["checks"].items() if state != "ok"]
        result = NOT_READY if found["state"] == State.STARTING else "failed"
        yield f"checks       {', '.join(failed) + f' {result}' if failed else 'all ok'}"


def _submissions(figures: Mapping[str, Any] | None, missing: str) -> str:
    if figures is None:
        return missing
    counts = {name: number for name, number in figures.items() if name != "oldest_pending_seconds"}
    text = ", ".join(f"{name} {number:,}" for name, number in counts.items())
    oldest = figures["oldest_pending_seconds"]
    return text if oldest is None else f"{text}; the oldest pending one is {duration(oldest)} old"


def _transient_failures(causes: Iterable[Mapping[str, Any]]) -> str:
    """Return the transient failures of tasks, which are tried again, by cause."""
    return ", ".join(
        f"{each['cause']} {each['count']:,} (last {duration(each['seconds_since_last'])} ago)"
        for each in causes
    )


def _copy(figures: Mapping[str, Any] | None, missing: str) -> str:
    if figures is None:
        return missing
    if figures["refused"]:
        return f"not updated: {'; '.join(map(show_value, figures['refused']))}"
    if figures["condition"] is None:
        return missing if missing == NOT_READY else "unknown: no worker reports it"
    seconds = figures.get("lag_seconds")  # of the index only
    if figures["lag"] is None:
        behind = "" if seconds is None else f", {duration(seconds)} behind"
        return f"{figures['condition']}{behind}"
    lag = f"{figures['lag']:,} changes behind" if figures["lag"] else "up to date"
    if figures["lag"] and seconds is not None:
        lag += f" ({duration(seconds)})"
    return f"{figures['condition']}, {lag}, position {figures['position']:,}"


def _sketch(figures: Mapping[str, Any], missing: str) -> str:
    text = _copy(figures, missing)
    if figures["rate"] is None:
        return text
    text += f", 1 of {figures['rate']} terms, {size(figures['bytes'])}"
    if figures["rate"] != figures["set_rate"]:
        text += f"; that with 1 of {figures['set_rate']} is being filled"
    return text


def _redis(figures: Mapping[str, Any] | None, missing: str) -> str:
    if figures is None:
        return missing
    limit = figures["max_memory_bytes"]
    text = f"{size(figures['memory_bytes'])} of memory"
    if limit:
        text += f" of at most {size(limit)}"
    if figures["refuses_writes"]:
        return f"refuses writes ({figures['refuses_writes']}), {text}"
    return f"{text}, warning: {figures['warning']}" if figures["warning"] else text


def _disk(figures: Mapping[str, Any] | None) -> str:
    if figures is None:
        return ""
    named = (("data directory", "data_dir_free_bytes"), ("index and store", "index_free_bytes"))
    free = [
        f"{size(figures[key])} free ({name})" for name, key in named if figures[key] is not None
    ]
    return ", ".join(free)


def _catalogue(figures: Mapping[str, Any] | None, missing: str) -> str:
    if figures is None:
        return missing
    return ", ".join(f"{name} {number:,}" for name, number in figures.items())


def _musicbrainz(figures: Mapping[str, Any] | None, missing: str) -> str:
    if figures is None:
        return missing
    return describe_musicbrainz(figures, duration(figures["lag_seconds"]))


def _clocks(differences: Mapping[str, float]) -> str:
    wrong = {owner: each for owner, each in differences.items() if abs(each) > MAX_DIFFERENCE}
    if not wrong:
        largest = max(abs(each) for each in differences.values())
        return f"within {max(largest, 0.1):.1f} s of Redis"
    texts = (f"{show_value(owner)} {each:+.1f} s" for owner, each in wrong.items())
    return f"{', '.join(texts)} against Redis: synchronize the hosts with NTP"


def _errors(errors: Iterable[Mapping[str, Any]]) -> list[str]:
    lines = [
        f"  {datetime.fromisoformat(each['time']):%d %b %H:%M:%S}  {', '.join(each['roles'])}: "
        f"{show_value(each['message'])}"
        for each in errors
    ]
    return [click.style("last errors", bold=True), *lines] if lines else []


def _keys(found: Mapping[str, Any]) -> list[str]:
    demo = found["demo"]
    return [f"demo keys    client={demo['client']} user={demo['user']}"] if demo else []


def _table(head: Sequence[str], rows: Sequence[Sequence[str]], *, right: set[int]) -> list[str]:
    """Return aligned columns below their names."""
    names, *lines = aligned([head, *rows], right=right)
    return [click.style(names, bold=True), *lines]
