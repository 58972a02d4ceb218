"""The rate limiter: limits per application, in total, and per client address.

Each limit is a tier. It applies to a sliding window of 20 s, which has 4 steps of 5 s. A request
passes if each of its tiers has fewer requests in the window than the limit. A request that passes
is counted in all its tiers, any other request in none. ``count_request.lua`` does this in Redis as
one command.

The rates are settings (``[cluster.rate_limiter]``) or are in the database
(``application.rate_limit``). If Redis loses its data, all counts are 0, so at most the requests of
one window pass in addition.
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
from pipeline.runtime.statsd_metrics import Bucket, Metrics
from pipeline.settings.sections import RateLimiterSettings

STEP: Final = 5
"""Length of a step in seconds."""

STEPS: Final = 4
"""Number of steps in the window."""

WINDOW: Final = STEP * STEPS
"""Length of the window in seconds."""

STEP_TTL: Final = WINDOW + STEP
"""Seconds for which Redis keeps the count of a step."""

REQUEST_TTL: Final = 10
"""Seconds for which Redis keeps the id of a request.

The Redis client repeats a command whose connection is lost. The script counts each id once.
"""


@dataclass(frozen=True, slots=True)
class Tier:
    """One limit.

    Attributes:
        bucket: the kind of limit.
        key: an application's id or a client address; empty for the limit of all requests.
        rate: maximum number of requests per second, more than 0.
    """

    bucket: Bucket
    key: str
    rate: float

    @property
    def limit(self) -> int:
        """Maximum number of requests per window, at least 1."""
        return max(1, math.floor(self.rate * WINDOW + 1e-9))


@dataclass(frozen=True, slots=True)
class TierState:
    """The state of a tier after a request.

    Attributes:
        tier: the limit.
        remaining: number of requests that pass until the limit is reached.
        reset: Unix time in whole seconds when `remaining` next increases.
    """

    tier: Tier
    remaining: int
    reset: int

    def headers(self) -> dict[str, str]:
        """Return the reply headers for the client."""
        return {
            "X-RateLimit-Limit": str(self.tier.limit),
            "X-RateLimit-Remaining": str(self.remaining),
            "X-RateLimit-Reset": str(self.reset),
        }


@dataclass(frozen=True, slots=True)
class Decision:
    """Whether a request passes.

    Attributes:
        passes: whether it passes.
        state: the state of the first full tier; if no tier is full, that of the tier with the
            fewest remaining requests.
        retry_after: seconds until no tier is full; 0 if the request passes.
    """

    passes: bool
    state: TierState
    retry_after: int = 0


class RateLimiter:
    """Counts requests in Redis. If Redis is unreachable, all requests pass.

    Args:
        client: a Redis client with a short timeout.
        breaker: skips Redis during an outage.
        limits: maximum number of requests per second for each kind of tier; 0 for no limit.
        metrics: counts refused requests, and requests that pass because Redis is unreachable.
        clock: seconds since the epoch by a clock that all front ends share.
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
        self._script = files("api.access").joinpath("count_request.lua").read_text(encoding="utf-8")
        self._digest = hashlib.sha1(self._script.encode(), usedforsecurity=False).hexdigest()
        self._breaker = breaker
        self._limits = limits
        self._metrics = metrics
        self._clock = clock

    def count(self, address: str, application: Application | None) -> Decision | None:
        """Return the decision for a request, and count the request if it passes.

        The result is None without limits, or if Redis is unreachable.
        """
        tiers = self.tiers(address, application)
        if not tiers:
            return None
        decision = self._decide(tiers, counting=True)
        if decision is None:
            self._metrics.rate_limit_unavailable()
        elif not decision.passes:
            self._metrics.rate_limit_exceeded(decision.state.tier.bucket)
        return decision

    def check_without_counting(self, address: str) -> Decision | None:
        """Return the decision for a request without an application, and do not count it."""
        tiers = self.tiers(address, None)
        return self._decide(tiers, counting=False) if tiers else None

    def tiers(self, address: str, application: Application | None) -> list[Tier]:
        """Return the tiers of a request. A refusal names the first tier that is full.

        If the application has a rate of its own, client addresses have no limit.
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
        args = [STEPS, STEP_TTL, REQUEST_TTL, *(tier.limit for tier in tiers)]
        reply: list[int] | None = self._breaker.call(lambda: self._run(keys, args), None)
        if reply is None:
            return None
        counts = [reply[1 + STEPS * at : 1 + STEPS * (at + 1)] for at in range(len(tiers))]
        return decide(tiers, counts, now, counted=counting and bool(reply[0]))

    def _run(self, keys: Sequence[str], args: Sequence[int]) -> Any:  # noqa: ANN401 - as Redis replies
        try:
            return self._client.evalsha(self._digest, len(keys), *keys, *args)
        except NoScriptError:
            # Not SCRIPT LOAD and EVALSHA: Redis could lose the script between the two commands.
            return self._client.eval(self._script, len(keys), *keys, *args)


def decide(
    tiers: Sequence[Tier], counts: Sequence[Sequence[int]], now: float, *, counted: bool
) -> Decision:
    """Return the decision for a request, given the counts of its tiers.

    Args:
        tiers: the limits, at least one.
        counts: for each tier, the number of requests in each step, newest first. This request is
            not included.
        now: seconds since the epoch.
        counted: whether the script has counted this request.
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
    # If the limit was lowered, several steps may have to expire before a request passes.
    must_expire = max(1, total - tier.limit + 1)
    expired = accumulate(oldest_first)
    steps_away = next((at for at, count in enumerate(expired, 1) if count >= must_expire), 1)
    reset = (math.floor(now / STEP) + steps_away) * STEP
    return TierState(tier, max(0, tier.limit - total), reset)
