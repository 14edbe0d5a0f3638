"""an index for the audit log by action

Revision: 0010_audit_by_action, after 0009_kept_forecasts.
"""

from alembic import op

revision = "0010_audit_by_action"
down_revision = "0009_kept_forecasts"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index("audit_entry_action_idx", "audit_entry", ["tenant_id", "action", "at", "id"])


def downgrade() -> None:
    op.drop_index("audit_entry_action_idx", table_name="audit_entry")
