"""Training as a durable workflow: begun once, finished once, whatever happens to the process in between.

A step that was interrupted is done again from its start, so each leaves the same state when repeated: beginning keeps
the first instant, exporting keeps a whole export, learning stores at most one version per run, promoting a champion
keeps it. The run's row is what people see; DBOS's own tables only say where to go on.
"""

import asyncio
import errno
import logging
import shutil
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

from dbos import DBOS, DBOSConfiguredInstance

from api.logs import log_failure
from domain.storage import training_runs
from domain.storage.models import (
    ModelError,
    TrainedVersion,
    find_version,
    place_of,
    promote,
    store_version,
)
from domain.storage.outages import UNREACHABLE, outage_of
from domain.storage.sessions import Database
from domain.storage.training_runs import RunEnded, StoredRun
from domain.vocabulary import Promotion

logger = logging.getLogger("dunwell.training")

INSTANCE = "training"
WORKFLOW = "train_models"
CLASS = "TrainingJobs"

#: A training that took its worker down with it this often is given up (out of memory, say).
MOST_ATTEMPTS = 5

Progress = Callable[[str, float], None]
"""Tell the stage and how much of the learning is done (0 to 1); raises RunEnded when nobody wants it any more."""

_QUIET_SECONDS = 0.5

#: With pauses that double from one second on these are two minutes, in which a database that was restarted, or another
#: that takes its place, is back.
_TRIES = 8


class Learner(Protocol):
    """What a training does between the database and the database."""

    async def export(self, database: Database, tenant_id: int, *, as_of: datetime, folder: Path) -> None:
        """Write the tenant's history as known at `as_of` into `folder`, unless it is there already and whole."""
        ...

    async def champion(self, database: Database, tenant_id: int) -> object | None:
        """The model that decides now, for the comparison; None before the first."""
        ...

    def learn(
        self,
        folder: Path,
        *,
        as_of: datetime,
        champion: object | None,
        now: datetime,
        place: str,
        progress: Progress,
    ) -> TrainedVersion:
        """Train, evaluate and judge; busy for minutes, so never on an event loop. place: whose the model will be."""
        ...


