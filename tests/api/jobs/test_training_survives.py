"""Trainings on real worker processes: killed in the middle, carried on, taken over, cancelled, joined."""

import asyncio
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import psycopg
import pytest
import pytest_asyncio
from sqlalchemy import text
from sqlalchemy.engine import make_url

from api.jobs.queue import JobQueue
from api.jobs.slots import WorkerSlot, any_worker_alive
from api.jobs.system import create_job_tables
from domain.storage import training_runs
from domain.storage.models import champion
from domain.storage.sessions import Database
from domain.storage.training_runs import StoredRun
from domain.vocabulary import Promotion, RunStatus
from tests.api.jobs.slow_worker import DISK_FULL

ROOT = Path(__file__).parents[3]
PROGRAM = Path(__file__).with_name("slow_worker.py")

StartWorker = Callable[[float], "subprocess.Popen[str]"]


@pytest.fixture(scope="module", autouse=True)
def _job_tables(owner_url: str) -> None:
    """Without the trainings that tests of other places have queued and left: a worker here would take them first."""
    create_job_tables(owner_url)
    with psycopg.connect(owner_url, autocommit=True) as connection:
        connection.execute(
            "UPDATE dbos.workflow_status SET status = 'CANCELLED' WHERE status IN ('ENQUEUED', 'PENDING')"
        )


@pytest_asyncio.fixture(loop_scope="session")
async def queue(owner_url: str) -> AsyncIterator[JobQueue]:
    queue = JobQueue(owner_url)
    yield queue
    queue.close()


@pytest.fixture
def start_worker(owner_url: str, tmp_path: Path) -> Iterator[StartWorker]:
    started: list[subprocess.Popen[str]] = []

    def start(seconds: float) -> "subprocess.Popen[str]":
        with (tmp_path / "said").open("a") as said:
            process = subprocess.Popen(
                [sys.executable, str(PROGRAM), owner_url, str(tmp_path), str(seconds)],
                stdout=subprocess.PIPE,
                stderr=said,
                text=True,
                env={"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin"},
            )
        started.append(process)
        assert process.stdout is not None
        assert process.stdout.readline() == "working\n"
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


async def enqueue(database: Database, queue: JobQueue, tenant_id: int) -> StoredRun:
    now = datetime.now(UTC)
    async with database.transaction(tenant_id) as connection:
        run, new = await training_runs.start_or_join_run(
            connection, tenant_id, as_of=now, promote=Promotion.AUTO, now=now
        )
        if new:
            await queue.enqueue_training(connection, tenant_id, run.id)
    return run


async def read(database: Database, tenant_id: int, run_id: int) -> StoredRun:
    async with database.transaction(tenant_id) as connection:
        run = await training_runs.find_run(connection, tenant_id, run_id)
    assert run is not None
    return run


async def until(
    condition: Callable[[StoredRun], bool], read_run: Callable[[], Awaitable[StoredRun]], seconds: float = 30
) -> StoredRun:
    deadline = time.monotonic() + seconds
    while not condition(run := await read_run()):
        assert time.monotonic() < deadline, f"still {run.status} at {run.stage} {run.progress:.2f}"
        await asyncio.sleep(0.05)
    return run


async def until_forgotten(tmp_path: Path, seconds: float = 30) -> None:
    """The worker's copies of histories go just after the run has ended."""
    deadline = time.monotonic() + seconds
    while left := list((tmp_path / "histories").iterdir()):
        assert time.monotonic() < deadline, left
        await asyncio.sleep(0.05)


def trace(tmp_path: Path) -> list[str]:
    return (tmp_path / "trace").read_text().splitlines()


async def test_a_run_killed_in_the_middle_is_finished_after_a_restart(
    database: Database, tenant_id: int, queue: JobQueue, start_worker: StartWorker, tmp_path: Path
) -> None:
    run = await enqueue(database, queue, tenant_id)
    assert run.status == RunStatus.QUEUED

    def read_run() -> Awaitable[StoredRun]:
        return read(database, tenant_id, run.id)

    worker = start_worker(8.0)  # killed long before it ends
    before = await until(lambda run: run.stage == "learning" and run.progress > 0.3, read_run)
    worker.send_signal(signal.SIGKILL)
    worker.wait()
    assert (await read_run()).status == RunStatus.RUNNING

    start_worker(0.5)
    after = await until(lambda run: not run.live, read_run)
    assert after.status == RunStatus.SUCCEEDED
    assert after.started_at == before.started_at
    async with database.transaction(tenant_id) as connection:
        decides = await champion(connection, tenant_id)
    assert decides is not None
    assert decides.id == after.model_version_id
    assert trace(tmp_path) == ["export", "learn begins", "learn begins", "learn ends"]
    await until_forgotten(tmp_path)


async def test_another_live_worker_takes_over_from_a_dead_one(
    database: Database, tenant_id: int, queue: JobQueue, start_worker: StartWorker
) -> None:
    run = await enqueue(database, queue, tenant_id)
    first = start_worker(3.0)
    await until(lambda run: run.stage == "learning", lambda: read(database, tenant_id, run.id))
    start_worker(0.2)
    first.kill()
    ended = await until(lambda run: not run.live, lambda: read(database, tenant_id, run.id))
    assert ended.status == RunStatus.SUCCEEDED


