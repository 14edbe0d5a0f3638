"""Models, how they were trained and what they forecast."""

from sqlalchemy import (
    BigInteger,
    Column,
    Date,
    Double,
    Index,
    Integer,
    LargeBinary,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

from domain.storage.tables.columns import C, instant, one_of, refers_to, tenant_table
from domain.vocabulary import ModelStatus, RunStatus

model_version = tenant_table(
    "model_version",
    Column("version", Integer, nullable=False),
    *one_of("status", ModelStatus),
    Column("recipe", C, nullable=False),
    instant("trained_at", nullable=False),
    instant("data_from", nullable=False),
    instant("data_to", nullable=False),
    Column("rows", BigInteger, nullable=False),
    Column("metrics", JSONB, nullable=False),
    Column("gate", JSONB, nullable=False),
    Column("manifest", JSONB, nullable=False),
    Column("artefact", LargeBinary, nullable=False),
    instant("promoted_at"),
    Column("backtest", JSONB, nullable=False, server_default=text("'[]'::jsonb")),
    Column("drift", JSONB),  # how its kept forecasts have done; null: none could be judged yet
    UniqueConstraint("tenant_id", "version"),
    Index(
        "model_version_champion_idx", "tenant_id", unique=True, postgresql_where=text("status = 'CHAMPION'")
    ),
)

training_run = tenant_table(
    "training_run",
    *one_of("status", RunStatus),
    Column("stage", Text, nullable=False),
    Column("progress", Double, nullable=False, server_default="0"),
    instant("as_of", nullable=False),
    Column("promote", C, nullable=False),
    instant("requested_at", nullable=False),
    instant("started_at"),
    instant("finished_at"),
    Column("error_code", C),
    Column("error_message", Text),
    Column("model_version_id", BigInteger),
    refers_to("model_version", "model_version_id"),
    Index(
        "training_run_live_idx",
        "tenant_id",
        unique=True,
        postgresql_where=text("status IN ('QUEUED', 'RUNNING')"),
    ),
)

# What was forecast on a day (`made_on`, the first day ahead) in total, as sent lately; `actual` once it is settled.
kept_forecast = tenant_table(
    "kept_forecast",
    Column("made_on", Date, nullable=False),
    Column("kpi", C, nullable=False),
    Column("currency", C, nullable=False),  # empty: not per currency
    Column("day", Date, nullable=False),
    Column("model_version_id", BigInteger, nullable=False),
    *(Column(name, Double, nullable=False) for name in ("p05", "p50", "p95")),
    Column("actual", Double),
    refers_to("model_version", "model_version_id"),
    Index("kept_forecast_model_version_id_idx", "tenant_id", "model_version_id", "day"),
    keyed=("made_on", "kpi", "currency", "day"),
)
