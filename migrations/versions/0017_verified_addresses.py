"""an address proven after a hard bounce is open again: who has one is looked at again

Revision: 0017_verified_addresses, after 0016_complaints_refuse.
"""

from alembic import op

revision = "0017_verified_addresses"
down_revision = "0016_complaints_refuse"
branch_labels = None
depends_on = None


def upgrade() -> None:
    _derive_again()


def downgrade() -> None:
    _derive_again()


def _derive_again() -> None:
    """Mark them as due, for segment rules may ask by which channels they are reached.

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
                    SELECT FROM contact_point p
                    JOIN communication c ON c.tenant_id = one AND c.debtor_id = p.debtor_id AND c.channel = p.channel
                    WHERE p.tenant_id = one AND p.debtor_id = d.id AND p.verified_at > c.bounced_hard_at
                );
            END LOOP;
            PERFORM set_config('dunwell.tenant_id', coalesce(former, ''), true);
        END
        $$
        """
    )
