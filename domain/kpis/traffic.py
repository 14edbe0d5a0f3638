"""Traffic KPIs: visits to the payment page and what they led to. Source: kpis.md, Traffic KPIs."""

from dataclasses import dataclass
from datetime import timedelta

from domain.kpis.formulas import rate
from domain.vocabulary import Source

#: How long after a landing a payment still counts as its conversion, the last instant included.
CONVERSION_WINDOW = timedelta(hours=24)


@dataclass(frozen=True, slots=True, kw_only=True)
class TrafficKpiRow:
    """One source's traffic, or with `source` None that of all sources, counted anew and not summed."""

    source: Source | None
    landing_views: int
    all_landing_views: int
    visitors: int
    payments_started: int
    payments_failed: int
    payments_abandoned: int
    conversions: int

    @property
    def share(self) -> float | None:
        """Of all landing views."""
        return rate(self.landing_views, self.all_landing_views)

    @property
    def drop_out_rate(self) -> float | None:
        """(Failed + abandoned) / started payments."""
        return rate(self.payments_failed + self.payments_abandoned, self.payments_started)

    @property
    def landing_conversion_rate(self) -> float | None:
        """Conversions / visitors."""
        return rate(self.conversions, self.visitors)
