"""what campaigns and decisions record

Revision: 0004_campaigns, after 0002_rollups.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0004_campaigns"
down_revision = "0002_rollups"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column(
        "decision",
        sa.Column("policy", sa.Text(collation="C"), server_default="RECOMMENDED@1", nullable=False),
    )
    op.add_column(
        "decision",
        sa.Column(
            "reasons",
            postgresql.JSONB(astext_type=sa.Text()),
            server_default=sa.text("'[]'::jsonb"),
            nullable=False,
        ),
    )
    for name in ("starts_at", "ends_at"):
        op.add_column("campaign", sa.Column(name, sa.DateTime(timezone=True), nullable=False))
    for name in ("planned_count", "held_out_count"):
        op.add_column("campaign", sa.Column(name, sa.Integer(), nullable=False))
    op.add_column(
        "campaign", sa.Column("by_channel", postgresql.JSONB(astext_type=sa.Text()), nullable=False)
    )


def downgrade() -> None:
    for name in ("by_channel", "held_out_count", "planned_count", "ends_at", "starts_at"):
        op.drop_column("campaign", name)
    for name in ("reasons", "policy"):
        op.drop_column("decision", name)
