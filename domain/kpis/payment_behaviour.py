"""Payment behaviour: how debtors pay, by how late they are. Source: docs/kpis.md, Payment behaviour."""

from dataclasses import dataclass
from decimal import Decimal

from domain.kpis.formulas import rate
from domain.vocabulary import AgingBucket


@dataclass(frozen=True, slots=True, kw_only=True)
class PaymentBehaviourRow:
    """The unreversed payments of a period in one currency, of accounts that were so many days past due when paid.

    bucket: days past due just before the payment, CURRENT being none; None: the total of all buckets. payments,
    on_time, late, in_full, partial: numbers of payments; amounts are money in `currency`. A payment is late when the
    account was at least one day past due, else on time. It is in full when it paid at least what was owed just before
    it, partial when it paid less; when nothing was owed it is neither.
    """

    currency: str
    bucket: AgingBucket | None
    payments: int
    collected: Decimal
    on_time: int
    collected_on_time: Decimal
    late: int
    collected_late: Decimal
    in_full: int
    collected_in_full: Decimal
    partial: int
    collected_partial: Decimal

    @property
    def on_time_rate(self) -> float | None:
        """Payments on time / payments."""
        return rate(self.on_time, self.payments)

    @property
    def on_time_share(self) -> float | None:
        """Money on time / money."""
        return rate(self.collected_on_time, self.collected)

    @property
    def in_full_rate(self) -> float | None:
        """Payments in full / (in full + partial)."""
        return rate(self.in_full, self.in_full + self.partial)