class CannotLearn(Exception):
    """This history, or the machine, allows no model; `code` and message are for whoever asked for the training."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code

    def __reduce__(self) -> tuple[type["CannotLearn"], tuple[str, str]]:  # kept as a step's outcome
        return type(self), (self.code, str(self))


@DBOS.dbos_class()
class TrainingJobs(DBOSConfiguredInstance):
    """The training workflow of one worker, with what its steps need."""

    def __init__(self, database: Database, learner: Learner, folder: Path) -> None:
        """folder: where histories are kept while they are learned from."""
        super().__init__(INSTANCE)
        self._database = database
        self._learner = learner
        self._folder = folder

    @DBOS.workflow(name=WORKFLOW, max_recovery_attempts=MOST_ATTEMPTS)
    async def train_models(self, tenant_id: int, run_id: int) -> None:
        """Take a queued run to its end; the outcome stands in the run's row."""
        try:
            await self.begin(tenant_id, run_id)
            await self.export(tenant_id, run_id)
            version_id = await self.learn(tenant_id, run_id)
            await self.settle(tenant_id, run_id, version_id)
        except RunEnded:
            logger.info("training run %d of tenant %d has ended already", run_id, tenant_id)
        except CannotLearn as error:
            await self.fail(tenant_id, run_id, error.code, str(error))
        except Exception as error:
            log_failure(error, where=["train_models", tenant_id, run_id])
            await self.fail(
                tenant_id,
                run_id,
                "TRAINING_FAILED",
                f"Training failed; the worker's log says why (run {run_id}).",
            )
        finally:
            shutil.rmtree(self._kept(tenant_id, run_id), ignore_errors=True)

    @DBOS.step(retries_allowed=True, max_attempts=_TRIES, should_retry=lambda error: not _expected(error))
    async def begin(self, tenant_id: int, run_id: int) -> None:
        """Mark the run as running."""
        async with self._database.transaction(tenant_id) as connection:
            await training_runs.begin_run(connection, tenant_id, run_id, now=datetime.now(UTC))

    @DBOS.step(retries_allowed=True, max_attempts=_TRIES, should_retry=lambda error: not _expected(error))
    async def export(self, tenant_id: int, run_id: int) -> None:
        """Write down what was known at the run's instant."""
        run = await self._report(tenant_id, run_id, "reading history", 0.02)
        await self._export(run.as_of, tenant_id, run_id)

    @DBOS.step(
        retries_allowed=True, max_attempts=_TRIES, should_retry=lambda error: outage_of(error) is UNREACHABLE
    )
    async def learn(self, tenant_id: int, run_id: int) -> int:
        """Train, judge and store; answers the version's id."""
        run = await self._report(tenant_id, run_id, "learning", 0.1)
        folder = self._kept(tenant_id, run_id)
        # Does nothing, unless another machine has taken over, whose disk never saw the export.
        await self._export(run.as_of, tenant_id, run_id)
        present = await self._learner.champion(self._database, tenant_id)
        loop = asyncio.get_running_loop()
        progress = _Reporter(
            loop, lambda stage, share: self._report(tenant_id, run_id, stage, 0.1 + 0.85 * share)
        )
        now = datetime.now(UTC)
        trained = await asyncio.to_thread(
            self._learner.learn,
            folder,
            as_of=run.as_of,
            champion=present,
            now=now,
            place=place_of(tenant_id, run_id),
            progress=progress,
        )
        async with self._database.transaction(tenant_id) as connection:
            return await store_version(connection, tenant_id, run_id, trained)

    @DBOS.step(retries_allowed=True, max_attempts=_TRIES, should_retry=lambda error: not _expected(error))
    async def settle(self, tenant_id: int, run_id: int, version_id: int) -> None:
        """Promote the version if it may be, and end the run, in one transaction."""
        now = datetime.now(UTC)
        run = await self._report(tenant_id, run_id, "promoting", 0.97)
        async with self._database.transaction(tenant_id) as connection:
            version = await find_version(connection, tenant_id, version_id)
            if run.promote == Promotion.AUTO and version is not None and version.gate["passed"]:
                try:
                    await promote(connection, tenant_id, version_id, now=now)
                except ModelError as error:  # it stays CHALLENGER: a good model all the same
                    logger.info("version of run %d is not promoted: %s", run_id, error)
            await training_runs.succeed_run(connection, tenant_id, run_id, now=now)

    @DBOS.step(retries_allowed=True, max_attempts=_TRIES)
    async def fail(self, tenant_id: int, run_id: int, code: str, message: str) -> None:
        """End the run with an error."""
        async with self._database.transaction(tenant_id) as connection:
            await training_runs.fail_run(
                connection, tenant_id, run_id, code=code, message=message, now=datetime.now(UTC)
            )

    async def _export(self, as_of: datetime, tenant_id: int, run_id: int) -> None:
        folder = self._kept(tenant_id, run_id)
        try:
            await self._learner.export(self._database, tenant_id, as_of=as_of, folder=folder)
        except OSError as error:
            if error.errno not in (errno.ENOSPC, errno.EDQUOT):
                raise
            message = (
                "The worker's disk is full, so the history could not be read: make room on it, then train."
            )
            raise CannotLearn("DISK_FULL", message) from error

    async def _report(self, tenant_id: int, run_id: int, stage: str, progress: float) -> StoredRun:
        async with self._database.transaction(tenant_id) as connection:
            return await training_runs.report_progress(
                connection, tenant_id, run_id, stage=stage, progress=progress
            )

    def _kept(self, tenant_id: int, run_id: int) -> Path:
        return self._folder / f"{tenant_id}-{run_id}"


class _Reporter:
    """Progress from the learning thread to the run's row, at most twice a second."""

    def __init__(
        self, loop: asyncio.AbstractEventLoop, report: Callable[[str, float], Awaitable[StoredRun]]
    ) -> None:
        self._loop = loop
        self._report = report
        self._last = 0.0

    def __call__(self, stage: str, share: float) -> None:
        if self._loop.time() - self._last < _QUIET_SECONDS:
            return
        self._last = self._loop.time()

        async def report() -> None:
            try:
                await self._report(stage, share)
            except Exception as error:
                if outage_of(error) is not UNREACHABLE:  # it is told how far it is once the database is back
                    raise

        telling = report()
        try:
            told = asyncio.run_coroutine_threadsafe(telling, self._loop)
        except RuntimeError:  # the worker has left meanwhile, so this learning is in vain
            telling.close()
            raise
        told.result()


def _expected(error: BaseException) -> bool:
    return isinstance(error, RunEnded | CannotLearn)
