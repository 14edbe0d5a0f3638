"""Verbs that prepare a database: migrate, tenant create, tenant set, tenant list."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from api.cli import edge
from domain.collection_settings import MOST_DAYS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from api.databases import DatabaseServer
    from domain.storage.tenants import StoredTenant

_DAY = timedelta(days=1)

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
    key: Annotated[str, typer.Argument(parser=edge.written, metavar="KEY", help="The tenant's key.")],
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
    promise_grace_days: Annotated[
        int | None,
        typer.Option(
            min=0, max=MOST_DAYS, help="Whole days after its due day in which a promise can be kept."
        ),
    ] = None,
    click_window_days: Annotated[
        float | None,
        typer.Option(
            min=0, max=MOST_DAYS, help="How long before a payment a click may lie and be its cause."
        ),
    ] = None,
    open_window_days: Annotated[
        float | None,
        typer.Option(min=0, max=MOST_DAYS, help="The same of an open, or of a call that reached the debtor."),
    ] = None,
) -> None:
    """Set how a tenant's decisions are made and its payments read. What is not named stays as it is.

    When it returns, every KPI is as if grace days and windows had always been so; until then, and if it does not, as if
    nothing had been set.
    """
    given = {
        "contact_rules": None if contact_rules is None else _rules(contact_rules),
        "hold_out_share": hold_out_share,
        "promise_grace_days": promise_grace_days,
        "click_window_days": click_window_days,
        "open_window_days": open_window_days,
    }
    changes = {name: value for name, value in given.items() if value is not None}
    if not changes:
        raise edge.CommandError("NOTHING_TO_SET", "Name what to set; see dunwell tenant set --help.")
    with edge.server() as server, edge.err.status("Setting it, and deriving anew what rests on it"):
        edge.wait_for(_change(server, key, changes))
    edge.out.print(f"Set for tenant {key}: {', '.join(changes)}.", markup=False)


async def _change(server: DatabaseServer, key: str, changes: Mapping[str, Any]) -> None:
    from api.databases import open_database
    from domain.storage.tenants import change_settings

    async with open_database(server):
        await change_settings(server.owner_url, key=key, changes=changes, now=datetime.now(UTC))


@tenants.command("list")
def list_tenants() -> None:
    """Every tenant and its settings."""
    from api.databases import open_database
    from domain.storage.tenants import list_tenants as read

    with edge.server() as server:

        async def find() -> list[StoredTenant]:
            async with open_database(server):
                return await read(server.owner_url)

        for one in edge.wait_for(find()):
            edge.out.print(_shown(one), markup=False)


def _shown(one: StoredTenant) -> str:
    windows = one.collection
    settings = {
        "currency": one.currency,
        "promise-grace-days": windows.promise_grace_days,
        "click-window-days": f"{windows.click_window / _DAY:g}",
        "open-window-days": f"{windows.open_window / _DAY:g}",
        "hold-out-share": f"{one.decisions.hold_out_share:g}",
        "contact-rules": "own" if one.has_contact_rules else "none",
    }
    return f"{one.key} ({one.name}): " + ", ".join(f"{name} {value}" for name, value in settings.items())


def _rules(path: Path) -> dict[str, Any]:
    from domain.contact_rules.tenant_rules import tenant_presets

    try:
        rules = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise edge.CommandError("BAD_CONTACT_RULES", f"{path} is no JSON: {error}.") from None
    except RecursionError:
        raise edge.CommandError("BAD_CONTACT_RULES", f"{path} is nested too deeply.") from None
    if not isinstance(rules, dict):
        raise edge.CommandError("BAD_CONTACT_RULES", f"{path} holds no object of rules.")
    tenant_presets(rules)
    return rules
