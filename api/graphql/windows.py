"""Instants and spans of time as arguments.

What is worked out from them reaches weeks to either side and through time zones, so they keep away from the ends of the
calendar, as facts do.
"""

from collections.abc import Sequence
from datetime import datetime

from api.answers import Window
from api.graphql.types.inputs import PeriodInput
from api.services import InvalidArgument
from domain.import_format.times import FIRST_YEAR, LAST_YEAR


def instant_of(given: datetime | None, now: datetime, *, argument: str = "asOf") -> datetime:
    """The instant of an argument, or `now` when it was left out.

    Raises:
        InvalidArgument: it lies before or after all that is served.
    """
    if given is None:
        return now
    _check_year(given, argument.split("."))
    return given


def _check_year(instant: datetime, path: Sequence[str]) -> None:
    if not FIRST_YEAR <= instant.year <= LAST_YEAR:
        message = f"{'.'.join(path)}: give an instant from {FIRST_YEAR} to {LAST_YEAR}."
        raise InvalidArgument(message, path=tuple(path))


def window_of(period: PeriodInput | None, *, argument: str = "within") -> Window | None:
    """The span of an argument, or None when it was left out.

    Raises:
        InvalidArgument: it ends before it begins, or lies before or after all that is served.
    """
    if period is None:
        return None
    _check_year(period.from_, (*argument.split("."), "from"))
    _check_year(period.to, (*argument.split("."), "to"))
    if period.from_ >= period.to:
        raise InvalidArgument(f"{argument}: from must be before to.", path=tuple(argument.split(".")))
    return Window(period.from_, period.to)
