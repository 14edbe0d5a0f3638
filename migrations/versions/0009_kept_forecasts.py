"""forecasts that are kept, and how they did

Revision: 0009_kept_forecasts, after 0008_tenants_to_do.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

TENANT = "(SELECT NULLIF(current_setting('dunwell.tenant_id', true), '')::integer)"

revision = "0009_kept_forecasts"
down_revision = "0008_tenants_to_do"
branch_labels = None
depends_on = None


def upgrade() -> None:
    word = sa.Text(collation="C")
    op.create_table(
        "kept_forecast",
        sa.Column("tenant_id", sa.Integer(), nullable=False),
        sa.Column("made_on", sa.Date(), nullable=False),
        sa.Column("kpi", word, nullable=False),
        sa.Column("currency", word, nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("model_version_id", sa.BigInteger(), nullable=False),
        *(sa.Column(name, sa.Double(), nullable=False) for name in ("p05", "p50", "p95")),
        sa.Column("actual", sa.Double(), nullable=True),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenant.id"], name=op.f("kept_forecast_tenant_id_fkey")),
        sa.ForeignKeyConstraint(
            ["tenant_id", "model_version_id"],
            ["model_version.tenant_id", "model_version.id"],
            name=op.f("kept_forecast_tenant_id_model_version_id_fkey"),
        ),
        sa.PrimaryKeyConstraint(
            "tenant_id", "made_on", "kpi", "currency", "day", name=op.f("kept_forecast_pkey")
        ),
    )
    op.create_index(
        "kept_forecast_open_idx",
        "kept_forecast",
        ["tenant_id", "day"],
        postgresql_where=sa.text("actual IS NULL"),
    )
    op.create_index(
        "kept_forecast_model_version_id_idx", "kept_forecast", ["tenant_id", "model_version_id", "day"]
    )
    op.execute("GRANT SELECT, INSERT, UPDATE, DELETE ON kept_forecast TO dunwell_app")
    op.execute("ALTER TABLE kept_forecast ENABLE ROW LEVEL SECURITY")
    op.execute("ALTER TABLE kept_forecast FORCE ROW LEVEL SECURITY")
    op.execute(
        f"CREATE POLICY own ON kept_forecast USING (tenant_id = {TENANT}) WITH CHECK (tenant_id = {TENANT})"
    )
    json = postgresql.JSONB(astext_type=sa.Text())
    op.add_column(
        "model_version", sa.Column("backtest", json, server_default=sa.text("'[]'::jsonb"), nullable=False)
    )
    op.add_column("model_version", sa.Column("drift", json, nullable=True))


def downgrade() -> None:
    op.drop_column("model_version", "drift")
    op.drop_column("model_version", "backtest")
    op.drop_table("kept_forecast")
