"""The inputs of deciding and planning."""

from datetime import datetime

import strawberry

from api.graphql.types.inputs import PeriodInput, optional, required
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
