"""What a campaign has brought so far, from its two arms."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from sqlalchemy.ext.asyncio import AsyncConnection

from api.answers import MoneyEstimate
from domain.storage.campaigns import ArmPaid, paid_by_arm
from domain.storage.reads.campaigns import CampaignRow
from domain.vocabulary import Arm
from ml.actions import rounded
from ml.lift import Estimate, Sums, difference, per_debtor, usual_payment

COUNTED_AFTER = timedelta(days=30)
"""Payments up to so long after the window's end count as its outcome."""


@dataclass(frozen=True, slots=True)
class ArmOutcome:
    """An arm's debtors and what each has paid on average, by currency; nothing for fewer than two debtors."""

    arm: Arm
    debtors: int
    collected_per_debtor: tuple[MoneyEstimate, ...]


@dataclass(frozen=True, slots=True)
class Lift:
    """As measured so far. difference: PLANNED less HELD_OUT, per debtor, by currency."""

    arms: tuple[ArmOutcome, ...]
    difference: tuple[MoneyEstimate, ...]


async def measure_lift(
    connection: AsyncConnection, tenant_id: int, campaign: CampaignRow, *, now: datetime
) -> Lift | None:
    """What the arms' debtors have paid since the window began and they were decided on, up to thirty days after it.

    None before the window, and for a campaign without debtors: nothing has happened that could be measured.
    """
    sizes = {Arm.PLANNED: campaign.planned_count, Arm.HELD_OUT: campaign.held_out_count}
    if now < campaign.starts_at or not any(sizes.values()):
        return None
    paid = await paid_by_arm(
        connection,
        tenant_id,
        campaign.id,
        start=campaign.starts_at,
        end=campaign.ends_at + COUNTED_AFTER,
        now=now,
    )
    return lift_of(sizes, paid)


def lift_of(sizes: dict[Arm, int], paid: Sequence[ArmPaid]) -> Lift:
    """sizes: debtors of each arm, those who paid nothing among them."""
    currencies = sorted({one.currency for one in paid})
    sums = {
        (arm, currency): _sums(size, [one for one in paid if (one.arm, one.currency) == (arm, currency)])
        for arm, size in sizes.items()
        for currency in currencies
    }
    usual = {currency: usual_payment(*(sums[arm, currency] for arm in sizes)) for currency in currencies}
    arms = tuple(
        ArmOutcome(
            arm,
            size,
            tuple(
                _money(found, currency)
                for currency in currencies
                if (found := per_debtor(sums[arm, currency], payment=usual[currency])) is not None
            ),
        )
        for arm, size in sizes.items()
    )
    differences = (
        (difference(sums[Arm.PLANNED, currency], sums[Arm.HELD_OUT, currency]), currency)
        for currency in currencies
    )
    return Lift(arms, tuple(_money(found, currency) for found, currency in differences if found is not None))


def _sums(size: int, paid: Sequence[ArmPaid]) -> Sums:
    total = sum((one.total for one in paid), Decimal(0))
    squares = sum((one.squares for one in paid), Decimal(0))
    return Sums(size, float(total), float(squares))


def _money(found: Estimate, currency: str) -> MoneyEstimate:
    return MoneyEstimate(rounded(found.amount), currency, rounded(found.low), rounded(found.high))
