"""Which hits of a query are worth returning, and what a search may cost."""

from __future__ import annotations

from typing import NamedTuple


class Limits(NamedTuple):
    """The limits of one search.

    Attributes:
        limit: most hits.
        min_score: fewest terms in common.
        score_pct: hits below floor(best * score_pct / 100) are dropped.
        max_postings: most postings that may bring documents into the answer to a query.
        timeout: seconds that the search may take.
    """

    limit: int = 40
    min_score: int = 1
    score_pct: int = 10
    max_postings: int | None = None
    timeout: float | None = None

    def check(self) -> None:
        """Raise ValueError if a value is out of range."""
        if self.limit < 1:
            raise ValueError(f"limit {self.limit} must be at least 1")
        if self.min_score < 1:
            raise ValueError(f"min_score {self.min_score} must be at least 1")
        if not 0 <= self.score_pct <= 100:
            raise ValueError(f"score_pct {self.score_pct} must be from 0 to 100")
        if self.max_postings is not None and self.max_postings < 1:
            raise ValueError(f"max_postings {self.max_postings} must be at least 1")
        if self.timeout is not None and self.timeout <= 0:
            raise ValueError(f"timeout {self.timeout} must be above 0")
