"""an account or agent without an end has none, in place of an infinite day

Revision: 0019_no_end, after 0018_kept_forecast_open.
"""

from alembic import op

revision = "0019_no_end"
down_revision = "0018_kept_forecast_open"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Row-level security binds the owner too: tenant by tenant."""
    op.execute(
        """
        DO $$
        DECLARE
            one integer;
            former text := current_setting('dunwell.tenant_id', true);
        BEGIN
            FOR one IN SELECT all_tenant_ids() LOOP
                PERFORM set_config('dunwell.tenant_id', one::text, true);
                UPDATE account SET closed_on = NULL WHERE tenant_id = one AND closed_on = 'infinity';
                UPDATE agent SET active_to = NULL WHERE tenant_id = one AND active_to = 'infinity';
            END LOOP;
            PERFORM set_config('dunwell.tenant_id', coalesce(former, ''), true);
        END
        $$
        """
    )


def downgrade() -> None:
    """Nothing: no end says the same."""
