"""Logs the condition of the index or of the fingerprint store when it changes."""

from collections.abc import Mapping
from dataclasses import dataclass

from structlog.typing import FilteringBoundLogger

from pipeline.lookups.condition import Advice, Condition


@dataclass(slots=True)
class ConditionLog:
    """The condition that was logged last.

    Attributes:
        logger: the logger of the index or the store.
        usable: the message for `Condition.OK`.
        unusable: the message for each fault; the line also has the condition and the action.
        advice: the actions.
        enabled: whether anything is logged.
        last: the condition that was logged last.
    """

    logger: FilteringBoundLogger
    usable: str
    unusable: str
    advice: Mapping[Condition, Advice]
    enabled: bool = True
    last: Condition = Condition.OK

    def report(self, condition: Condition, error: Exception | None = None) -> Condition:
        """Log a condition if it has changed; return it."""
        if condition is self.last or not self.enabled:
            return condition
        self.last = condition
        if condition is Condition.OK:
            self.logger.info(self.usable)
        else:
            self.logger.warning(
                self.unusable,
                condition=condition.value,
                action=self.advice[condition].action,
                error=str(error) if error else None,
            )
        return condition
