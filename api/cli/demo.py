"""The verb behind `make run`: a demo portfolio taken through the whole flow, then served."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from api.cli import edge
from api.cli.facts import import_quietly, write_demo_portfolio
from api.cli.serving import HostOption, PortOption
from api.cli.training import train_and_wait
from domain.vocabulary import ModelStatus, Promotion, Role

if TYPE_CHECKING:
    from api.databases import DatabaseServer
    from api.settings import Settings
    from domain.storage.models import ModelVersion

TENANT = "demo"
_SEED = 1


@edge.app.command()
def demo(
    host: HostOption = "127.0.0.1",
    port: PortOption = 8000,
    debtors: Annotated[
        int, typer.Option(min=40, help="How many debtors to simulate the first time.")
    ] = 5_000,
) -> None:
    """Simulate a portfolio, import it, train on it, and serve it. The second time: serve it.

    A model that another build of dunwell stored, and this one cannot read, is trained again first.
    """
    from api.serving import listen, serve

    settings = edge.settings()
    with listen(host, port) as listener, edge.server() as server:
        key = prepare(server, settings, debtors)
        serve(server, settings, listener, on_ready=lambda address: announce(address, key))


def prepare(server: DatabaseServer, settings: Settings, debtors: int) -> str:
    """Do what is still to be done of the demo, and answer its API key."""
    folder = settings.home / TENANT
    if not edge.wait_for(_has_tenant(server)):
        edge.err.print(
            "The demo: a portfolio is simulated, imported and learned from. The next start is quick."
        )
        edge.wait_for(_make_tenant(server))
    newest = edge.wait_for(_newest_model(server))
    if newest is None:
        if not (folder / "facts").exists():
            _simulate(folder, debtors)
        import_quietly(server, TENANT, folder / "facts", folder / "rejects.csv")
    if newest is None or _is_of_another_build(newest, settings):
        trained = train_and_wait(server, TENANT, as_of=None, promote=Promotion.AUTO)
        if trained.status != ModelStatus.CHAMPION:
            card = f"dunwell card --tenant {TENANT} --version {trained.version}"
            edge.err.print(f"Its gate does not let the new model decide; why: {card}", markup=False)
    return _kept_key(server, folder / "key")


def announce(address: str, key: str) -> None:
    """Where everything is, and how to get in."""
    edge.out.print(
        f"""
dunwell is serving at {address}

  GraphiQL, with the first query of each kind of user ready:
    {address}/graphql#key={key}

  API key (ADMIN of the tenant "{TENANT}"): {key}

Stop with Ctrl-C; the data stay.""",
        markup=False,
    )


def _simulate(folder: Path, debtors: int) -> None:
    # Under another name until it is whole: an interrupted simulation begins anew.
    draft = folder / "draft" / "facts"
    with edge.progress_bar(f"Simulating {debtors:,} debtors"):
        truth = write_demo_portfolio(draft, debtors=debtors, seed=_SEED, end=datetime.now(UTC).date())
    truth.replace(folder / truth.name)
    draft.replace(folder / "facts")


async def _has_tenant(server: DatabaseServer) -> bool:
    from api.databases import open_database

    async with open_database(server) as database:
        return await database.tenant_id(TENANT) is not None


async def _make_tenant(server: DatabaseServer) -> None:
    from domain.storage.tenants import create_tenant

    await create_tenant(server.owner_url, key=TENANT, name="Demo", currency="EUR")


async def _newest_model(server: DatabaseServer) -> ModelVersion | None:
    from domain.storage.reads.models import page_of_versions

    async with (
        edge.tenant(server, TENANT) as (database, tenant_id),
        database.transaction(tenant_id) as connection,
    ):
        newest = await page_of_versions(connection, tenant_id, first=1, position=None)
    return newest.rows[0] if newest.rows else None


def _is_of_another_build(newest: ModelVersion, settings: Settings) -> bool:
    """Whether this build cannot read it, which is said in a line; of the newest, so that the next start is quick
    whatever the gate says of the one trained now."""
    from api.training.signing import signing_key
    from ml.artefact import ArtefactIncompatible, ArtefactTampered, check_manifest

    try:
        check_manifest(newest.manifest, signing_key(settings))
    except ArtefactIncompatible:
        edge.err.print(
            "The demo's model is of another build, which this one cannot read: it is trained again."
        )
        return True
    except ArtefactTampered:
        return False  # the key it was signed with may come back; whoever asks for advice is told
    return False


def _kept_key(server: DatabaseServer, path: Path) -> str:
    """The demo's key, kept readable by this user alone: a demo whose key is lost would be of no use."""
    if path.exists():
        return path.read_text(encoding="ascii").strip()
    key = edge.wait_for(_make_key(server))
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="ascii") as file:
        file.write(key + "\n")
    return key


async def _make_key(server: DatabaseServer) -> str:
    from api.auth import create_key

    async with edge.tenant(server, TENANT) as (database, tenant_id):
        return await create_key(database, tenant_id, Role.ADMIN, label="make run", now=datetime.now(UTC))
