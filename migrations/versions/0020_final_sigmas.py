"""names are looked up with one small sigma, wherever in a word it stands

Revision: 0020_final_sigmas, after 0019_no_end.
"""

import sqlalchemy as sa
from alembic import op

revision = "0020_final_sigmas"
down_revision = "0019_no_end"
branch_labels = None
depends_on = None

_TENANT = sa.text("SELECT set_config('dunwell.tenant_id', :tenant, true)")


def upgrade() -> None:
    """Whose key changes is looked at again, for segment rules may ask for names.

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
                UPDATE debtor SET name_key = replace(name_key, 'ς', 'σ'), state_until = least(state_until, now())
                WHERE tenant_id = one AND name_key LIKE '%ς%';
            END LOOP;
            PERFORM set_config('dunwell.tenant_id', coalesce(former, ''), true);
        END
        $$
        """
    )


def downgrade() -> None:
    """Lower case as Python has it, which tells the last sigma of a word from others."""
    connection = op.get_bind()
    former = connection.execute(sa.text("SELECT current_setting('dunwell.tenant_id', true)")).scalar()
    for tenant_id in connection.scalars(sa.text("SELECT all_tenant_ids()")).all():
        connection.execute(_TENANT, {"tenant": str(tenant_id)})
        names = "SELECT id, name FROM debtor WHERE tenant_id = :tenant_id AND name_key LIKE '%σ%'"
        found = connection.execute(sa.text(names), {"tenant_id": tenant_id}).all()
        keys = [{"tenant_id": tenant_id, "id": one.id, "key": one.name.lower()} for one in found]
        if keys:
            own = "UPDATE debtor SET name_key = :key WHERE tenant_id = :tenant_id AND id = :id"
            connection.execute(sa.text(own), keys)
    connection.execute(_TENANT, {"tenant": former or ""})
