"""Verbs about API keys: key create, key list, key revoke."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape

from api.cli import edge
from domain.vocabulary import Role

if TYPE_CHECKING:
    from collections.abc import Sequence

    from domain.storage.keys import StoredKey

keys = typer.Typer(help="API keys of a tenant.", no_args_is_help=True)
edge.app.add_typer(keys, name="key")


@keys.command("create")
def create_key(
    tenant: edge.TenantOption,
    role: Annotated[Role, typer.Option(help="What the key may do.", case_sensitive=False)],
    label: Annotated[
        str, typer.Option(parser=edge.written, metavar="TEXT", help="What it is for, to tell keys apart.")
    ] = "",
    expires: Annotated[
        datetime | None,
        typer.Option(
            parser=edge.instant, metavar="INSTANT", help="When it stops working by itself. Default: never."
        ),
    ] = None,
    personal_data: Annotated[
        bool,
        typer.Option(
            "--personal-data/--no-personal-data",
            help="Whether it may read names, addresses and custom attributes of debtors, and names of agents.",
        ),
    ] = True,
) -> None:
    """Print a new API key. It is shown this once and stored only as a hash."""
    from api.auth import create_key as create

    now = datetime.now(UTC)
    if expires is not None and expires <= now:
        raise edge.CommandError("BAD_EXPIRY", f"{expires.isoformat()} is past; name an instant to come.")
    with edge.server() as server:

        async def make() -> str:
            async with edge.tenant(server, tenant) as (database, tenant_id):
                return await create(
                    database,
                    tenant_id,
                    role,
                    label=label,
                    expires_at=expires,
                    reads_personal_data=personal_data,
                    now=now,
                )

        edge.out.print(edge.wait_for(make()), markup=False)


@keys.command("list")
def list_keys(tenant: edge.TenantOption) -> None:
    """Every key the tenant ever had, by number; their secrets are nowhere."""
    from domain.storage.keys import list_keys as read

    with edge.server() as server:

        async def find() -> list[StoredKey]:
            async with (
                edge.tenant(server, tenant) as (database, tenant_id),
                database.transaction(tenant_id) as connection,
            ):
                return await read(connection, tenant_id)

        _show(edge.wait_for(find()), datetime.now(UTC))


@keys.command("revoke")
def revoke_key(
    number: Annotated[
        int,
        typer.Argument(min=1, max=2**63 - 1, metavar="NUMBER", help="Its number, as `key list` shows it."),
    ],
    tenant: edge.TenantOption,
) -> None:
    """Revoke a key for good; servers refuse it within five seconds."""
    from api.auth import revoke_key as revoke

    with edge.server() as server:

        async def end() -> bool:
            async with edge.tenant(server, tenant) as (database, tenant_id):
                return await revoke(database, tenant_id, number, now=datetime.now(UTC))

        if not edge.wait_for(end()):
            raise edge.CommandError("KEY_UNKNOWN", f"Tenant {tenant} has no key with the number {number}.")
    edge.out.print(f"Key {number} of tenant {tenant} is revoked.", markup=False)


def _show(keys: Sequence[StoredKey], now: datetime) -> None:
    from rich.table import Table

    table = Table("key", "role", "personal", "made", "label", box=None, pad_edge=False)
    table.add_column("state", no_wrap=True)
    for key in keys:
        personal = "yes" if key.reads_personal_data else "no"
        made = key.created_at.astimezone(UTC).date().isoformat()
        table.add_row(str(key.id), key.role, personal, made, escape(key.label), _state(key, now))
    edge.out.print(table)


def _state(key: StoredKey, now: datetime) -> str:
    if key.revoked_at is not None:
        return f"revoked {_minute(key.revoked_at)}"
    if key.expires_at is None:
        return "good"
    return f"{'good until' if key.expires_at > now else 'expired'} {_minute(key.expires_at)}"


def _minute(at: datetime) -> str:
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M}Z"
