"""Verbs that prepare a database: migrate, tenant create, tenant set."""

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from api.cli import edge

tenants = typer.Typer(help="Tenants: the creditors whose debtors these are.", no_args_is_help=True)
edge.app.add_typer(tenants, name="tenant")


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


@tenants.command("set")
def set_tenant(
    key: Annotated[str, typer.Argument(metavar="KEY", help="The tenant's key.")],
    contact_rules: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE.json",
            exists=True,
            dir_okay=False,
            help="Contact rules that bind besides those of each debtor's jurisdiction (docs/contact-rules.md).",
        ),
    ] = None,
    hold_out_share: Annotated[
        float | None,
        typer.Option(
            min=0, max=0.9, help="The share of debtors that decisions never contact, to measure lift."
        ),
    ] = None,
) -> None:
    """Set how a tenant's decisions are made. What is not named stays as it is."""
    from api.databases import open_database
    from domain.storage.tenants import change_settings

    changes: dict[str, Any] = {}
    if contact_rules is not None:
        changes["contact_rules"] = _rules(contact_rules)
    if hold_out_share is not None:
        changes["hold_out_share"] = hold_out_share
    if not changes:
        raise edge.CommandError("NOTHING_TO_SET", "Name what to set; see dunwell tenant set --help.")
    with edge.server() as server:

        async def change() -> None:
            async with open_database(server):
                await change_settings(server.owner_url, key=key, changes=changes)

        edge.wait_for(change())
    edge.out.print(f"Set for tenant {key}: {', '.join(changes)}.", markup=False)


def _rules(path: Path) -> dict[str, Any]:
    from domain.contact_rules.tenant_rules import tenant_presets

    try:
        rules = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise edge.CommandError("BAD_CONTACT_RULES", f"{path} is no JSON: {error}.") from None
    if not isinstance(rules, dict):
        raise edge.CommandError("BAD_CONTACT_RULES", f"{path} holds no object of rules.")
    tenant_presets(rules)
    return rules
