"""Training runs: how they are begun, carried on and ended; `models` ties the version that one makes to it.

A tenant has at most one live run; a partial unique index holds that, so no caller needs to be careful. A run that was
interrupted and is carried on by another process meets its own traces here: each write may be repeated and leaves the
same row.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Row, and_, func, select, text, update
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.storage.tables import training_run
from domain.vocabulary import Promotion, RunStatus

LIVE = (RunStatus.QUEUED, RunStatus.RUNNING)


class TrainingRunError(Exception):
    """The run cannot be what was asked of it; `code`: NOT_FOUND, ALREADY_FINISHED."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class RunEnded(Exception):
    """The run is no longer live (cancelled, say): whoever works on it should stop."""


@dataclass(frozen=True)
class StoredRun:
    """How a training stands. progress: 0 to 1; as_of: the instant of knowledge it trains on."""

    id: int
    status: RunStatus
    stage: str
    progress: float
    as_of: datetime
    promote: Promotion
    requested_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    error_code: str | None
    error_message: str | None
    model_version_id: int | None

    @property
    def live(self) -> bool:
        """Whether it is still to finish."""
        return self.status in LIVE


_RUN = training_run.c
# Literally the predicate of training_run_live_idx: with bound words a generic plan would not find the index.
_IS_LIVE = text("status IN ('QUEUED', 'RUNNING')")
_COLUMNS = [_RUN[name] for name in StoredRun.__dataclass_fields__]


def _stored(row: Row[Any]) -> StoredRun:
    return StoredRun(**{**row._mapping, "status": RunStatus(row.status), "promote": Promotion(row.promote)})


def this_run(tenant_id: int, run_id: int) -> ColumnElement[bool]:
    """The condition that picks one run."""
    return and_(_RUN.tenant_id == tenant_id, _RUN.id == run_id)


async def start_or_join_run(
    connection: AsyncConnection, tenant_id: int, *, as_of: datetime, promote: Promotion, now: datetime
) -> tuple[StoredRun, bool]:
    """A new QUEUED run, or the tenant's live one; the second part tells whether it is new."""
    queued = (
        upsert(training_run)
        .values(
            tenant_id=tenant_id,
            status=RunStatus.QUEUED,
            stage="queued",
            as_of=as_of,
            promote=promote,
            requested_at=now,
        )
        .on_conflict_do_nothing(index_elements=[_RUN.tenant_id], index_where=_IS_LIVE)
        .returning(*_COLUMNS)
    )
    while True:
        row = (await connection.execute(queued)).one_or_none()
        if row is not None:
            return _stored(row), True
        live = await _live_run(connection, tenant_id)
        if live is not None:  # else it ended between the two statements: try again
            return live, False


async def _live_run(connection: AsyncConnection, tenant_id: int) -> StoredRun | None:
    """The tenant's run that is queued or running."""
    found = select(*_COLUMNS).where(_RUN.tenant_id == tenant_id, _RUN.status.in_(LIVE))
    row = (await connection.execute(found)).one_or_none()
    return _stored(row) if row else None


async def find_run(connection: AsyncConnection, tenant_id: int, run_id: int) -> StoredRun | None:
    """The run, or None."""
    row = (await connection.execute(select(*_COLUMNS).where(this_run(tenant_id, run_id)))).one_or_none()
    return _stored(row) if row else None


async def begin_run(connection: AsyncConnection, tenant_id: int, run_id: int, *, now: datetime) -> StoredRun:
    """Mark the run as running; one that runs already keeps the instant it began.

    Raises:
        RunEnded: it is not live any more.
    """
    changes = {"status": RunStatus.RUNNING, "started_at": func.coalesce(_RUN.started_at, now)}
    return await _change_live_run(connection, tenant_id, run_id, changes)


async def report_progress(
    connection: AsyncConnection, tenant_id: int, run_id: int, *, stage: str, progress: float
) -> StoredRun:
    """Tell where the run is; progress (0 to 1) never goes back, even when an interrupted step is done again.

    Raises:
        RunEnded: it is not live any more.
    """
    changes = {"stage": stage, "progress": func.greatest(_RUN.progress, min(max(progress, 0.0), 1.0))}
    return await _change_live_run(connection, tenant_id, run_id, changes)


async def succeed_run(
    connection: AsyncConnection, tenant_id: int, run_id: int, *, now: datetime
) -> StoredRun:
    """End the run well. Raises RunEnded."""
    changes = {"status": RunStatus.SUCCEEDED, "stage": "done", "progress": 1.0, "finished_at": now}
    return await _change_live_run(connection, tenant_id, run_id, changes)


async def fail_run(
    connection: AsyncConnection, tenant_id: int, run_id: int, *, code: str, message: str, now: datetime
) -> None:
    """End the run with an error a person can read; one that has ended stays as it ended."""
    changes = {
        "status": RunStatus.FAILED,
        "error_code": code,
        "error_message": message,
        "finished_at": now,
    }
    await connection.execute(
        update(training_run).where(this_run(tenant_id, run_id), _RUN.status.in_(LIVE)).values(changes)
    )


async def cancel_run(connection: AsyncConnection, tenant_id: int, run_id: int, *, now: datetime) -> StoredRun:
    """End a live run; its worker notices at its next report of progress and stores nothing.

    Raises:
        TrainingRunError: NOT_FOUND, ALREADY_FINISHED.
    """
    changes = {"status": RunStatus.CANCELLED, "finished_at": now}
    try:
        return await _change_live_run(connection, tenant_id, run_id, changes)
    except RunEnded:
        run = await find_run(connection, tenant_id, run_id)
    if run is None:
        raise TrainingRunError("NOT_FOUND", "There is no such training run.")
    raise TrainingRunError("ALREADY_FINISHED", f"The training run has ended already: {run.status}.")


async def _change_live_run(
    connection: AsyncConnection, tenant_id: int, run_id: int, changes: Mapping[str, Any]
) -> StoredRun:
    changed = (
        update(training_run)
        .where(this_run(tenant_id, run_id), _RUN.status.in_(LIVE))
        .values(changes)
        .returning(*_COLUMNS)
    )
    row = (await connection.execute(changed)).one_or_none()
    if row is None:
        raise RunEnded(f"training run {run_id} of tenant {tenant_id} is not live")
    return _stored(row)
