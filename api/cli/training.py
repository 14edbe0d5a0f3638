"""The verb that trains models and waits for them."""

from __future__ import annotations

import asyncio
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from api.cli import edge
from domain.vocabulary import ModelStatus, Promotion, RunStatus

if TYPE_CHECKING:
    from api.databases import DatabaseServer
    from domain.storage.models import ModelVersion
    from domain.storage.sessions import Database
    from domain.storage.training_runs import StoredRun

_POLL_SECONDS = 0.25
_LOOK_FOR_WORKER_EVERY = 20  # polls


@edge.app.command()
def train(
    tenant: edge.TenantOption,
    as_of: edge.AsOfOption = None,
    promote: Annotated[
        Promotion, typer.Option(help="AUTO: promote the model if the gate passes.", case_sensitive=False)
    ] = Promotion.AUTO,
) -> None:
    """Train, evaluate, gate and promote; waits.

    A model that does not pass the gate, or whose champion was trained on newer data, stays CHALLENGER; the reasons are
    printed, and how it is promoted all the same. The exit status is 0, for that too is a result. A training that is
    under way already is joined.
    """
    with edge.server() as server:
        trained = train_and_wait(server, tenant, as_of=as_of, promote=promote)
    show(trained)


def train_and_wait(
    server: DatabaseServer, tenant: str, *, as_of: datetime | None, promote: Promotion
) -> ModelVersion:
    """Start or join the tenant's training, do the work here unless a worker does it, and answer what came of it.

    Raises:
        CommandError: with the run's error, or TRAINING_CANCELLED.
    """
    with ExitStack() as work:
        # Where it is to be as if it were then, no forecast of today is kept.
        hands = _Hands(server, work, keeps_forecasts=as_of is None)
        run, version = edge.wait_for(_train(server, tenant, as_of, promote, hands))
    if version is not None:
        return version
    if run.status == RunStatus.CANCELLED:
        raise edge.CommandError("TRAINING_CANCELLED", f"Training run {run.id} was cancelled.")
    raise edge.CommandError(run.error_code or "TRAINING_FAILED", run.error_message or "Training failed.")


@dataclass
class _Hands:
    """Does the work in this process when nobody else would."""

    server: DatabaseServer
    work: ExitStack
    keeps_forecasts: bool
    own: bool = False

    def lend(self) -> None:
        from api.jobs.slots import any_worker_alive
        from api.working import training_worker

        if not self.own and not any_worker_alive(self.server.app_url):
            worker = training_worker(self.server, edge.settings(), keeps_forecasts=self.keeps_forecasts)
            self.work.enter_context(worker)
            self.own = True


async def _train(
    server: DatabaseServer, tenant: str, as_of: datetime | None, promote: Promotion, hands: _Hands
) -> tuple[StoredRun, ModelVersion | None]:
    from api.answers import Failure
    from api.wiring import open_champions, open_training
    from domain.audit import operator
    from domain.storage.models import find_version

    asked_at = datetime.now(UTC)
    async with edge.tenant(server, tenant) as (database, tenant_id):
        with (
            open_champions(database, edge.settings()) as champions,
            open_training(server, database, champions) as training,
        ):
            started = await training.start(
                tenant_id, as_of=as_of, promote=promote, by=operator(datetime.now(UTC))
            )
        if isinstance(started, Failure):
            raise edge.CommandError(started.code, started.message)
        await _tell_if_joined(database, tenant_id, started.id, asked_at)
        run = await _follow(database, tenant_id, started.id, hands)
        if run.status != RunStatus.SUCCEEDED or run.model_version_id is None:
            return run, None
        async with database.transaction(tenant_id) as connection:
            return run, await find_version(connection, tenant_id, run.model_version_id)


async def _tell_if_joined(database: Database, tenant_id: int, run_id: int, asked_at: datetime) -> None:
    """What comes is then of another instant than was asked for, perhaps one that a killed command left behind."""
    from domain.storage.training_runs import find_run

    async with database.transaction(tenant_id) as connection:
        run = await find_run(connection, tenant_id, run_id)
    if run is not None and run.requested_at < asked_at:
        edge.err.print(
            f"A training as of {run.as_of.astimezone(UTC).isoformat()} was under way already: it is carried on, and "
            "this is what comes of it. To train on later facts, train again."
        )


async def _follow(database: Database, tenant_id: int, run_id: int, hands: _Hands) -> StoredRun:
    from domain.storage.training_runs import find_run

    polls = 0
    with edge.progress_bar("Training") as show:
        while True:
            if polls % _LOOK_FOR_WORKER_EVERY == 0:
                await asyncio.to_thread(hands.lend)
            async with database.transaction(tenant_id) as connection:
                run = await find_run(connection, tenant_id, run_id)
            if run is None or not run.live:
                break
            show(run.stage, run.progress)
            polls += 1
            await asyncio.sleep(_POLL_SECONDS)
    if run is None:
        raise edge.CommandError("NOT_FOUND", f"Training run {run_id} is gone.")
    return run


def show(version: ModelVersion) -> None:
    """Print what came of a training: figures, gate, and how to promote what the gate did not."""
    edge.out.print(
        f"Version {version.version}: {version.status}, trained on {version.rows:,} communications "
        f"from {_day(version.data_from)} to {_day(version.data_to)}."
    )
    for metric in version.metrics:
        value, baseline = metric.get("value"), metric.get("baseline")
        compared = f" (baseline {baseline:.4g})" if baseline is not None else ""
        edge.out.print(
            f"  {metric['name']}: {'unknown' if value is None else f'{value:.4g}'}{compared}", markup=False
        )
    for check in version.gate.get("checks", []):
        verdict = {True: "passed", False: "NOT passed", None: "cannot be known"}[check["passed"]]
        edge.out.print(f"  gate, {check['name']}: {verdict}. {check['message']}", markup=False)
    if version.status == ModelStatus.CHALLENGER and not _is_older_than_the_champion(version):
        edge.out.print(_by_hand(version), markup=False)


def _is_older_than_the_champion(version: ModelVersion) -> bool:
    checks = version.gate.get("checks", [])
    return any(check["name"] == "not_older_than_champion" and check["passed"] is False for check in checks)


def _by_hand(version: ModelVersion) -> str:
    from api.graphql.ids import global_id

    promote = f'promoteModel(id: "{global_id("ModelVersion", version.id)}")'
    return (
        "It does not decide unless somebody promotes it, with a key of OPS or ADMIN: "
        f"mutation {{ {promote} {{ ... on ModelVersion {{ status }} ... on UserError {{ message }} }} }}"
    )


def _day(instant: datetime) -> str:
    return instant.astimezone(UTC).date().isoformat()
