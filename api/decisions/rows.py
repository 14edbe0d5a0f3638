"""A plan as a file's rows: the columns of recommendations, and what makes each a decision."""

from collections.abc import Sequence

import polars as pl

from api.answers import Recommendation
from api.graphql.ids import global_id
from api.recommendations import bulk
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
    return bulk.frame_of(list(debtors), advice).with_columns(
        pl.Series("decision_id", [global_id("Decision", number) for number in numbers], dtype=pl.String),
        pl.Series("propensity", [one.propensity for one in logged], dtype=pl.Float64),
        pl.Series("arm", [one.arm.value for one in logged], dtype=pl.String),
    )
