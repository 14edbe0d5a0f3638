"""Verbs that prepare a database: migrate, tenant create, key create."""

from datetime import UTC, datetime
from typing import Annotated

import typer

from api.cli import edge
from domain.vocabulary import Role

tenants = typer.Typer(help="Tenants: the creditors whose debtors these are.", no_args_is_help=True)
keys = typer.Typer(help="API keys of a tenant.", no_args_is_help=True)
edge.app.add_typer(tenants, name="tenant")
edge.app.add_typer(keys, name="key")


@edge.app.command()
def migrate() -> None:
    """Bring the database to the newest schema."""
    from api.migrating import migrate as bring_up

    with edge.server() as server:
        edge.out.print(f"The database is at revision {bring_up(server.owner_url)}.")


@tenants.command("create")
def create_tenant(
    key: Annotated[str, typer.Argument(metavar="KEY", help="Its short name, e.g. acme: a-z, 0-9, - and _.")],
    name: Annotated[str, typer.Option(help="Its name as people write it.")],
    currency: Annotated[
        str, typer.Option(help="ISO 4217: what its decisions are ranked in when accounts differ.")
    ] = "EUR",
) -> None:
    """Make a tenant."""
    from api.databases import open_database
    from domain.storage.tenants import create_tenant as create

    with edge.server() as server:

        async def make() -> int:
            async with open_database(server):  # fit for use, so that a later error is about the tenant
                return await create(server.owner_url, key=key, name=name, currency=currency.upper())

        edge.wait_for(make())
    edge.out.print(
        f"Tenant {key} is there. Next: dunwell key create --tenant {key} --role ADMIN", markup=False
    )


@keys.command("create")
def create_key(
    tenant: edge.TenantOption,
    role: Annotated[Role, typer.Option(help="What the key may do.", case_sensitive=False)],
    label: Annotated[str, typer.Option(help="What it is for, to tell keys apart.")] = "",
) -> None:
    """Print a new API key. It is shown this once and stored only as a hash."""
    from api.auth import create_key as create

    with edge.server() as server:

        async def make() -> str:
            async with edge.tenant(server, tenant) as (database, tenant_id):
                return await create(database, tenant_id, role, label=label, now=datetime.now(UTC))

        edge.out.print(edge.wait_for(make()), markup=False)
