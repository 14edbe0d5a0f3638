"""What a campaign is asked to be, and what about it cannot be served."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import numpy as np

from api.answers import Failure, Money, Window
from domain.currencies import CURRENCIES
from domain.debtor_where import DebtorWhere
from domain.vocabulary import Channel
from ml.outcomes import CHANNELS
from ml.planning import Limits

LONGEST_WINDOW = timedelta(days=31)
FARTHEST_START = timedelta(days=366)
"""How far ahead a window may begin: `domain.storage.past_contacts` counts planned contacts no further back."""
LONGEST_NAME = 200
LARGEST_HOLD_OUT = 0.9


def misplaced_window(within: Window, as_of: datetime) -> Failure | None:
    """Why nothing can be decided for a window that is over, or too far ahead."""
    if within.end <= as_of:
        message = "within ends before asOf (or now): nothing can be sent in it. Ask for a later window."
        return Failure("WINDOW_IS_PAST", message, ("input", "within"))
    if within.start - as_of > FARTHEST_START:
        message = f"within begins more than {FARTHEST_START.days} days ahead; decide nearer the time."
        return Failure("WINDOW_TOO_FAR", message, ("input", "within"))
    return None


@dataclass(frozen=True, slots=True)
class Capacity:
    """Most contacts of a channel on a UTC day and in all; None: no limit."""

    channel: Channel
    per_day: int | None = None
    total: int | None = None


@dataclass(frozen=True, slots=True)
class CampaignRequest:
    """What to plan. where: None for every debtor. asked: the request in JSON's own values, to be kept."""

    name: str
    within: Window
    where: DebtorWhere | None = None
    channels: frozenset[Channel] | None = None
    capacity: Sequence[Capacity] = ()
    budget: Money | None = None
    hold_out_share: float = 0.1
    asked: Mapping[str, Any] = field(default_factory=dict)

    def problem(self, as_of: datetime) -> Failure | None:
        """Why it cannot be planned, if so."""
        if not 1 <= len(self.name.strip()) <= LONGEST_NAME:
            return _bad(f"name: give 1 to {LONGEST_NAME} characters.", "name")
        if not 0 <= self.hold_out_share <= LARGEST_HOLD_OUT:
            return _bad(f"holdOutShare: give a share from 0 to {LARGEST_HOLD_OUT}.", "holdOutShare")
        misplaced = misplaced_window(self.within, as_of)
        if misplaced is not None:
            return misplaced
        if self.within.end - max(self.within.start, as_of) > LONGEST_WINDOW:
            message = f"within spans more than {LONGEST_WINDOW.days} days; plan one stretch after the other."
            return Failure("WINDOW_TOO_LONG", message, ("input", "within"))
        return self._budget_problem() or self._capacity_problem()

    def _budget_problem(self) -> Failure | None:
        if self.budget is None:
            return None
        if self.budget.amount < 0:
            return _bad("budget: give an amount of 0 or more.", "budget", "amount")
        if self.budget.currency not in CURRENCIES:
            return _bad("budget: give an ISO 4217 code in capitals, such as EUR.", "budget", "currency")
        return None

    def _capacity_problem(self) -> Failure | None:
        seen: set[Channel] = set()
        for index, one in enumerate(self.capacity):
            if one.channel in seen:
                return _bad(f"capacity: {one.channel} is there twice; name it once.", "capacity", str(index))
            seen.add(one.channel)
            if min(one.per_day or 0, one.total or 0) < 0:
                return _bad("capacity: give numbers of 0 or more.", "capacity", str(index))
        return None

    def limits(self, currency: str, rates: Mapping[str, Decimal]) -> Limits | Failure:
        """The limits by the models' channels, the budget in the tenant's currency."""
        per_day, total = np.full(len(CHANNELS), np.inf), np.full(len(CHANNELS), np.inf)
        for one in self.capacity:
            place = CHANNELS.index(one.channel.value)
            per_day[place] = np.inf if one.per_day is None else one.per_day
            total[place] = np.inf if one.total is None else one.total
        if self.budget is None:
            return Limits(per_day, total, np.inf)
        rate = Decimal(1) if self.budget.currency == currency else rates.get(self.budget.currency)
        if rate is None:
            message = (
                f"budget: there is no exchange rate from {self.budget.currency} to {currency}; give it in {currency}, "
                "or import exchange_rates."
            )
            return Failure("NO_EXCHANGE_RATE", message, ("input", "budget", "currency"))
        return Limits(per_day, total, float(self.budget.amount * rate))


def _bad(message: str, *path: str) -> Failure:
    return Failure("BAD_USER_INPUT", message, ("input", *path))


def days_of(window: Window) -> list[date]:
    """The UTC days of a window, in order."""
    first = window.start.astimezone(UTC).date()
    last = (window.end.astimezone(UTC) - timedelta(microseconds=1)).date()
    return [first + timedelta(days=number) for number in range((last - first).days + 1)]
