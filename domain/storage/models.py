"""Model versions: what training leaves behind, and which of them decides.

A tenant has at most one champion; a partial unique index holds that, so no caller needs to be careful.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import datetime, timedelta
from typing import Any, Self

from sqlalchemy import Row, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.storage.direct import numbered
from domain.storage.sessions import Database
from domain.storage.tables import model_version, tenant, training_run
from domain.storage.training_runs import LIVE, RunEnded, this_run
from domain.vocabulary import ModelStatus


class ModelError(Exception):
    """A version cannot be what was asked of it; `code`: NOT_FOUND, CHAMPION_KNOWS_MORE, NO_PREVIOUS_CHAMPION."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


@dataclass(frozen=True)
class ModelVersion:
    """What is known of a trained model, without its bytes. data_from, data_to: the window of its facts.

    manifest: what is signed with its bytes. backtest: how KPI forecasts did on its history; drift: how those kept since
    have done, None before any is judged.
    """

    id: int
    version: int
    status: ModelStatus
    recipe: str
    trained_at: datetime
    data_from: datetime
    data_to: datetime
    rows: int
    metrics: list[dict[str, Any]]
    gate: dict[str, Any]
    manifest: dict[str, Any]
    promoted_at: datetime | None
    backtest: list[dict[str, Any]]
    drift: dict[str, Any] | None


@dataclass(frozen=True)
class TrainedVersion:
    """A model to be stored. manifest and artefact belong together: the one signs the other."""

    recipe: str
    trained_at: datetime
    data_from: datetime
    data_to: datetime
    rows: int
    metrics: Sequence[Mapping[str, Any]]
    gate: Mapping[str, Any]
    manifest: Mapping[str, Any]
    artefact: bytes
    backtest: Sequence[Mapping[str, Any]] = ()


@dataclass(frozen=True)
class StoredArtefact:
    """What a version's model opens from. place: `place_of` the run that trained it; tenant: the key of whose it is;
    data_to: the instant it was trained as of."""

    manifest: dict[str, Any]
    content: bytes
    place: str
    tenant: str
    status: ModelStatus
    data_to: datetime


@dataclass(frozen=True, slots=True)
class ModelStamp:
    """What never changes of a stored version."""

    id: int
    version: int
    trained_at: datetime
    data_from: datetime
    data_to: datetime
    rows: int

    @classmethod
    def read(cls, stated: Mapping[str, Any]) -> Self:
        """The stamp of a JSON object of its fields."""
        instants = {name: datetime.fromisoformat(stated[name]) for name in _INSTANTS}
        return cls(**{**stated, **instants})


_INSTANTS = ("trained_at", "data_from", "data_to")
#: The columns of a stamp.
STAMPED = tuple(field.name for field in fields(ModelStamp))

_IS_CHOSEN = (
    "SELECT FROM model_version chosen WHERE chosen.tenant_id = :tenant_id AND chosen.status = 'CHAMPION'"
)
#: Trained as of an instant before the champion's: compared on what the champion had learned from by then, and this one
#: could not know, it has to lose. It decides about its own time where the checks of it alone are passed.
_PASSED_FOR_ITS_TIME = """(gate @? '$.checks[*] ? (@.name == "not_older_than_champion" && @.passed == false)'
    AND gate @? '$.checks[*] ? (@.name == "engaged_log_loss" && @.passed == true)'
    AND NOT gate @? '$.checks[*] ? (@.passed == false && !(@.name like_regex "_champion$"))')"""
_PASSED = f"(CAST(gate ->> 'passed' AS boolean) OR {_PASSED_FOR_ITS_TIME})"
_KNEW_NO_MORE = f"""data_to <= :as_of
    AND (status = 'CHAMPION' OR {_PASSED} AND EXISTS ({_IS_CHOSEN}))"""
_DECIDING_FIRST = "status = 'CHAMPION' DESC, data_to DESC, id DESC"
#: SQL, after WHERE: a tenant's versions that could decide at :as_of, the one that does first.
DECIDING = f"tenant_id = :tenant_id AND {_KNEW_NO_MORE} ORDER BY {_DECIDING_FIRST}"
_DECIDING_ID = numbered(f"SELECT id::text FROM model_version WHERE {DECIDING} LIMIT 1", "tenant_id", "as_of")

