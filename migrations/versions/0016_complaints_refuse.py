"""a complaint closes its channel, as unsubscribing does: an index for both, and who has complained is looked at again

Revision: 0016_complaints_refuse, after 0015_stated_or_followed.
"""

import sqlalchemy as sa
from alembic import op

revision = "0016_complaints_refuse"
down_revision = "0015_stated_or_followed"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index(
        "event_refusal_idx",
        "event",
        ["tenant_id", "debtor_id"],
        postgresql_where=sa.text("kind IN ('UNSUBSCRIBED', 'COMPLAINED')"),
    )
    op.drop_index("event_unsubscribed_idx", table_name="event")
    _derive_again()


def downgrade() -> None:
    _derive_again()
    op.create_index(
        "event_unsubscribed_idx",
        "event",
        ["tenant_id", "debtor_id"],
        postgresql_where=sa.text("kind = 'UNSUBSCRIBED'"),
    )
    op.drop_index("event_refusal_idx", table_name="event")


def _derive_again() -> None:
    """Mark those who complained as due, for segment rules may ask by which channels they are reached.

    Row-level security binds the owner too: tenant by tenant.
    """
    op.execute(
        """
        DO $$
        DECLARE
            one integer;
            former text := current_setting('dunwell.tenant_id', true);
        BEGIN
            FOR one IN SELECT all_tenant_ids() LOOP
                PERFORM set_config('dunwell.tenant_id', one::text, true);
                UPDATE debtor d SET state_until = least(d.state_until, now())
                WHERE d.tenant_id = one AND EXISTS (
                    SELECT FROM event e
                    WHERE e.tenant_id = one AND e.debtor_id = d.id AND e.kind = 'COMPLAINED'
                );
            END LOOP;
            PERFORM set_config('dunwell.tenant_id', coalesce(former, ''), true);
        END
        $$
        """
    )
