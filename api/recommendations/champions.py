"""The models that decide, kept ready: read, checked and unpacked once per version, swapped without a restart."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import TypeVar

from domain.latest import Latest
from domain.storage.models import StoredArtefact, deciding_version_id, load_artefact
from domain.storage.sessions import Database
from domain.vocabulary import Channel, ModelStatus
from ml.artefact import ArtefactError, unpack
from ml.model import TrainedModel
from ml.segment_plans import SegmentPlan, usual_plan

Result = TypeVar("Result")

#: Tenant, model version and the channels asked for (None: all).
Choice = tuple[int, int, frozenset[Channel] | None]

_KEPT = 8
_PLANS_KEPT = 64


@dataclass(frozen=True)
class Champion:
    """A model version and the model itself."""

    version_id: int
    model: TrainedModel

    @property
    def attributes(self) -> list[str]:
        """The debtors' custom `x_…` columns that the model was trained with."""
        return [name for name in self.model.space.names if name.startswith("x_")]


def names_of(channels: frozenset[Channel] | None) -> list[str] | None:
    """Channels as the models name them; None: all."""
    return None if channels is None else sorted(channel.value for channel in channels)


class Champions:
    """Finds the deciding model of a tenant and lends threads to score with it: never the event loop's."""

    def __init__(self, database: Database, key: bytes, *, threads: int = 2) -> None:
        """key: what the artefacts are signed with."""
        self._database = database
        self._key = key
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="scoring")
        self._plans: Latest[Choice, SegmentPlan] = Latest(_PLANS_KEPT)
        self._kept: Latest[tuple[int, int], asyncio.Future[TrainedModel]] = Latest(_KEPT)

    async def deciding(self, tenant_id: int, *, as_of: datetime) -> Champion | None:
        """The champion, or at an earlier instant the model that knew nothing later; None when there is none.

        Raises:
            ArtefactError: the stored bytes are not what was signed, or not for this version of the product; the
                message names the command and the mutation that train again.
        """
        version_id = await deciding_version_id(self._database, tenant_id, as_of=as_of)
        return None if version_id is None else Champion(version_id, await self.model(tenant_id, version_id))

    async def plan(
        self, tenant_id: int, champion: Champion, channels: frozenset[Channel] | None
    ) -> SegmentPlan:
        """What the debtors of each segment begin from, made once per model and choice of channels."""
        key = (tenant_id, champion.version_id, channels)
        found = self._plans.recall(key)
        if found is not None:
            return found
        make = partial(usual_plan, champion.model, channels=names_of(channels))
        return self._plans.keep(key, await self.run(make))

    async def run(self, work: Callable[[], Result]) -> Result:
        """Do computing work in one of the scoring threads."""
        return await asyncio.get_running_loop().run_in_executor(self._threads, work)

    def close(self) -> None:
        """Let the threads end."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def model(self, tenant_id: int, version_id: int) -> TrainedModel:
        """The model of a stored version.

        Raises:
            ArtefactError: as `deciding`.
        """
        key = (tenant_id, version_id)
        # Whoever comes while it is read waits for the same reading.
        reading = self._kept.get_or_make(
            key, lambda: asyncio.ensure_future(self._read(tenant_id, version_id))
        )
        try:
            return await asyncio.shield(reading)
        except BaseException:
            is_in_vain = reading.done() and (reading.cancelled() or reading.exception())
            if is_in_vain and self._kept.get(key) is reading:
                del self._kept[key]
            raise

    async def _read(self, tenant_id: int, version_id: int) -> TrainedModel:
        async with self._database.transaction(tenant_id) as connection:
            stored = await load_artefact(connection, tenant_id, version_id)
        return await self.run(lambda: _opened(stored, self._key))


def _opened(stored: StoredArtefact, key: bytes) -> TrainedModel:
    try:
        return unpack(stored.content, stored.manifest, key, stored.place)
    except ArtefactError as error:
        raise type(error)(f"{error}: {_how_to_train(stored)}") from error


def _how_to_train(stored: StoredArtefact) -> str:
    """A model that decides about the past is followed by one that knows as much as it did."""
    command, mutation = f"dunwell train --tenant {stored.tenant}", "or the mutation trainModels"
    if stored.status == ModelStatus.CHAMPION:
        return f"{command}, {mutation}"
    instant = stored.data_to.astimezone(UTC).isoformat()
    return f"{command} --as-of {instant}, {mutation} with that asOf"
