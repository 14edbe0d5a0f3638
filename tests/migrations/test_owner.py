"""What docs/ gives the owner of the tables to run, as that owner: row-level security binds it too."""

import re

import psycopg

from api.migrating import migrate
from domain.storage.tenants import create_tenant
from tests.conftest import ROOT


def _statements(page: str, table: str, tenant_id: int) -> list[str]:
    """Those of the page about the table, for a tenant, of entries of any age."""
    found = re.search(rf"`(SET dunwell[^`]* {table}\b[^`]*)`", (ROOT / "docs" / page).read_text())
    assert found
    return [
        re.sub(r"\b7\b", str(tenant_id), one.replace("7 years", "0 years"))
        for one in found[1].split(";")
        if one
    ]


async def test_the_owner_counts_days_that_wait_and_ends_old_audit_entries(plain_url: str) -> None:
    migrate(plain_url)
    await create_tenant(plain_url, key="other", name="Other", currency="EUR")
    tenant_id = await create_tenant(plain_url, key="acme", name="Acme", currency="EUR")
    with psycopg.connect(plain_url, autocommit=True) as connection:
        assert ("acme", tenant_id) in connection.execute("SELECT key, id FROM tenant").fetchall()
        setting, counting = _statements("operations.md", "dirty_day", tenant_id)
        connection.execute(setting.encode())
        connection.execute(
            "INSERT INTO dirty_day (tenant_id, day) VALUES (%s, '2026-05-01'), (%s, '2026-05-02')",
            [tenant_id, tenant_id],
        )
    with psycopg.connect(plain_url, autocommit=True) as connection:
        connection.execute(setting.encode())
        assert connection.execute(counting.encode()).fetchall() == [(2,)]
        setting, deleting = _statements("security.md", "audit_entry", tenant_id)
        connection.execute(setting.encode())
        assert connection.execute(deleting.encode()).rowcount == 1
