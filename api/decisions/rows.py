"""A plan as a file's rows: the columns of recommendations, and what makes each a decision."""

from collections.abc import Sequence
from typing import Any

import polars as pl

from api import answers
from api.answers import Recommendation
from api.graphql.ids import global_id
from api.recommendations import bulk
from domain.kpis.messages import Weekday
from domain.storage.decisions import NewDecision
from domain.storage.reads.portfolio import DebtorKey

SCHEMA: dict[str, pl.DataType | type[pl.DataType]] = {
    **bulk.SCHEMA,
    "decision_id": pl.String,
    "propensity": pl.Float64,
    "arm": pl.String,
}


def frame_of(
    debtors: Sequence[DebtorKey],
    told: Sequence[Recommendation],
    logged: Sequence[NewDecision],
    numbers: Sequence[int],
) -> pl.DataFrame:
    """One row per decision, columns as `SCHEMA`; decision_id: as the API gives it, for the communication."""
    advice = {debtor.id: each for debtor, each in zip(debtors, told, strict=True)}
    rows = [_row(debtor, advice[debtor.id]) for debtor in debtors]
    return pl.DataFrame(rows, schema=bulk.SCHEMA, orient="row").with_columns(
        pl.Series("decision_id", [global_id("Decision", number) for number in numbers], dtype=pl.String),
        pl.Series("propensity", [one.propensity for one in logged], dtype=pl.Float64),
        pl.Series("arm", [one.arm.value for one in logged], dtype=pl.String),
    )


def still_decided(withdrawn: Sequence[int]) -> pl.Expr:
    """Rows but those of decisions that are none any more."""
    return ~pl.col("decision_id").is_in([global_id("Decision", number) for number in withdrawn])


def _row(debtor: DebtorKey, recommendation: Recommendation) -> tuple[Any, ...]:
    blocked = [block.rule for block in recommendation.blocked_by]
    head = (debtor.reference, debtor.segment)
    tail = (recommendation.evidence.value, blocked)
    action = recommendation.best
    if action is None:
        return (*head, *(None,) * (len(bulk.SCHEMA) - len(head) - len(tail)), *tail)
    return (*head, *_action(action), *tail)


def _action(action: answers.Action) -> tuple[Any, ...]:
    expected = action.expected
    net = expected.net[0] if expected.net else None
    opened, paid = expected.seconds_to_open, expected.seconds_to_pay
    return (
        action.channel.value,
        Weekday(action.weekday).value,
        action.hour,
        action.template,
        action.send_at,
        expected.delivery_rate,
        expected.open_rate,
        expected.click_rate,
        expected.conversion_rate,
        expected.collected[0].amount if expected.collected else None,
        expected.cost[0].amount if expected.cost else None,
        opened.p50 if opened else None,
        opened.p90 if opened else None,
        paid.p50 if paid else None,
        paid.p90 if paid else None,
        net.amount if net else None,
        net.currency if net else None,
    )
