"""What was decided, alone or in campaigns."""

from sqlalchemy import BigInteger, Boolean, Column, Double, Index, Integer, Text, text
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

from domain.storage.tables.columns import C, instant, one_of, refers_to, tenant_table
from domain.vocabulary import Arm, CampaignStatus

campaign = tenant_table(
    "campaign",
    Column("name", Text, nullable=False),
    *one_of(
        "status", CampaignStatus
    ),  # CANCELLED is kept; whether it runs follows from its window and the clock
    Column("request", JSONB, nullable=False),  # the PlanCampaignInput, as given
    Column("blocked_count", Integer, nullable=False),
    Column("expected", JSONB, nullable=False),
    Column("model_version_id", BigInteger),
    instant("planned_at", nullable=False),
    instant("starts_at", nullable=False),
    instant("ends_at", nullable=False),
    Column("planned_count", Integer, nullable=False),
    Column("held_out_count", Integer, nullable=False),
    Column("by_channel", JSONB, nullable=False),  # channel → contacts planned
    refers_to("model_version", "model_version_id"),
)

decision = tenant_table(
    "decision",
    Column("debtor_id", BigInteger, nullable=False),
    instant("decided_at", nullable=False),
    Column("action", JSONB),  # null: leave alone
    Column("propensity", Double, nullable=False),
    Column("explored", Boolean, nullable=False),
    *one_of("arm", Arm),
    Column("eligible", ARRAY(C), nullable=False),  # channel:hours-of-week (EMAIL:8-20), what was chosen from
    Column("blocked_by", JSONB, nullable=False),
    Column("seed", BigInteger, nullable=False),
    Column("model_version_id", BigInteger),
    Column("rules_version", C, nullable=False),
    Column("policy", C, nullable=False, server_default="RECOMMENDED@1"),
    Column("reasons", JSONB, nullable=False, server_default=text("'[]'::jsonb")),
    Column("campaign_id", BigInteger),
    refers_to("debtor", "debtor_id"),
    refers_to("model_version", "model_version_id"),
    refers_to("campaign", "campaign_id"),
    Index("decision_debtor_id_idx", "tenant_id", "debtor_id", "decided_at"),
    Index(
        "decision_campaign_id_idx",
        "tenant_id",
        "campaign_id",
        "id",
        postgresql_where=text("campaign_id IS NOT NULL"),
    ),
)
