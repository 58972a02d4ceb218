"""Compares subjects with patterns that may contain wildcards.

https://docs.nats.io/nats-concepts/subjects#wildcards
"""

from collections.abc import Iterable


def holds(patterns: Iterable[str], subject: str) -> bool:
    """Return whether one of the patterns matches a subject without wildcards."""
    return any(matches(pattern, subject) for pattern in patterns)


def matches(pattern: str, subject: str) -> bool:
    """Return whether a pattern matches a subject without wildcards.

    ``*`` stands for one token, ``>`` at the end for one or more tokens.
    """
    parts, tokens = pattern.split("."), subject.split(".")
    for place, part in enumerate(parts):
        if part == ">":
            return len(tokens) > place
        if place >= len(tokens) or part not in ("*", tokens[place]):
            return False
    return len(parts) == len(tokens)