async def test_a_second_call_joins_and_a_cancelled_run_leaves_no_version(
    database: Database, tenant_id: int, queue: JobQueue, start_worker: StartWorker
) -> None:
    run = await enqueue(database, queue, tenant_id)
    assert (await enqueue(database, queue, tenant_id)).id == run.id
    start_worker(30.0)
    await until(lambda run: run.stage == "learning", lambda: read(database, tenant_id, run.id))
    async with database.transaction(tenant_id) as connection:
        await training_runs.cancel_run(connection, tenant_id, run.id, now=datetime.now(UTC))
    again = await enqueue(database, queue, tenant_id)
    assert again.id != run.id
    # The worker, which does one training at a time, is free for the next one: it noticed.
    await until(lambda run: run.stage == "learning", lambda: read(database, tenant_id, again.id))
    ended = await read(database, tenant_id, run.id)
    assert (ended.status, ended.model_version_id) == (RunStatus.CANCELLED, None)
    async with database.transaction(tenant_id) as connection:
        await training_runs.cancel_run(connection, tenant_id, again.id, now=datetime.now(UTC))


async def test_an_unexpected_error_ends_the_run_with_a_code(
    database: Database, tenant_id: int, queue: JobQueue, start_worker: StartWorker
) -> None:
    run = await enqueue(database, queue, tenant_id)
    start_worker(-1.0)
    ended = await until(lambda run: not run.live, lambda: read(database, tenant_id, run.id))
    assert (ended.status, ended.error_code) == (RunStatus.FAILED, "TRAINING_FAILED")


@pytest.mark.parametrize(
    ("learning", "gone"), [(6.0, 1.5), (1.0, 3.0)], ids=["while it learns", "when it stores"]
)
async def test_a_database_that_is_away_for_a_moment_ends_no_training(
    database: Database,
    tenant_id: int,
    queue: JobQueue,
    start_worker: StartWorker,
    cluster_url: str,
    owner_url: str,
    tmp_path: Path,
    learning: float,
    gone: float,
) -> None:
    run = await enqueue(database, queue, tenant_id)
    start_worker(learning)
    await until(lambda run: run.stage == "learning", lambda: read(database, tenant_id, run.id))
    with away(cluster_url, owner_url):
        await asyncio.sleep(gone)
    ended = await until(lambda run: not run.live, lambda: read(database, tenant_id, run.id), seconds=60)
    assert (ended.status, ended.error_message) == (RunStatus.SUCCEEDED, None)
    assert ended.model_version_id is not None
    if learning > gone:
        assert trace(tmp_path) == ["export", "learn begins", "learn ends"]


@contextmanager
def away(cluster_url: str, owner_url: str) -> Iterator[None]:
    """A database that has ended every connection, and lets nobody in."""
    name = make_url(owner_url).database
    admin = make_url(cluster_url).set(drivername="postgresql").render_as_string(hide_password=False)
    with psycopg.connect(admin, autocommit=True) as connection:
        connection.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS false")
        connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", (name,)
        )
        try:
            yield
        finally:
            connection.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS true")


async def test_a_full_disk_ends_the_run_by_its_name_and_the_next_is_taken(
    database: Database, tenant_id: int, queue: JobQueue, start_worker: StartWorker
) -> None:
    start_worker(DISK_FULL)
    for _ in range(2):
        run_id = (await enqueue(database, queue, tenant_id)).id
        ended = await until(lambda run: not run.live, partial(read, database, tenant_id, run_id))
        assert (ended.status, ended.error_code) == (RunStatus.FAILED, "DISK_FULL")
        assert "make room" in (ended.error_message or "")


async def test_nothing_is_queued_when_the_transaction_fails(
    database: Database, tenant_id: int, queue: JobQueue
) -> None:
    with pytest.raises(ZeroDivisionError):
        async with database.transaction(tenant_id) as connection:
            await queue.enqueue_training(connection, tenant_id, 4711)
            raise ZeroDivisionError
    async with database.transaction(tenant_id) as connection:
        found = await connection.scalar(
            text("SELECT count(*) FROM dbos.workflow_status WHERE workflow_uuid = :id"),
            {"id": f"training-{tenant_id}-4711"},
        )
    assert found == 0


def test_worker_numbers_are_never_shared_and_free_themselves(owner_url: str) -> None:
    assert not any_worker_alive(owner_url)
    with WorkerSlot(owner_url) as first, WorkerSlot(owner_url) as second:
        assert (first.number, second.number) == (1, 2)
        with first.dead(2) as dead:
            assert not dead
        second.release()
        with first.dead(2) as dead:
            assert dead
        with WorkerSlot(owner_url) as third:
            assert third.number == 2
        assert any_worker_alive(owner_url)
    assert not any_worker_alive(owner_url)


async def test_a_worker_that_is_stopped_says_nothing_of_what_it_lets_go(
    database: Database, tenant_id: int, queue: JobQueue, start_worker: StartWorker, tmp_path: Path
) -> None:
    run = await enqueue(database, queue, tenant_id)
    worker = start_worker(8.0)
    await until(lambda run: run.stage == "learning", lambda: read(database, tenant_id, run.id))
    worker.send_signal(signal.SIGINT)
    await asyncio.to_thread(worker.wait, 60)
    assert "cancelled" not in (tmp_path / "said").read_text()
    async with database.transaction(tenant_id) as connection:
        await training_runs.cancel_run(connection, tenant_id, run.id, now=datetime.now(UTC))
