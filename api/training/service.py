"""Training runs and model versions as the API and the commands ask for them."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime

from api.answers import Failure, TrainingRun
from api.jobs.queue import JobQueue
from domain.audit import Signature
from domain.import_format.times import FIRST_YEAR
from domain.storage import models, training_runs
from domain.storage.audit import record
from domain.storage.models import ModelError
from domain.storage.sessions import Database
from domain.storage.training_runs import StoredRun, TrainingRunError
from domain.vocabulary import Promotion
from ml.artefact import ArtefactError

OpenModel = Callable[[int, int], Awaitable[object]]
"""Opens the model of a tenant's version. Raises ArtefactError where that cannot be."""


class TrainingService:
    """`api.services.Training` on PostgreSQL: a run is queued in the transaction that makes it."""

    def __init__(
        self, database: Database, queue: JobQueue, clock: Callable[[], datetime], open_model: OpenModel
    ) -> None:
        self._database = database
        self._queue = queue
        self._clock = clock
        self._open_model = open_model
        # Who promotes opens the model on a second connection: many at once would have all of them, and want one more.
        self._promoting = asyncio.Lock()

    async def start(
        self, tenant_id: int, *, as_of: datetime | None, promote: Promotion, by: Signature
    ) -> TrainingRun | Failure:
        """Queue a run and return at once; while one is queued or running, that one is answered."""
        now = self._clock()
        if as_of is not None and as_of > now:
            return Failure(
                "BAD_USER_INPUT", "asOf lies in the future; leave it out for now.", ("input", "asOf")
            )
        if as_of is not None and as_of.year < FIRST_YEAR:
            message = f"asOf lies before {FIRST_YEAR}, when no facts do; leave it out for now."
            return Failure("BAD_USER_INPUT", message, ("input", "asOf"))
        async with self._database.transaction(tenant_id) as connection:
            run, new = await training_runs.start_or_join_run(
                connection, tenant_id, as_of=as_of or now, promote=promote, now=now
            )
            if new:
                await self._queue.enqueue_training(connection, tenant_id, run.id)
            await record(connection, tenant_id, by, "trainModels", nodes=[("TrainingRun", run.id)])
        return answer(run)

    async def cancel(self, tenant_id: int, run_id: int, *, by: Signature) -> TrainingRun | Failure:
        """Stop a queued or running run; Failure NOT_FOUND or ALREADY_FINISHED."""
        try:
            async with self._database.transaction(tenant_id) as connection:
                run = await training_runs.cancel_run(connection, tenant_id, run_id, now=self._clock())
                await record(connection, tenant_id, by, "cancelTraining", nodes=[("TrainingRun", run.id)])
        except TrainingRunError as error:
            return Failure(error.code, str(error), ("id",))
        return answer(run)

    async def run(self, tenant_id: int, run_id: int) -> TrainingRun | None:
        """How a run stands now, or None if the tenant has no such run."""
        async with self._database.transaction(tenant_id) as connection:
            run = await training_runs.find_run(connection, tenant_id, run_id)
        return answer(run) if run else None

    async def promote(self, tenant_id: int, model_version_id: int, *, by: Signature) -> int | Failure:
        """Make a version champion and answer its id.

        Failure: NOT_FOUND, CHAMPION_KNOWS_MORE, or as ArtefactError has it: what cannot be opened decides nothing.
        """
        try:
            async with self._promoting, self._database.transaction(tenant_id) as connection:
                version = await models.promote(connection, tenant_id, model_version_id, now=self._clock())
                await self._open_model(tenant_id, version.id)
                await record(connection, tenant_id, by, "promoteModel", nodes=[("ModelVersion", version.id)])
        except ModelError as error:
            return Failure(error.code, str(error), ("id",))
        except ArtefactError as error:
            return Failure(error.code, f"Not promoted: {error}", ("id",))
        return version.id

    async def roll_back(self, tenant_id: int, *, by: Signature) -> int | Failure:
        """Make the previous champion champion again and answer its id.

        Failure: NO_PREVIOUS_CHAMPION, or as ArtefactError has it.
        """
        try:
            async with self._promoting, self._database.transaction(tenant_id) as connection:
                version = await models.roll_back(connection, tenant_id)
                await self._open_model(tenant_id, version.id)
                await record(connection, tenant_id, by, "rollBackModel", nodes=[("ModelVersion", version.id)])
        except ModelError as error:
            return Failure(error.code, str(error))
        except ArtefactError as error:
            return Failure(error.code, f"Not rolled back: {error}")
        return version.id


def answer(run: StoredRun) -> TrainingRun:
    """A stored run as the edges show it."""
    error = Failure(run.error_code, run.error_message or "") if run.error_code else None
    return TrainingRun(
        id=run.id,
        status=run.status,
        stage=run.stage,
        progress=run.progress,
        started_at=run.started_at,
        finished_at=run.finished_at,
        error=error,
        model_version_id=run.model_version_id,
    )
