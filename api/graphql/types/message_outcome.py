"""What message KPIs count, whatever they are grouped by."""

import strawberry
from strawberry import Parent

from api.graphql.fields import resolved
from api.graphql.types.money import Money, money_per_currency
from domain.kpis import messages

_field = strawberry.field

_Outcome = Parent[messages.MessageOutcome]


@strawberry.type
class MessageOutcome:
    """What became of some communications; the types that have these fields inherit them."""

    sent: int = _field(description="Communications sent.")
    delivered: int = _field(description="Of these, delivered (kpis.md tells what proves it).")
    hard_bounced: int = _field(description="Hard-bounced and not delivered.")
    soft_bounced: int = _field(description="Soft-bounced, neither delivered nor hard-bounced.")
    opened: int = _field(description="Opened by a person.")
    machine_opened: int = _field(description="Opened by a machine and by no person.")
    clicked: int = _field(description="Clicked by a person.")
    landed: int = _field(description="With a person's landing on the payment page.")
    converted: int = _field(description="To which a payment is attributed.")
    unsubscribed: int = _field(description="Unsubscribed from.")
    complained: int = _field(description="Complained about.")
    delivery_rate: float | None = _field(description="delivered / sent.")
    bounce_rate: float | None = _field(description="(hardBounced + softBounced) / sent.")
    open_rate: float | None = _field(description="opened / delivered.")
    click_rate: float | None = _field(description="clicked / delivered.")
    click_to_open_rate: float | None = _field(description="clicked / opened.")
    landing_rate: float | None = _field(description="landed / delivered.")
    conversion_rate: float | None = _field(description="converted / delivered.")
    unsubscribe_rate: float | None = _field(description="unsubscribed / delivered.")
    complaint_rate: float | None = _field(description="complained / delivered.")

    @resolved("Sum of the attributed payments, one per currency.")
    def collected(self, parent: _Outcome) -> list[Money]:
        """Sum of the attributed payments."""
        return money_per_currency(parent.collected)

    @resolved("Sum of the communications' costs, one per currency.")
    def cost(self, parent: _Outcome) -> list[Money]:
        """Sum of the costs."""
        return money_per_currency(parent.cost)

    @resolved("collected less cost, one per currency that either has.")
    def net_collected(self, parent: _Outcome) -> list[Money]:
        """Collected less cost."""
        return money_per_currency(parent.net_collected)
