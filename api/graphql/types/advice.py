"""Recommendations with whom they are for."""

from dataclasses import dataclass

import strawberry

from api import answers
from api.graphql.columns import computed
from api.graphql.types.debtors import Debtor, Segment
from api.graphql.types.decisions import Recommendation
from api.graphql.types.models import UserError

_field = strawberry.field


@strawberry.type(description="What to do next with the debtors of a segment.")
class SegmentRecommendation:
    """What to do next with a segment."""

    segment: Segment = _field(description="The segment.")
    recommendation: Recommendation = _field(description="What to do next.")


@dataclass(frozen=True, slots=True)
class AdvisedSegment:
    """What a `SegmentRecommendation` is made of, as the resolver has it: its fields have the same names."""

    found: answers.SegmentAdvice

    @property
    def segment(self) -> Segment:
        """The segment."""
        return Segment.of(self.found.segment)

    @property
    def recommendation(self) -> answers.Recommendation:
        """What to do next."""
        return self.found.advice.whole()

    @property
    def dated(self) -> answers.DatedRecommendation:
        """The same, in two parts."""
        return self.found.advice


computed("SegmentRecommendation", "recommendation", lambda dated: dated, of="dated")


@strawberry.type(description="What to do next with a debtor, as asked for by reference.")
class DebtorRecommendation:
    """What to do next with a debtor."""

    reference: str = _field(description="The reference, as asked.")
    debtor: Debtor | None = _field(description="The debtor; null when the reference is unknown.")
    recommendation: Recommendation | None = _field(
        description="What to do next; null when the reference is unknown."
    )
    error: UserError | None = _field(
        description="UNKNOWN_REFERENCE when the reference is unknown, else null."
    )
