"""The inputs of deciding and planning."""

from datetime import datetime
from decimal import Decimal

import strawberry

from api.graphql.types.inputs import DebtorWhere, PeriodInput, optional, required
from domain.vocabulary import Channel


@strawberry.input(description="For whom to decide, and what may be chosen.")
class DecideInput:
    """For whom to decide."""

    references: list[str] = required("The creditor's own ids, at most 1,000.")
    within: PeriodInput | None = optional("When the contact shall be. Default: the seven days from asOf on.")
    channels: list[Channel] | None = optional("Only these channels. Default: every channel.")
    explore: bool | None = strawberry.field(
        description="Whether chance may choose other than what is recommended, so that there is more to learn from.",
        default=True,
    )
    as_of: datetime | None = optional(
        'The instant of knowledge: nothing later is seen, and "now" is then. Default: now.'
    )


@strawberry.input(description="How much of a channel there is.")
class CapacityInput:
    """How much of a channel there is."""

    channel: Channel = required("Which channel.")
    per_day: int | None = optional("At most so many contacts on a UTC day; 0: none.")
    total: int | None = optional("At most so many contacts in all; 0: none.")


@strawberry.input(description="An exact amount of money in one currency.")
class MoneyInput:
    """An exact amount in one currency."""

    amount: Decimal = required("In major units; 0 or more.")
    currency: str = required("ISO 4217 code, such as EUR.")


@strawberry.input(description="What to plan, and under which limits.")
class PlanCampaignInput:
    """What to plan."""

    name: str = required("For people; 1 to 200 characters.")
    where: DebtorWhere | None = optional("Which debtors, as they stand now; default: all.")
    within: PeriodInput = required("When contacts may be: at most 31 days.")
    channels: list[Channel] | None = optional("Only these channels. Default: every channel.")
    capacity: list[CapacityInput] | None = optional("Limits per channel; a channel not named has none.")
    budget: MoneyInput | None = optional("What all contacts together may cost. Default: no limit.")
    hold_out_share: float | None = strawberry.field(
        description="The share of those chosen that is left alone to measure the lift: 0 to 0.9.", default=0.1
    )
    as_of: datetime | None = optional(
        'The instant of knowledge: nothing later is seen, and "now" is then. Default: now.'
    )
