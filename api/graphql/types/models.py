"""Models and the training runs that make them."""

from datetime import datetime

import strawberry

from api.answers import Failure
from api.answers import TrainingRun as TrainingRunRow
from api.graphql.context import Info
from api.graphql.fields import resolved
from api.graphql.types.forecast_record import BacktestRow, ForecastDrift
from api.graphql.types.nodes import Node, found_by, linked_node, node_id
from api.training.cards import card_of
from domain.storage.models import ModelVersion as ModelVersionRow
from domain.vocabulary import ModelStatus, RunStatus

_field = strawberry.field


@strawberry.type(description="An expected failure.")
class UserError:
    """An expected failure."""

    code: str = _field(description="Stable and documented, such as NOT_FOUND.")
    message: str = _field(description="What is wrong and what to do, for people.")
    path: list[str] = _field(description="Where in the input; empty: all of it.")

    @classmethod
    def of(cls, failure: Failure) -> "UserError":
        """The error of a failure."""
        return cls(code=failure.code, message=failure.message, path=list(failure.path))


@strawberry.type(description="One figure of a model's evaluation on data it had not seen.")
class Metric:
    """One figure of an evaluation."""

    name: str = _field(
        description="Which figure, such as converted_log_loss: what is measured, and of which step."
    )
    value: float | None = _field(description="The figure; null: it cannot be known from this data.")
    low: float | None = _field(description="Lower end of its 90 % interval; null: none is known.")
    high: float | None = _field(description="Upper end of its 90 % interval; null: none is known.")
    baseline: float | None = _field(
        description="The same figure of the model it must beat; null: there is none."
    )


@strawberry.type(description="One check of the promotion gate.")
class GateCheck:
    """One check of the gate."""

    name: str = _field(description="Which check.")
    passed: bool | None = _field(
        description="null: it cannot be known from this data, and `message` says why."
    )
    value: float | None = _field(description="What was found, in the check's unit; null: nothing.")
    threshold: float | None = _field(description="What it was held against; null: nothing.")
    message: str = _field(description="What was checked and how it came out, for people.")


@strawberry.type(description="Whether a model may serve, and why.")
class Gate:
    """Whether a model may serve."""

    passed: bool = _field(
        description="Whether every check that could be made passed, and those that are needed could be made: else it "
        "decides only when promoted by hand."
    )
    checks: list[GateCheck] = _field(description="The checks.")


@strawberry.type(description="A trained model.")
class ModelVersion(Node):
    """A trained model."""

    version: int = _field(description="Counts up from 1 within the tenant.")
    status: ModelStatus = _field(description="Which part it plays now.")
    trained_at: datetime = _field(description="When it was trained.")
    data_from: datetime = _field(description="The first fact it learned from.")
    data_to: datetime = _field(
        description="The instant of knowledge it was trained at: it saw nothing later."
    )
    rows: int = _field(description="How many communications it learned from.")
    metrics: list[Metric] = _field(description="How it did on data it had not seen.")
    gate: Gate = _field(description="Whether it may serve, and why.")
    card: str = _field(
        description="The model card, in Markdown: what it learned from, its figures with intervals, its gate, intended "
        "use and limits, the evidence per segment and its features."
    )
    backtest: list[BacktestRow] = _field(description="How KPI forecasts did on the history it learned from.")
    drift: ForecastDrift | None = _field(
        description="How the forecasts kept until it last decided have held, those of earlier versions included, back "
        "to the last one that was flagged; null: none can be judged yet."
    )

    @classmethod
    def of(cls, row: ModelVersionRow) -> "ModelVersion":
        """The model version of a row."""
        return cls(
            id=node_id("ModelVersion", row.id),
            version=row.version,
            status=row.status,
            trained_at=row.trained_at,
            data_from=row.data_from,
            data_to=row.data_to,
            rows=row.rows,
            metrics=[
                Metric(
                    name=metric["name"],
                    value=metric.get("value"),
                    low=metric.get("low"),
                    high=metric.get("high"),
                    baseline=metric.get("baseline"),
                )
                for metric in row.metrics
            ],
            gate=Gate(
                passed=row.gate["passed"],
                checks=[
                    GateCheck(
                        name=check["name"],
                        passed=check.get("passed"),
                        value=check.get("value"),
                        threshold=check.get("threshold"),
                        message=check["message"],
                    )
                    for check in row.gate["checks"]
                ],
            ),
            card=card_of(row),
            backtest=[BacktestRow.stored(kept) for kept in row.backtest],
            drift=ForecastDrift.stored(row.drift) if row.drift else None,
        )


@strawberry.type(description="A training: durable, one at a time per tenant.")
class TrainingRun(Node):
    """A training."""

    status: RunStatus = _field(description="How it stands.")
    stage: str = _field(description="What it is doing now, for people.")
    progress: float = _field(description="Share of the work done, 0–1.")
    started_at: datetime | None = _field(description="When it began; null: it waits.")
    finished_at: datetime | None = _field(description="When it ended, however; null: it has not.")
    error: UserError | None = _field(description="Why it failed; null: it did not.")
    model_version_id: strawberry.Private[int | None]

    @resolved("The model it made; null: none yet, or none at all.")
    async def model_version(self, info: Info) -> ModelVersion | None:
        """The model it made."""
        found: ModelVersion | None = await linked_node(info, "ModelVersion", self.model_version_id)
        return found

    @classmethod
    def of(cls, run: TrainingRunRow) -> "TrainingRun":
        """The training run as it stands."""
        return cls(
            id=node_id("TrainingRun", run.id),
            status=run.status,
            stage=run.stage,
            progress=run.progress,
            started_at=run.started_at,
            finished_at=run.finished_at,
            error=UserError.of(run.error) if run.error else None,
            model_version_id=run.model_version_id,
        )


found_by(
    "ModelVersion",
    lambda info, number: info.context.loaders.model_version.load(number),
    lambda row, _: ModelVersion.of(row),
)
found_by(
    "TrainingRun",
    lambda info, number: info.context.services.training.run(info.context.tenant_id, number),
    lambda run, _: TrainingRun.of(run),
)
