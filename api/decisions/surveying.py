"""What a campaign knows of its debtors before it is planned, the plan itself, and what comes of it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any

import numpy as np

from api.decisions.choosing import Deciding
from api.decisions.planned import Choice, PlannedPart, Surveyed
from api.decisions.requests import CampaignRequest
from domain.storage.decisions import NewDecision, Withdrawn
from domain.storage.reads.portfolio import DebtorKey
from domain.vocabulary import Arm
from ml.actions import rounded
from ml.candidates import Total
from ml.planning import NOBODY, Limits, assign, hold_out, trim
from ml.values import contact_cost


@dataclass
class Survey:
    """What is known of all debtors asked for: those with a contact that is worth something, and how many others.

    kept_out: the share of the tenant's debtors whom no decision may contact; none of them is among these.
    """

    kept_out: float
    debtors: list[DebtorKey] = field(default_factory=list)
    worth: list[Any] = field(default_factory=list)
    hour: list[Any] = field(default_factory=list)
    count: int = 0
    blocked: int = 0

    def add(self, part: Sequence[DebtorKey], found: Surveyed) -> None:
        """Keep what may matter to the plan."""
        self.count += len(part)
        self.blocked += int(found.blocked.sum())
        rows = np.flatnonzero((found.options.worth > 0).any(axis=(1, 2)))
        self.debtors += [part[int(row)] for row in rows]
        self.worth.append(found.options.worth[rows])
        self.hour.append(found.options.hour[rows])


@dataclass
class Outcome:
    """What the plan came to, as its parts are logged."""

    planned: int = 0
    held_out: int = 0
    by_channel: dict[str, int] = field(default_factory=dict)
    totals: dict[str, Total] = field(default_factory=dict)

    def add(self, part: PlannedPart) -> None:
        """Count a part."""
        self._count(part.decisions, 1)
        for currency, total in part.totals.items():
            before = self.totals.get(currency)
            self.totals[currency] = total if before is None else before + total

    def take_out(self, withdrawn: Sequence[Withdrawn], totals: Mapping[str, Total]) -> None:
        """Count decisions no more that were counted, with what they were expected to bring.

        Channels and currencies of which none is left are named no more. totals: as far as they can be told again; a
        fact that came in late may have changed them, and the currency.
        """
        self._count(withdrawn, -1)
        self.by_channel = {channel: count for channel, count in self.by_channel.items() if count}
        for currency in totals.keys() & self.totals.keys():
            left = self.totals.pop(currency) - totals[currency]
            if left.contacts > 0:
                self.totals[currency] = left

    def _count(self, decisions: Sequence[NewDecision | Withdrawn], by: int) -> None:
        for decision in decisions:
            if decision.arm is Arm.HELD_OUT:
                self.held_out += by
            elif decision.action is not None:
                self.planned += by
                channel = decision.action["channel"]
                self.by_channel[channel] = self.by_channel.get(channel, 0) + by

    def expected(self, reasons: Sequence[str]) -> dict[str, Any]:
        """Expected money by currency, and why there is no plan, as JSON."""
        money = {
            currency: {
                name: str(rounded(amount))
                for name, amount in (
                    ("collected", total.collected),
                    ("cost", total.cost),
                    ("net", total.net),
                    ("low", total.net - total.error),
                    ("high", total.net + total.error),
                )
            }
            for currency, total in sorted(self.totals.items())
        }
        return {"money": money, "reasons": list(reasons)}


def solve(
    survey: Survey, deciding: Deciding, limits: Limits, request: CampaignRequest, days: Sequence[date]
) -> dict[int, Choice]:
    """By debtor id what the best plan within the limits does, in the order of the debtors; others are not in it."""
    if not survey.debtors:
        return {}
    worth, hour = np.concatenate(survey.worth), np.concatenate(survey.hour)
    cost, share = contact_cost(deciding.champion.model), request.hold_out_share
    # More are chosen than the limits allow, by as much as is then held out: both groups are chosen in one way.
    option = assign(worth, cost, limits.widened(share), seed=deciding.seed).option
    held = hold_out(option, share, cost, len(days), seed=deciding.seed)
    kept = trim(np.where(held, NOBODY, option), worth, cost, limits)
    count = len(days)
    return {
        survey.debtors[row].id: Choice(
            channel := int(option[row]) // count,
            int(hour[row, channel, int(option[row]) % count]),
            days[int(option[row]) % count],
            bool(held[row]),
        )
        for row in np.flatnonzero(held | (kept != NOBODY))
    }


def why_empty(survey: Survey, request: CampaignRequest, chosen: int) -> list[str]:
    """Why nobody is in the plan; nothing when somebody is."""
    if chosen:
        return []
    if not survey.count:
        return ["No debtor meets the condition."]
    if request.channels is not None and not request.channels:
        return ["No channel was asked for."]
    if survey.blocked == survey.count:
        return ["The contact rules forbid every contact in the window."]
    if not survey.debtors:
        return ["No lawful contact is expected to bring more than it costs."]
    return ["The capacities or the budget leave no contact."]
