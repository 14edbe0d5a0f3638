"""Decisions as logged: what was chosen, from how much, with what probability, and what came of it."""

from datetime import datetime
from typing import cast

import strawberry

from api.decisions.stored import action_of, blocks_of
from api.graphql.context import Info
from api.graphql.fields import resolved
from api.graphql.types.debtors import Debtor
from api.graphql.types.decisions import Action, Block
from api.graphql.types.facts import Communication
from api.graphql.types.models import ModelVersion, UserError
from api.graphql.types.nodes import Node, found_by, linked_node, node_id
from domain.storage.reads.decisions import DecisionRow
from domain.vocabulary import Arm

_field = strawberry.field


@strawberry.type(description="A logged choice: send its id back with the communication that carries it out.")
class Decision(Node):
    """A logged choice."""

    decided_at: datetime = _field(description="When: nothing later was known.")
    action: Action | None = _field(description="What was chosen; null: leave the debtor alone.")
    propensity: float = _field(
        description="The exact probability with which just this was chosen: arm, channel and local hour of the week "
        "together. 0–1."
    )
    explored: bool = _field(description="Whether chance chose other than what is recommended.")
    arm: Arm = _field(description="HELD_OUT: left alone to measure what contacts bring.")
    eligible: int = _field(
        description="Of how many it was chosen: the lawful channel and hour pairs, and leaving alone."
    )
    blocked_by: list[Block] = _field(description="The contact rules that forbade something here.")
    reasons: list[str] = _field(description="Why, for people, the weightiest first.")
    rules_version: str = _field(description="The contact rules that bound it, such as CO@2026-1.")
    policy: str = _field(description="How it was chosen, such as SOFTMAX_0.05_0.02@1.")
    row: strawberry.Private[DecisionRow]

    @resolved("For whom.")
    async def debtor(self, info: Info) -> Debtor:
        """The debtor."""
        found: Debtor = await linked_node(info, "Debtor", self.row.debtor_id)
        return found

    @resolved("The model behind it; null when there was none.")
    async def model_version(self, info: Info) -> ModelVersion | None:
        """The model behind it."""
        found: ModelVersion | None = await linked_node(info, "ModelVersion", self.row.model_version_id)
        return found

    @resolved("The first communication that came back with this decision's id; null: none yet.")
    async def outcome(self, info: Info) -> Communication | None:
        """What came of it."""
        number = await info.context.loaders.outcome.load(self.row.id)
        found: Communication | None = await linked_node(info, "Communication", number)
        return found

    @classmethod
    def of(cls, row: DecisionRow) -> "Decision":
        """The decision of a row."""
        return cls(
            id=node_id("Decision", row.id),
            decided_at=row.decided_at,
            action=cast("Action | None", action_of(row.action) if row.action else None),
            propensity=row.propensity,
            explored=row.explored,
            arm=row.arm,
            eligible=row.eligible_count,
            blocked_by=cast("list[Block]", list(blocks_of(row.blocked_by))),
            reasons=row.reasons,
            rules_version=row.rules_version,
            policy=row.policy,
            row=row,
        )


@strawberry.type(description="A decision for a debtor asked for by reference.")
class DecidedReference:
    """A decision for a reference."""

    reference: str = _field(description="The reference, as asked.")
    decision: Decision | None = _field(description="The decision; null when the reference is unknown.")
    error: UserError | None = _field(
        description="UNKNOWN_REFERENCE when the reference is unknown, else null."
    )


@strawberry.type(description="What was decided, in the order asked.")
class DecideReport:
    """What was decided."""

    decisions: list[DecidedReference] = _field(description="One per reference, in the order asked.")


found_by(
    "Decision",
    lambda info, number: info.context.loaders.decision.load(number),
    lambda row, _: Decision.of(row),
)
