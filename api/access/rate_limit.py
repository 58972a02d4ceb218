"""The rate limiter: three tiers over a sliding window of 20 s, decided by one Redis script.

The window has 4 steps of 5 s. A request passes where in every tier fewer have passed within
the window than the tier's rate allows; it is then counted in all of them, and otherwise in none.

The counts are as durable as Redis is. Where a restart loses them, the window begins anew: at most a
window's requests pass on top. A request that is sent again, since the connection broke before the
reply, is counted once: the script remembers it.
"""

import hashlib
import math
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.resources import files
from itertools import accumulate
from typing import Any, Final

import redis
from redis.exceptions import NoScriptError

from api.access.redis_outage import RedisCircuitBreaker
from pipeline.catalog.app.accounts import Application
from pipeline.runtime.metrics import Bucket, Metrics
from pipeline.settings.sections import RateLimiterSettings

STEP: Final = 5
"""Seconds of a step."""

STEPS: Final = 4
WINDOW: Final = STEP * STEPS
KEPT: Final = WINDOW + STEP
"""Seconds for which Redis keeps a step."""

REMEMBERED: Final = 10
"""Seconds for which Redis remembers a request; a client that sends it again does so before."""


@dataclass(frozen=True, slots=True)
class Tier:
    """One limit.

    Attributes:
        key: whom it counts: an application's id, an address, nothing for the whole service.
        rate: requests per second, above 0.
    """

    bucket: Bucket
    key: str
    rate: float

    @property
    def limit(self) -> int:
        """Requests per window; a rate too small for one means one."""
        return max(1, math.floor(self.rate * WINDOW + 1e-9))


@dataclass(frozen=True, slots=True)
class TierState:
    """How a tier stands to its limit.

    Attributes:
        remaining: requests that would pass now.
        reset: when the next counted request leaves the window, Unix time in whole seconds; of a
            full tier, when the next request passes.
    """

    tier: Tier
    remaining: int
    reset: int

    def headers(self) -> dict[str, str]:
        """Return the headers that tell a client so."""
        return {
            "X-RateLimit-Limit": str(self.tier.limit),
            "X-RateLimit-Remaining": str(self.remaining),
            "X-RateLimit-Reset": str(self.reset),
        }


@dataclass(frozen=True, slots=True)
class Decision:
    """What became of one request.

    Attributes:
        state: of the tier that refused, or else of the one nearest to its limit.
        retry_after: seconds until all tiers let a request pass, 0 where they do.
    """

    passes: bool
    state: TierState
    retry_after: int = 0


class RateLimiter:
    """Counts requests in Redis; without Redis all pass.

    Args:
        client: to Redis, with a short time-out.
        breaker: notices outages.
        limits: requests per second of each tier, 0 for no limit.
        metrics: where refusals and outages are counted.
        clock: seconds since the epoch.
    """

    def __init__(
        self,
        client: redis.Redis,
        breaker: RedisCircuitBreaker,
        limits: RateLimiterSettings,
        metrics: Metrics,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._client = client
        self._script = files("api.access").joinpath("rate_limit.lua").read_text(encoding="utf-8")
        self._digest = hashlib.sha1(self._script.encode(), usedforsecurity=False).hexdigest()
        self._breaker = breaker
        self._limits = limits
        self._metrics = metrics
        self._clock = clock

    def count(self, address: str, application: Application | None) -> Decision | None:
        """Count one request, unless a tier is full; None where there is no limit or no Redis."""
        tiers = self.tiers(address, application)
        if not tiers:
            return None
        decision = self._decide(tiers, counting=True)
        if decision is None:
            self._metrics.rate_limit_unavailable()
        elif not decision.passes:
            self._metrics.rate_limit_exceeded(decision.state.tier.bucket)
        return decision

    def look(self, address: str) -> Decision | None:
        """Return what `count` would decide without an application, and count nothing."""
        tiers = self.tiers(address, None)
        return self._decide(tiers, counting=False) if tiers else None

    def tiers(self, address: str, application: Application | None) -> list[Tier]:
        """Return the tiers with a limit, in the order in which a refusal names them.

        An application with a rate of its own has that one, and its clients' addresses none.
        """
        own = None if application is None else application.rate_limit
        limits: list[tuple[Bucket, str, float]] = [("global", "", self._limits.global_limit)]
        if application is not None:
            rate = self._limits.app_limit if own is None else own
            limits.insert(0, ("app", str(application.id), rate))
        if own is None:
            limits.append(("ip", address, self._limits.ip_limit))
        return [Tier(*limit) for limit in limits if limit[2] > 0]

    def _decide(self, tiers: Sequence[Tier], *, counting: bool) -> Decision | None:
        now = self._clock()
        step = math.floor(now / STEP)
        keys = [
            f"rl:{tier.bucket}:{tier.key}:{step - age}" for tier in tiers for age in range(STEPS)
        ]
        if counting:
            keys.append(f"rl:request:{os.urandom(8).hex()}")
        args = [STEPS, KEPT, REMEMBERED, *(tier.limit for tier in tiers)]
        reply: list[int] | None = self._breaker.call(lambda: self._run(keys, args), None)
        if reply is None:
            return None
        counts = [reply[1 + STEPS * at : 1 + STEPS * (at + 1)] for at in range(len(tiers))]
        return decide(tiers, counts, now, counted=counting and bool(reply[0]))

    def _run(self, keys: Sequence[str], args: Sequence[int]) -> Any:  # noqa: ANN401 - as Redis replies
        try:
            return self._client.evalsha(self._digest, len(keys), *keys, *args)
        except NoScriptError:
            # Loading it and calling it again would be two commands, between which it can go again.
            return self._client.eval(self._script, len(keys), *keys, *args)


def decide(
    tiers: Sequence[Tier], counts: Sequence[Sequence[int]], now: float, *, counted: bool
) -> Decision:
    """Return what the counts mean for a request.

    Args:
        tiers: the limits, at least one.
        counts: for each tier the requests of its steps before this one, newest first.
        now: seconds since the epoch.
        counted: whether this request was counted on top of them.
    """
    full = [sum(steps) >= tier.limit for tier, steps in zip(tiers, counts, strict=True)]
    states = [
        _tier_state(tier, steps, now, counted=counted)
        for tier, steps in zip(tiers, counts, strict=True)
    ]
    if not any(full):
        return Decision(passes=True, state=min(states, key=lambda each: each.remaining))
    refusing = [each for each, is_full in zip(states, full, strict=True) if is_full]
    wait = max(each.reset for each in refusing) - now
    return Decision(passes=False, state=refusing[0], retry_after=max(1, math.ceil(wait)))


def _tier_state(tier: Tier, steps: Sequence[int], now: float, *, counted: bool) -> TierState:
    newest, *older = steps
    oldest_first = [*reversed(older), newest + int(counted)]
    total = sum(oldest_first)
    # Of a full tier enough must leave for one more to pass, of any other just the next one.
    must_leave = max(1, total - tier.limit + 1)
    leaving = accumulate(oldest_first)
    steps_away = next((at for at, left in enumerate(leaving, 1) if left >= must_leave), 1)
    reset = (math.floor(now / STEP) + steps_away) * STEP
    return TierState(tier, max(0, tier.limit - total), reset)