_RUN = training_run.c
_VERSION = model_version.c
_COLUMNS = [_VERSION[name] for name in ModelVersion.__dataclass_fields__]


def _as_version(row: Row[Any]) -> ModelVersion:
    return ModelVersion(**{**row._mapping, "status": ModelStatus(row.status)})


async def store_version(
    connection: AsyncConnection, tenant_id: int, run_id: int, trained: TrainedVersion
) -> int:
    """Store what a run has trained as the tenant's next CHALLENGER and answer its id; repeating it changes nothing.

    Raises:
        RunEnded: the run is not live any more, so nothing is stored.
    """
    owner = select(_RUN.model_version_id, _RUN.status).where(this_run(tenant_id, run_id)).with_for_update()
    run = (await connection.execute(owner)).one()
    if run.model_version_id is not None:
        return int(run.model_version_id)
    if run.status not in LIVE:
        raise RunEnded(f"training run {run_id} of tenant {tenant_id} is not live")
    # One live run per tenant makes this count safe.
    latest = select(func.coalesce(func.max(_VERSION.version), 0)).where(_VERSION.tenant_id == tenant_id)
    row = {name: getattr(trained, name) for name in TrainedVersion.__dataclass_fields__}
    stored = (
        insert(model_version)
        .values(
            **row,
            tenant_id=tenant_id,
            status=ModelStatus.CHALLENGER,
            version=latest.scalar_subquery() + 1,
        )
        .returning(_VERSION.id)
    )
    version_id = int((await connection.execute(stored)).scalar_one())
    await connection.execute(
        update(training_run).where(this_run(tenant_id, run_id)).values(model_version_id=version_id)
    )
    return version_id


async def find_version(connection: AsyncConnection, tenant_id: int, version_id: int) -> ModelVersion | None:
    """The version, or None."""
    found = select(*_COLUMNS).where(_VERSION.tenant_id == tenant_id, _VERSION.id == version_id)
    row = (await connection.execute(found)).one_or_none()
    return _as_version(row) if row else None


async def champion(connection: AsyncConnection, tenant_id: int) -> ModelVersion | None:
    """The version that decides, or None before the first promotion."""
    found = select(*_COLUMNS).where(_VERSION.tenant_id == tenant_id, _VERSION.status == ModelStatus.CHAMPION)
    row = (await connection.execute(found)).one_or_none()
    return _as_version(row) if row else None


async def numbered_version(connection: AsyncConnection, tenant_id: int, version: int) -> ModelVersion | None:
    """A tenant's version by its own number, 1 for the first, or None."""
    found = select(*_COLUMNS).where(_VERSION.tenant_id == tenant_id, _VERSION.version == version)
    row = (await connection.execute(found)).one_or_none()
    return _as_version(row) if row else None


async def deciding_version_id(database: Database, tenant_id: int, *, as_of: datetime) -> int | None:
    """The champion if it was trained on nothing later than `as_of`, else the last version that passed its gate by then,
    whether or not the champion knew more already when that was trained.

    So a decision about the past sees no later fact, not even through a model. Nothing decides while there is no
    champion: a version that waits for somebody to promote it is not trusted yet.
    """
    found = await database.document(tenant_id, _DECIDING_ID, [tenant_id, as_of], is_general=True)
    return None if found is None else int(found)


def place_of(tenant_id: int, run_id: int | None) -> str:
    """Where the model that a run trains belongs; signed with it."""
    return f"tenant {tenant_id}, training run {run_id}"


