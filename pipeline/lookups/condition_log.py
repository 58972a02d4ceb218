"""Logs the condition of the index or of the fingerprint store when it changes."""

from collections.abc import Mapping
from dataclasses import dataclass

from structlog.typing import FilteringBoundLogger

from pipeline.lookups.condition import Advice, Condition
from pipeline.storage.errors import StorageCorrupt, shows_damage


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
        damage: the file and its problem; an empty text unless the condition is `DAMAGED` or
            `UNREADABLE`.
    """

    logger: FilteringBoundLogger
    usable: str
    unusable: str
    advice: Mapping[Condition, Advice]
    enabled: bool = True
    last: Condition = Condition.OK
    damage: str = ""

    def report(self, condition: Condition, error: Exception | None = None) -> Condition:
        """Log a condition if it has changed; return it."""
        of_file = condition in {Condition.DAMAGED, Condition.UNREADABLE}
        if self.damage or of_file:
            self.damage = _damage(error) if of_file else ""
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


def fault_of_file(error: Exception) -> Condition:
    """Return the condition of an index or a store whose files raise an error.

    An error of the system such as EACCES, EMFILE or ENOMEM is no damage: nothing repairs it.
    """
    if isinstance(error, OSError) and not isinstance(error, FileNotFoundError):
        return Condition.DAMAGED if shows_damage(error) else Condition.UNREADABLE
    return Condition.DAMAGED


def _damage(error: Exception | None) -> str:
    """Return the damaged file and its problem, without the action."""
    if isinstance(error, StorageCorrupt):
        return f"{error.path}: {error.problem}"
    return str(error) if error else ""
