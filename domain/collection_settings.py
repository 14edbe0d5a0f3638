"""What a tenant may set about how payments and promises are read; the defaults are those of kpis.md."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Self


@dataclass(frozen=True)
class CollectionSettings:
    """The lengths that the rules of kpis.md call settings.

    promise_grace_days: whole local days after `due_on` in which a promise can still be filled.
    click_window, open_window: how far before a payment a click or landing, an open or right-party contact may lie
    and still be its cause.
    """

    promise_grace_days: int = 2
    click_window: timedelta = timedelta(days=7)
    open_window: timedelta = timedelta(days=3)

    @classmethod
    def from_json(cls, settings: Mapping[str, Any]) -> Self:
        """Read a tenant's stored settings; a key that is absent or null keeps its default.

        Keys: `promise_grace_days`, `click_window_days`, `open_window_days`.

        Raises:
            ValueError: a value is not a number of days at or above 0; names the key.
        """
        defaults = cls()
        return cls(
            promise_grace_days=int(_days(settings, "promise_grace_days", defaults.promise_grace_days)),
            click_window=timedelta(days=_days(settings, "click_window_days", defaults.click_window.days)),
            open_window=timedelta(days=_days(settings, "open_window_days", defaults.open_window.days)),
        )


def _days(settings: Mapping[str, Any], key: str, default: float) -> float:
    value = settings.get(key)
    if value is None:
        return default
    if isinstance(value, bool) or not isinstance(value, int | float) or value < 0:
        raise ValueError(f"The setting {key} is {value!r}; give a number of days, 0 or more.")
    return value
