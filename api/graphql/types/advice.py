"""Recommendations with whom they are for."""

import strawberry

from api.graphql.types.debtors import Debtor, Segment
from api.graphql.types.decisions import Recommendation
from api.graphql.types.models import UserError

_field = strawberry.field


@strawberry.type(description="What to do next with the debtors of a segment.")
class SegmentRecommendation:
    """What to do next with a segment."""

    segment: Segment = _field(description="The segment.")
    recommendation: Recommendation = _field(description="What to do next.")


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
