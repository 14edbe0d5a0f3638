"""The process that runs jobs: takes them from the queue, carries on what dead workers left, keeps derived state."""

import asyncio
import logging
import threading
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Self

import psycopg
from dbos import DBOS

from api.jobs.queue import run_of
from api.jobs.refreshing import RollupRefresher
from api.jobs.rounds import TenantRounds
from api.jobs.segmenting import Segmenter
from api.jobs.slots import SlotLost, WorkerSlot, executor_id, slot_number
from api.jobs.system import TRAINING_QUEUE, worker_config
from api.jobs.training import MOST_ATTEMPTS, WORKFLOW, Learner, TrainingJobs
from api.logs import log_failure
from domain.storage.sessions import Database
from domain.storage.training_runs import fail_run

logger = logging.getLogger("dunwell.worker")

#: How often a worker looks after itself and after workers that died.
LOOK_SECONDS = 3.0


class Worker:
    """Runs jobs in threads of this process between `start` and `stop`; one worker per process.

    lost: set when another worker has taken this one's number, so this one must end.
    """

    def __init__(
        self,
        url: str,
        learner: Learner,
        folder: Path,
        more_rounds: Sequence[Callable[[str], TenantRounds]] = (),
    ) -> None:
        """folder: where histories lie while they are learned from. more_rounds: each makes rounds of the database at a
        URL, to be gone beside those that keep derived state.
        """
        self._url = url
        self._more_rounds = more_rounds
        self._learner = learner
        self._folder = folder
        self._leaving = threading.Event()
        self._watch = threading.Thread(target=self._look_after, name="worker-watch", daemon=True)
        self.lost = threading.Event()

    def start(self) -> None:
        """Begin to work. Raises psycopg.OperationalError when PostgreSQL cannot be reached."""
        self._slot = WorkerSlot(self._url)
        DBOS(config=worker_config(self._url, self._slot.executor_id))
        self._database = Database(self._url, pool_size=2)
        self._rounds: list[TenantRounds] = [RollupRefresher(self._url), Segmenter(self._url)]
        self._rounds += [make(self._url) for make in self._more_rounds]
        for rounds in self._rounds:
            rounds.start()
        TrainingJobs(self._database, self._learner, self._folder)
        DBOS.listen_queues([TRAINING_QUEUE])
        DBOS.launch()
        # A training fills the machine by itself.
        DBOS.register_queue(TRAINING_QUEUE, worker_concurrency=1)
        self._watch.start()

    def stop(self) -> None:
        """Stop taking work; what runs is carried on by the next worker. Its thread may go on for a while."""
        self._leaving.set()
        for rounds in self._rounds:
            rounds.stop()
        self._watch.join(timeout=LOOK_SECONDS)
        logging.getLogger("dbos").setLevel(
            logging.ERROR
        )  # that what it did is cancelled is what was asked for
        DBOS.destroy()
        self._slot.release()

    def _look_after(self) -> None:
        while not self._leaving.is_set():
            try:
                self._slot.keep()
                take_over_from_the_dead(self._slot)
                give_up_hopeless_runs(self._url)
            except SlotLost:
                logger.exception("this worker ends")
                self.lost.set()
                return
            except psycopg.OperationalError:
                logger.warning("PostgreSQL cannot be reached; trying again")
            except Exception as error:
                log_failure(error, where=["look_after"])
            self._leaving.wait(LOOK_SECONDS)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


def take_over_from_the_dead(slot: WorkerSlot) -> None:
    """Queue again what workers that are gone had begun; DBOS itself looks only at a worker's own number."""
    begun = DBOS.list_workflows(name=WORKFLOW, status="PENDING", load_input=False, load_output=False)
    for number in {slot_number(workflow.executor_id or "") for workflow in begun}:
        if number is None:
            continue
        with slot.dead(number) as dead:
            if dead:
                logger.warning("worker %d is gone: taking over its work", number)
                # Its public sibling, resume_workflow, forgets how often a workflow has been tried.
                DBOS._recover_pending_workflows([executor_id(number)])


def give_up_hopeless_runs(url: str) -> None:
    """End the runs whose workflow took its worker down too often, or could not even write down its failure."""
    hopeless = DBOS.list_workflows(
        name=WORKFLOW, status=["MAX_RECOVERY_ATTEMPTS_EXCEEDED", "ERROR"], load_input=False, load_output=False
    )
    if hopeless:
        asyncio.run(_fail_runs(url, [run_of(workflow.workflow_id) for workflow in hopeless]))
        DBOS.delete_workflows([workflow.workflow_id for workflow in hopeless])


async def _fail_runs(url: str, runs: list[tuple[int, int]]) -> None:
    database = Database(url, pool_size=1)
    message = f"The worker died {MOST_ATTEMPTS} times over this run, perhaps for want of memory."
    now = datetime.now(UTC)
    try:
        for tenant_id, run_id in runs:
            async with database.transaction(tenant_id) as connection:
                await fail_run(
                    connection, tenant_id, run_id, code="TRAINING_INTERRUPTED", message=message, now=now
                )
    finally:
        await database.close()
