"""How debtors pay."""

import strawberry
from strawberry import Parent

from api.graphql.fields import resolved
from api.graphql.types.money import Money
from domain.kpis import payment_behaviour
from domain.vocabulary import AgingBucket

_field = strawberry.field
_Row = Parent[payment_behaviour.PaymentBehaviourRow]


@strawberry.type(
    description="How the period's unreversed payments in one currency were made, by how late the account was. Rates "
    "and shares are 0–1, null when there is nothing to divide by."
)
class PaymentBehaviourRow:
    """How payments were made."""

    currency: str = _field(description="ISO 4217 code.")
    bucket: AgingBucket | None = _field(
        description="Days past due of the account just before the payment, in bands; null: the total of all."
    )
    payments: int = _field(description="Unreversed payments in the period.")
    on_time: int = _field(
        description="Of these, made while the account was not past due (or nothing was owed)."
    )
    late: int = _field(description="Of these, made at least one day past due.")
    in_full: int = _field(description="Of these, of at least what was owed just before.")
    partial: int = _field(description="Of these, of less than what was owed just before.")
    on_time_rate: float | None = _field(description="onTime / payments.")
    on_time_share: float | None = _field(description="collectedOnTime / collected.")
    in_full_rate: float | None = _field(description="inFull / (inFull + partial).")

    @resolved("Sum of the payments.")
    def collected(self, parent: _Row) -> Money:
        """Sum of the payments."""
        return Money(amount=parent.collected, currency=parent.currency)

    @resolved("Sum of the payments on time.")
    def collected_on_time(self, parent: _Row) -> Money:
        """Sum of the payments on time."""
        return Money(amount=parent.collected_on_time, currency=parent.currency)

    @resolved("Sum of the late payments.")
    def collected_late(self, parent: _Row) -> Money:
        """Sum of the late payments."""
        return Money(amount=parent.collected_late, currency=parent.currency)

    @resolved("Sum of the payments in full.")
    def collected_in_full(self, parent: _Row) -> Money:
        """Sum of the payments in full."""
        return Money(amount=parent.collected_in_full, currency=parent.currency)

    @resolved("Sum of the partial payments.")
    def collected_partial(self, parent: _Row) -> Money:
        """Sum of the partial payments."""
        return Money(amount=parent.collected_partial, currency=parent.currency)
