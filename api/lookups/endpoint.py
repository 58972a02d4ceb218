"""``/v2/lookup``: finds tracks by fingerprint or by track id."""

from functools import partial
from typing import Any, ClassVar

from api.http.endpoint import KeyedEndpoint
from api.http.errors import NotAllowedError
from api.http.exchange import Exchange
from api.http.parameters import Parameters
from api.lookups.pending import Answer
from api.lookups.reply_plan import ReplyPlan
from api.lookups.request import LookupRequest, parse_lookup
from pipeline.messages import BackgroundLookup
from tasks.redis_state.lookup_counters import count_lookups, count_user_agent


class LookupEndpoint(KeyedEndpoint):
    """The lookup of version 2 of the protocol."""

    name: ClassVar[str] = "lookup"

    def answer(
        self,
        parameters: Parameters,
        exchange: Exchange,
        **fields: str,  # noqa: ARG002 - the path has none
    ) -> dict[str, Any]:
        """Return the results, or with ``async`` the id of the task that finds them."""
        request = self.parse(parameters)
        in_background = bool(parameters.get_int("async"))
        if in_background and not self.services.settings.features.async_api:
            raise NotAllowedError('"async" is switched off here: leave it out')
        count_user_agent(
            self.services.counters,
            exchange.application_id,
            exchange.user_agent,
            exchange.address,
        )
        request.check_size()
        plan = ReplyPlan.of(request)
        if in_background:
            background_lookup = BackgroundLookup(
                request.to_look_up(), request.meta, request.batch, exchange.application_id
            )
            return {"task": {"id": self.services.background.start(background_lookup, plan)}}
        answers = self._look_up(request, exchange)
        hits = [bool(answer["results"]) for answer in answers if "error" not in answer]
        count_lookups(self.services.counters, exchange.application_id, hits)
        return plan.compose(answers)

    def parse(self, parameters: Parameters) -> LookupRequest:
        """Return the parsed parameters.

        Raises:
            ApiError: no item can be looked up.
        """
        return parse_lookup(parameters)

    def _look_up(self, request: LookupRequest, exchange: Exchange) -> list[Answer]:
        """Return all answers of a batch; without ``batch`` those up to the first without an error.

        Args:
            request: the lookups.
            exchange: has the deadline, and the application and address that the fair queue takes
                in turn.

        Raises:
            ApiError: no worker answered in time.
        """
        look_up = partial(
            self.services.answer_cache.look_up,
            meta=request.meta,
            deadline=exchange.deadline,
            client=f"{exchange.application_id} {exchange.address}",
        )
        lookups = request.to_look_up()
        if request.batch:
            return look_up(lookups)
        answers: list[Answer] = []
        for lookup in lookups:
            answers += look_up([lookup])
            if "error" not in answers[-1]:
                break
        return answers
