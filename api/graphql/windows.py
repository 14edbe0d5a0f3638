"""Spans of time as arguments."""

from api.answers import Window
from api.graphql.types.inputs import PeriodInput
from api.services import InvalidArgument


def window_of(period: PeriodInput | None, *, argument: str = "within") -> Window | None:
    """The span of an argument, or None when it was left out.

    Raises:
        InvalidArgument: it ends before it begins.
    """
    if period is None:
        return None
    if period.from_ >= period.to:
        raise InvalidArgument(f"{argument}: from must be before to.", path=(argument,))
    return Window(period.from_, period.to)
