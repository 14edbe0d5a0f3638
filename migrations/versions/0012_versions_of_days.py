"""a version for each counted day, so that what was read of it can be remembered

Revision: 0012_versions_of_days, after 0010_audit_by_action.
"""

import sqlalchemy as sa
from alembic import op

revision = "0012_versions_of_days"
down_revision = "0010_audit_by_action"
branch_labels = None
depends_on = None


def upgrade() -> None:
    version = sa.Column("version", sa.Uuid(), server_default=sa.text("gen_random_uuid()"), nullable=False)
    op.add_column("message_day", version)


def downgrade() -> None:
    op.drop_column("message_day", "version")
