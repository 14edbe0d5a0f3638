"""Recommendations: what to do next, why, and what it is expected to bring."""

from dataclasses import asdict, dataclass
from datetime import datetime
from typing import cast

import strawberry

from api import answers
from api.answers import Evidence
from api.graphql.columns import computed
from api.graphql.context import Info
from api.graphql.fields import resolved
from api.graphql.types.models import ModelVersion
from api.graphql.types.money import Money, MoneyEstimate
from api.graphql.types.nodes import linked_node, node_id
from domain.kpis.messages import Weekday
from domain.storage.models import ModelStamp
from domain.vocabulary import Channel

_field = strawberry.field


@strawberry.type(description="Quantiles of a waiting time, in seconds.")
class Span:
    """Quantiles of a waiting time."""

    p50: float | None = _field(description="Half have done it after so many seconds; null: half never do.")
    p90: float | None = _field(
        description="Nine in ten have done it after so many seconds; null: they never do."
    )


@strawberry.type(description="What an action is expected to bring, per debtor contacted. Rates are 0–1.")
class Expected:
    """What an action is expected to bring."""

    delivery_rate: float = _field(description="Probability that it is delivered, 0–1.")
    open_rate: float | None = _field(
        description="Probability that a delivered one is opened by a person, 0–1; null: the channel has no opens, or "
        "none was ever recorded."
    )
    click_rate: float | None = _field(
        description="Probability that a delivered one is clicked by a person, 0–1; null: the channel has no clicks, or "
        "none was ever recorded."
    )
    conversion_rate: float = _field(description="Probability that a delivered one leads to a payment, 0–1.")
    collected: list[Money] = _field(
        description="Paid because of the contact, against leaving the debtor alone; one per currency."
    )
    cost: list[Money] = _field(description="What the contact costs; one per currency.")
    net: list[MoneyEstimate] = _field(
        description="Collected less cost and what opting out forfeits, with its 90 % interval; one per currency."
    )
    seconds_to_open: Span | None = _field(
        description="Seconds from sending to a person's open; null: unknown."
    )
    seconds_to_pay: Span | None = _field(description="Seconds from sending to payment; null: unknown.")


@strawberry.type(description="One contact: on which channel, when, with what, and what it is worth.")
class Action:
    """One contact."""

    channel: Channel = _field(description="On which channel.")
    weekday: Weekday = _field(description="On which weekday of the debtor's own calendar.")
    hour: int = _field(description="In which hour of the debtor's own day, 0–23.")
    template: str | None = _field(
        description="Reference of the template that works best here; null when there is no telling."
    )
    send_at: datetime | None = _field(
        description="The next instant for it that the contact rules allow; null for a segment that spans time zones."
    )
    expected: Expected = _field(description="What it is expected to bring, per debtor contacted.")
    reasons: list[str] = _field(description="Why this one, for people, the weightiest first.")


@strawberry.type(description="A contact rule that forbids something.")
class Block:
    """A contact rule that forbids something."""

    rule: str = _field(description="Stable code with its version, such as US_REG_F_7_IN_7@2026-1.")
    message: str = _field(description="What it forbids and why, for people.")
    channel: Channel | None = _field(description="On which channel; null: on all.")
    until: datetime | None = _field(description="Until when; null: for good, or until the facts change.")


@strawberry.type(
    description="What to do next. `best` is null when nothing lawful beats leaving the debtor alone: `blockedBy` or "
    "`reasons` say why."
)
class Recommendation:
    """What to do next."""

    evidence: Evidence = _field(description="How much it rests on.")
    best: Action | None = _field(description="The action worth most; null: leave alone.")
    alternatives: list[Action] = _field(description="The next best, by worth; each lawful.")
    blocked_by: list[Block] = _field(description="The contact rules that forbade something here.")
    reasons: list[str] = _field(description="Why, for people, the weightiest first.")

    @resolved("The model behind it; null when there is none yet.")
    async def model_version(
        self, info: Info, parent: strawberry.Parent[answers.Recommendation]
    ) -> ModelVersion | None:
        """The model behind it."""
        found: ModelVersion | None = await linked_node(info, "ModelVersion", parent.model_version_id)
        return found


@dataclass(frozen=True, slots=True)
class _FixedModel:
    """A `ModelVersion` of which only what never changes is known; any other field is left to its resolver."""

    id: strawberry.ID
    version: int
    trained_at: datetime
    data_from: datetime
    data_to: datetime
    rows: int


def _fixed(stamp: ModelStamp | None) -> _FixedModel | None:
    return (
        None if stamp is None else _FixedModel(**{**asdict(stamp), "id": node_id("ModelVersion", stamp.id)})
    )


computed("Recommendation", "modelVersion", _fixed, of="fixed_model")


def shown(recommendation: answers.Recommendation) -> Recommendation:
    """A recommendation as GraphQL reads it: the fields have the same names, so the value stands for the type."""
    return cast(Recommendation, recommendation)
