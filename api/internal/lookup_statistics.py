"""``/v2/internal/*_stats``: updates and returns the statistics of lookups and user agents."""

from datetime import UTC, date, datetime
from typing import Any, ClassVar, Final

from api.http.endpoint import ApiRequest
from api.http.errors import InvalidApiKeyError, MissingParameterError, UnknownApplicationError
from api.http.parameters import MAX_ID, Parameters
from api.internal.endpoint import InternalEndpoint, MasterEndpoint
from api.internal.parameters import get_day, need_day, need_id, need_number, need_text
from pipeline.catalog.app.lookup_statistics import (
    DailyLookups,
    LookupKind,
    Visitor,
    add_lookups,
    add_user_agents,
    last_days,
    lookup_stats,
)

DEFAULT_DAYS: Final = 30
"""Default of the parameter ``days``."""

MAX_DAYS: Final = 3660
"""Maximum of the parameter ``days``."""

_MAX_COUNT: Final = MAX_ID  # the column has the same type as an id


class UpdateLookupStatsEndpoint(MasterEndpoint):
    """Adds to the number of lookups in an hour."""

    name: ClassVar[str] = "internal_update_lookup_stats"

    def answer(self, request: ApiRequest) -> dict[str, Any]:
        """Add to the number of hits or of misses."""
        parameters = request.parameters
        kind = LookupKind(
            application_id=need_id(parameters, "application_id"),
            date=need_day(parameters, "date"),
            hour=need_number(parameters, "hour", 0, 23),
            hit=need_text(parameters, "type") == "hit",
        )
        count = need_number(parameters, "count", 1, _MAX_COUNT)
        with self._databases.engine("app").begin() as connection:
            unknown = add_lookups(connection, {kind: count})
        if unknown:
            raise UnknownApplicationError
        return {}


class UpdateUserAgentStatsEndpoint(MasterEndpoint):
    """Adds to the number of requests on a day, by user agent and address."""

    name: ClassVar[str] = "internal_update_user_agent_stats"

    def answer(self, request: ApiRequest) -> dict[str, Any]:
        """Add to the number of requests; the user agent may be empty."""
        parameters = request.parameters
        visitor = Visitor(
            application_id=need_id(parameters, "application_id"),
            date=need_day(parameters, "date"),
            user_agent=parameters.get_text("user_agent") or "",
            ip=need_text(parameters, "ip"),
        )
        count = need_number(parameters, "count", 1, _MAX_COUNT)
        with self._databases.engine("app").begin() as connection:
            unknown = add_user_agents(connection, {visitor: count})
        if unknown:
            raise UnknownApplicationError
        return {}


class LookupStatsEndpoint(InternalEndpoint):
    """Returns the number of lookups of applications by day."""

    name: ClassVar[str] = "internal_lookup_stats"

    def answer(self, request: ApiRequest) -> dict[str, Any]:
        """Return the days with lookups, each with the sum of all given applications."""
        parameters = request.parameters
        keys = [key for key in parameters.get_all("client") if key]
        if not keys:
            raise MissingParameterError("client")
        first, last = _period(parameters, datetime.now(UTC).date())
        ids = [self._application_id(key) for key in keys]
        with self._databases.engine("app", read_only=True).connect() as connection:
            found = lookup_stats(connection, ids, first, last)
        return {"stats": [_show(day) for day in found]}

    def _application_id(self, key: str) -> int:
        application = self.access.keys.active_application(key)
        if application is None:
            raise InvalidApiKeyError('each "client" must be the key of an active application')
        return application.id


def _period(parameters: Parameters, today: date) -> tuple[date, date]:
    """Return the first and the last day; by default, ``days`` days that end yesterday."""
    days = DEFAULT_DAYS
    if parameters.get_int("days") is not None:
        days = need_number(parameters, "days", 1, MAX_DAYS)
    first, last = get_day(parameters, "from"), get_day(parameters, "to")
    if last is None:
        begins, last = last_days(days, today)
    else:
        begins = date.fromordinal(max(1, last.toordinal() - days + 1))
    return begins if first is None else first, last


def _show(day: DailyLookups) -> dict[str, Any]:
    return {
        "date": day.date.isoformat(),
        "count_hits": day.count_hits,
        "count_nohits": day.count_nohits,
        "count": day.count,
    }