async def load_artefact(connection: AsyncConnection, tenant_id: int, version_id: int) -> StoredArtefact:
    """A version's manifest and bytes.

    Raises:
        ModelError: NOT_FOUND.
    """
    trained_by = select(_RUN.id).where(_RUN.tenant_id == tenant_id, _RUN.model_version_id == version_id)
    whose = select(tenant.c.key).where(tenant.c.id == tenant_id)
    found = select(
        _VERSION.manifest,
        _VERSION.artefact,
        _VERSION.status,
        _VERSION.data_to,
        trained_by.limit(1).scalar_subquery().label("run_id"),
        whose.scalar_subquery().label("tenant"),
    ).where(_VERSION.tenant_id == tenant_id, _VERSION.id == version_id)
    row = (await connection.execute(found)).one_or_none()
    if row is None:
        raise ModelError("NOT_FOUND", "There is no such model version.")
    place = place_of(tenant_id, row.run_id)
    status = ModelStatus(row.status)
    return StoredArtefact(dict(row.manifest), bytes(row.artefact), place, row.tenant, status, row.data_to)


async def promote(
    connection: AsyncConnection, tenant_id: int, version_id: int, *, now: datetime
) -> ModelVersion:
    """Make a version the champion and retire the present one, in the caller's transaction.

    Raises:
        ModelError: NOT_FOUND, CHAMPION_KNOWS_MORE: it was trained on newer data.
    """
    versions = await _locked_versions(connection, tenant_id)
    candidate = next((version for version in versions if version.id == version_id), None)
    if candidate is None:
        raise ModelError("NOT_FOUND", "There is no such model version.")
    present = next((version for version in versions if version.status == ModelStatus.CHAMPION), None)
    if present is not None and present.id == candidate.id:
        return candidate
    if present is not None and present.data_to > candidate.data_to:
        raise ModelError(
            "CHAMPION_KNOWS_MORE",
            f"Version {present.version} was trained on data up to {present.data_to.isoformat()}, version "
            f"{candidate.version} only up to {candidate.data_to.isoformat()}. Train again, or roll back.",
        )
    # Rolling back follows these instants, so they go up even where the clock went back.
    since = present.promoted_at if present is not None else None
    at = now if since is None else max(now, since + timedelta(microseconds=1))
    return await _swap(connection, tenant_id, present, candidate, promoted_at=at)


async def roll_back(connection: AsyncConnection, tenant_id: int) -> ModelVersion:
    """Give the champion's part back to the one before it, in the caller's transaction.

    The one given up is forgotten as a champion: rolling back later never leads to it again.

    Raises:
        ModelError: NO_PREVIOUS_CHAMPION.
    """
    versions = await _locked_versions(connection, tenant_id)
    present = next((version for version in versions if version.status == ModelStatus.CHAMPION), None)
    earlier = [
        (version.promoted_at, version)
        for version in versions
        if present is not None
        and present.promoted_at is not None
        and version.promoted_at is not None
        and version.promoted_at < present.promoted_at
    ]
    if present is None or not earlier:
        raise ModelError("NO_PREVIOUS_CHAMPION", "No version was champion before the present one.")
    former = max(earlier, key=lambda pair: pair[0])[1]
    swapped = await _swap(connection, tenant_id, present, former, promoted_at=former.promoted_at)
    forgotten = update(model_version).where(_VERSION.tenant_id == tenant_id, _VERSION.id == present.id)
    await connection.execute(forgotten.values(promoted_at=None))
    return swapped


async def _locked_versions(connection: AsyncConnection, tenant_id: int) -> list[ModelVersion]:
    """Every version of the tenant, locked in id order: two promotions at once come one after the other.

    FOR NO KEY UPDATE: neither waits for decisions that are being logged and name a version, nor they for it.
    """
    versions = select(*_COLUMNS).where(_VERSION.tenant_id == tenant_id).order_by(_VERSION.id)
    rows = await connection.execute(versions.with_for_update(key_share=True))
    return [_as_version(row) for row in rows]


async def _swap(
    connection: AsyncConnection,
    tenant_id: int,
    present: ModelVersion | None,
    following: ModelVersion,
    *,
    promoted_at: datetime | None,
) -> ModelVersion:
    changed = update(model_version).where(_VERSION.tenant_id == tenant_id)
    if present is not None:  # first, as the unique index allows one champion at any moment
        await connection.execute(changed.where(_VERSION.id == present.id).values(status=ModelStatus.RETIRED))
    promoted = changed.where(_VERSION.id == following.id).values(
        status=ModelStatus.CHAMPION, promoted_at=promoted_at
    )
    return _as_version((await connection.execute(promoted.returning(*_COLUMNS))).one())
