"""``/v2/lookup``: which tracks sound like this fingerprint?"""

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
    """Finds tracks by fingerprint or by track id."""

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
            question = BackgroundLookup(
                request.to_look_up(), request.meta, request.batch, exchange.application_id
            )
            return {"task": {"id": self.services.background.start(question, plan)}}
        answers = self._look_up(request, exchange)
        hits = [bool(answer["results"]) for answer in answers if "error" not in answer]
        count_lookups(self.services.counters, exchange.application_id, hits)
        return plan.compose(answers)

    def parse(self, parameters: Parameters) -> LookupRequest:
        """Return what is asked for.

        Raises:
            ApiError: nothing of it can be looked up.
        """
        return parse_lookup(parameters)

    def _look_up(self, request: LookupRequest, exchange: Exchange) -> list[Answer]:
        """Return the answers of a batch; otherwise those up to the first that is no error.

        Args:
            request: what is asked for.
            exchange: who asks; the fair queue takes the addresses of an application in turn.

        Raises:
            ApiError: no worker answered in time.
        """
        ask = partial(
            self.services.answers.run,
            meta=request.meta,
            deadline=exchange.deadline,
            client=f"{exchange.application_id} {exchange.address}",
        )
        lookups = request.to_look_up()
        if request.batch:
            return ask(lookups)
        answers: list[Answer] = []
        for lookup in lookups:
            answers += ask([lookup])
            if "error" not in answers[-1]:
                break
        return answers
