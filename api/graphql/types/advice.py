"""Recommendations with whom they are for."""

from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

import strawberry

from api import answers
from api.graphql.kept_json import Dated
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
class AdvisedSegment(Dated):
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
    def lasting(self) -> tuple[object, ...]:
        """The segment, and what to do next at any instant."""
        return self.found.segment, self.found.advice.lasting

    @property
    def instants(self) -> tuple[datetime | None, ...]:
        """When its actions would be sent."""
        return self.found.advice.send_at

    def at(self, instants: tuple[datetime | None, ...]) -> "PlainAdvice":
        """The same, with its actions sent at other instants."""
        advice = answers.DatedRecommendation(self.found.advice.lasting, instants)
        return PlainAdvice(self.segment, advice.whole())


class PlainAdvice(NamedTuple):
    """A segment and what to do next with it."""

    segment: Segment
    recommendation: answers.Recommendation


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
