"""What a tenant may set about how payments and promises are read; the defaults are those of kpis.md."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Self

#: The longest grace and windows that can be set: a year.
MOST_DAYS = 365


class SettingError(ValueError):
    """A setting with a value that it cannot have; the message names the setting."""

    code = "BAD_SETTING"


@dataclass(frozen=True)
class CollectionSettings:
    """The lengths that the rules of kpis.md call settings.

    promise_grace_days: whole local days after `due_on` in which a promise can still be filled.
    click_window, open_window: how far before a payment a click or landing, an open or right-party contact may lie
    and still be its cause; 0: never.
    """

    promise_grace_days: int = 2
    click_window: timedelta = timedelta(days=7)
    open_window: timedelta = timedelta(days=3)

    @classmethod
    def from_json(cls, settings: Mapping[str, Any]) -> Self:
        """Read a tenant's stored settings; a key that is absent or null keeps its default.

        Keys: `promise_grace_days`, `click_window_days`, `open_window_days`.

        Raises:
            SettingError: a value is no number of days from 0 to MOST_DAYS, or grace is not of whole days.
        """
        defaults = cls()
        grace = _days(settings, "promise_grace_days", defaults.promise_grace_days)
        if grace != int(grace):
            raise SettingError(f"promise_grace_days is {grace!r}; give whole days.")
        return cls(
            promise_grace_days=int(grace),
            click_window=timedelta(days=_days(settings, "click_window_days", defaults.click_window.days)),
            open_window=timedelta(days=_days(settings, "open_window_days", defaults.open_window.days)),
        )


def _days(settings: Mapping[str, Any], key: str, default: float) -> float:
    value = settings.get(key)
    if value is None:
        return default
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= MOST_DAYS:
        raise SettingError(f"{key} is {value!r}; give a number of days from 0 to {MOST_DAYS}.")
    return value
