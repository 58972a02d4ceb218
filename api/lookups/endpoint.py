"""``/v2/lookup``: handles the HTTP request of a lookup by fingerprint or by track id."""

from dataclasses import dataclass, replace
from functools import partial
from typing import Any, ClassVar, Self

from api.access.access_control import AccessControl, KeyedEndpoint
from api.http.endpoint import ApiRequest
from api.http.errors import NotAllowedError
from api.http.parameters import Parameters
from api.lookups.answer_cache import AnswerCache
from api.lookups.background import BackgroundLookups
from api.lookups.excerpts import ExcerptLookups
from api.lookups.pending import Answer
from api.lookups.reply_plan import ReplyPlan
from api.lookups.request import LookupRequest, parse_lookup
from pipeline.lookups.metadata.meta_words import without_mismatches
from pipeline.messages import BackgroundLookup
from pipeline.runtime.redis_counters import Counters
from pipeline.settings.sections import Settings
from tasks.redis_state.lookup_counters import count_lookups, count_user_agent


@dataclass(frozen=True, slots=True)
class LookupFeatures:
    """The features of lookups that the settings turn on.

    Attributes:
        async_api: whether clients may start background lookups.
        hide_mismatches: whether replies leave out recordings whose length does not fit the track.
        sketch: whether there is a sketch index, so that clients may look up excerpts and give
            lookups a second chance.
        second_chance: whether lookups have a second chance unless the client sends 0.
    """

    async_api: bool = False
    hide_mismatches: bool = False
    sketch: bool = False
    second_chance: bool = False

    @classmethod
    def of(cls, settings: Settings) -> Self:
        """Return the features that are on."""
        return cls(
            async_api=settings.features.async_api,
            hide_mismatches=settings.features.hide_duration_mismatches,
            sketch=settings.fingerprint_index.sketch_rate > 0,
            second_chance=settings.features.second_chance,
        )


class LookupEndpoint(KeyedEndpoint):
    """The lookup of version 2 of the protocol.

    Args:
        access: checks and counts the requests.
        answer_cache: returns the answers.
        excerpts: returns the answers to requests with ``excerpt=1``.
        background: starts background lookups.
        counters: counts lookups and user agents for the statistics.
        features: the features that are on.
    """

    name: ClassVar[str] = "lookup"

    def __init__(
        self,
        access: AccessControl,
        answer_cache: AnswerCache,
        excerpts: ExcerptLookups,
        background: BackgroundLookups,
        counters: Counters,
        features: LookupFeatures,
    ) -> None:
        super().__init__(access)
        self._answer_cache = answer_cache
        self._excerpts = excerpts
        self._background = background
        self._counters = counters
        self._features = features

    def answer(self, request: ApiRequest) -> dict[str, Any]:
        """Return the results, or with ``async`` the id of a task that finds them."""
        lookup = self.parse(request.parameters)
        if self._features.hide_mismatches:
            lookup = replace(lookup, meta=without_mismatches(lookup.meta))
        in_background = bool(request.parameters.get_int("async"))
        if in_background and not self._features.async_api:
            raise _disabled("async")
        if (lookup.excerpt or lookup.second_chance) and not self._features.sketch:
            raise _disabled("excerpt" if lookup.excerpt else "second_chance")
        count_user_agent(
            self._counters, request.application_id, request.user_agent, request.address
        )
        lookup.check_size()
        plan = ReplyPlan.of(lookup)
        if in_background:
            background_lookup = BackgroundLookup(
                lookup.to_look_up(), lookup.meta, lookup.batch, request.application_id
            )
            return {"task": {"id": self._background.start(background_lookup, plan)}}
        answers = self._look_up(lookup, request)
        hits = [bool(answer["results"]) for answer in answers if "error" not in answer]
        count_lookups(self._counters, request.application_id, hits)
        return plan.compose(answers)

    def parse(self, parameters: Parameters) -> LookupRequest:
        """Return the parsed parameters.

        Raises:
            ApiError: no item can be looked up.
        """
        return parse_lookup(parameters, second_chance=self._features.second_chance)

    def _look_up(self, lookup: LookupRequest, request: ApiRequest) -> list[Answer]:
        """Return all answers of a batch; otherwise those up to the first that is not an error.

        Args:
            lookup: the parsed parameters.
            request: the request. Its application and address are the client in the fair queue.

        Raises:
            ApiError: no worker answered before the deadline, or the batch failed.
        """
        look_up = partial(
            (self._excerpts if lookup.excerpt else self._answer_cache).look_up,
            meta=lookup.meta,
            deadline=request.deadline,
            client=f"{request.application_id} {request.address}",
        )
        lookups = lookup.to_look_up()
        if lookup.batch:
            return look_up(lookups)
        answers: list[Answer] = []
        for each in lookups:
            answers += look_up([each])
            if "error" not in answers[-1]:
                break
        return answers


def _disabled(parameter: str) -> NotAllowedError:
    return NotAllowedError(f'"{parameter}" is disabled on this server: omit it')
