"""``/v2/lookup``: which tracks sound like this fingerprint?"""

import time
from collections.abc import Callable
from functools import partial
from typing import Any, ClassVar

from api.endpoint import Endpoint
from api.errors import InvalidFingerprintError, NotAllowedError
from api.exchange import Exchange
from api.lookup_request import MAX_FINGERPRINTS, Item, LookupRequest, parse_lookup, raise_last
from api.lookups.requests import Answer
from api.parameters import Parameters, suffixed
from pipeline.catalog.accounts import Application
from pipeline.stages.messages import Lookup
from tasks.counters import count_lookups, count_user_agent

Ask = Callable[[list[Lookup]], list[Answer]]


class LookupEndpoint(Endpoint):
    """Finds tracks by fingerprint or by track id."""

    name: ClassVar[str] = "lookup"

    def answer(
        self,
        parameters: Parameters,
        exchange: Exchange,
        **fields: str,  # noqa: ARG002 - the path has none
    ) -> dict[str, Any]:
        """Return the results, or with ``async`` the id of the task that finds them."""
        application = self.services.keys.application(parameters)
        request = self.parse(parameters)
        in_background = bool(parameters.get_int("async"))
        if in_background and not self.services.settings.features.async_api:
            raise NotAllowedError('"async" is switched off here: leave it out')
        self.limit(parameters, exchange, application)
        count_user_agent(
            self.services.counters, application.id, exchange.user_agent, exchange.address
        )
        request.check_size()
        if in_background:
            run = partial(self.run, request, application, exchange.address)
            return {"task": {"id": self.services.background.start(run)}}
        return self.run(request, application, exchange.address)

    def parse(self, parameters: Parameters) -> LookupRequest:
        """Return what is asked for.

        Raises:
            ApiError: nothing of it can be looked up.
        """
        return parse_lookup(parameters)

    def run(self, request: LookupRequest, application: Application, address: str) -> dict[str, Any]:
        """Look up, count, and return the body of the reply.

        Args:
            request: what is asked for.
            application: who counts it.
            address: the client's; where many wait, addresses of an application take turns.

        Raises:
            ApiError: nothing could be looked up, or no worker answered.
        """
        deadline = time.monotonic() + self.services.settings.api.lookup_timeout

        def ask(lookups: list[Lookup]) -> list[Answer]:
            client = f"{application.id} {address}"
            return self.services.answers.run(lookups, request.meta, deadline, client)

        body = _run_batch(request, ask) if request.batch else _run_first(request, ask)
        hits = [bool(each["results"]) for each in body.get("fingerprints", [body])]
        count_lookups(self.services.counters, application.id, hits)
        return body


def _run_batch(request: LookupRequest, ask: Ask) -> dict[str, Any]:
    """Look all items up at once; those that turn out to be invalid are left out."""
    asked = list(request.lookups())
    answers = ask([lookup for _, lookup in asked])
    errors = {
        index: _refusal(index, answer)
        for (index, _), answer in zip(asked, answers, strict=True)
        if "error" in answer
    }
    raise_last([Item(index, errors.get(index, query)) for index, query in request.items])
    return {
        "fingerprints": [
            {"index": index, "results": answer["results"]}
            for (index, _), answer in zip(asked, answers, strict=True)
            if index not in errors
        ]
    }


def _run_first(request: LookupRequest, ask: Ask) -> dict[str, Any]:
    """Look the first item up, and the next one only where that was invalid."""
    items = list(request.items)
    tries = 0
    for at, (index, query) in enumerate(items):
        if isinstance(query, Lookup) and tries < MAX_FINGERPRINTS:
            tries += 1
            answer = ask([query])[0]
            if "error" not in answer:
                return {"results": answer["results"]}
            items[at] = Item(index, _refusal(index, answer))
    raise_last(items[: _last_tried(items)])
    return {"results": []}


def _refusal(index: int | None, answer: dict[str, Any]) -> InvalidFingerprintError:
    return InvalidFingerprintError(suffixed("fingerprint", index), f"it is {answer['error']}")


def _last_tried(items: list[Item]) -> int:
    """Return how many items stand before the first that nobody looked at."""
    untried = (at for at, item in enumerate(items) if isinstance(item.query, Lookup))
    return next(untried, len(items))
