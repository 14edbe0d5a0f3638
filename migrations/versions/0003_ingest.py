"""segment rules that wait to be applied; more room for what becomes of communications

Revision: 0003_ingest, after 0004_campaigns.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

TENANT = "(SELECT NULLIF(current_setting('dunwell.tenant_id', true), '')::integer)"

revision = "0003_ingest"
down_revision = "0004_campaigns"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "segment_draft",
        sa.Column("tenant_id", sa.Integer(), nullable=False),
        sa.Column("rules", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("defined_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenant.id"], name=op.f("segment_draft_tenant_id_fkey")),
        sa.PrimaryKeyConstraint("tenant_id", name=op.f("segment_draft_pkey")),
    )
    op.execute("GRANT SELECT, INSERT, UPDATE, DELETE ON segment_draft TO dunwell_app")
    op.execute("ALTER TABLE segment_draft ENABLE ROW LEVEL SECURITY")
    op.execute("ALTER TABLE segment_draft FORCE ROW LEVEL SECURITY")
    op.execute(
        f"CREATE POLICY own ON segment_draft USING (tenant_id = {TENANT}) WITH CHECK (tenant_id = {TENANT})"
    )
    # Pages filled from now on: a third version of a row, which its events make longer, fits beside the first two.
    op.execute("ALTER TABLE communication SET (fillfactor = 42)")


def downgrade() -> None:
    op.execute("ALTER TABLE communication SET (fillfactor = 45)")
    op.drop_table("segment_draft")
