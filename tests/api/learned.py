"""A simulated world imported into a tenant, with a model learned from it that decides there."""

import asyncio
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path

from sqlalchemy import update

from api.imports import import_folder
from api.training.learner import ModelLearner
from domain.storage import models, training_runs
from domain.storage.models import TrainedVersion
from domain.storage.reads.portfolio import DebtorKey, debtors_after
from domain.storage.sessions import Database
from domain.storage.tables import model_version
from domain.vocabulary import Promotion
from ml.artefact import signed
from ml.simulator import simulate, write

KEY = b"a key for tests"
END = date(2026, 5, 1)
AS_OF = datetime(2026, 5, 1, tzinfo=UTC)
DEBTORS = 240


@dataclass
class Learned:
    """A tenant whose champion has learned from its facts up to `AS_OF`."""

    database: Database
    tenant_id: int
    trained: TrainedVersion
    debtors: list[DebtorKey]

    @property
    def references(self) -> list[str]:
        return [debtor.reference for debtor in self.debtors]

    @property
    def ids(self) -> list[int]:
        return [debtor.id for debtor in self.debtors]

    async def store(self, *, data_to: datetime = AS_OF, promote: bool = True, **changes: object) -> int:
        """Store the model once more, changed or not, and make it champion; answers its id."""
        async with self.database.transaction(self.tenant_id) as connection:
            run, _ = await training_runs.start_or_join_run(
                connection, self.tenant_id, as_of=data_to, promote=Promotion.AUTO, now=AS_OF
            )
            manifest = signed(
                {**self.trained.manifest, "place": models.place_of(self.tenant_id, run.id)}, KEY
            )
            stored = {**vars(self.trained), "manifest": manifest, "data_to": data_to, **changes}
            trained = TrainedVersion(**stored)
            version_id = await models.store_version(connection, self.tenant_id, run.id, trained)
            await training_runs.succeed_run(connection, self.tenant_id, run.id, now=AS_OF)
            if promote:
                await models.promote(connection, self.tenant_id, version_id, now=datetime.now(UTC))
        return version_id

    async def age(self, version_id: int) -> None:
        """Let a stored version be one that a build of another format has left."""
        async with self.database.transaction(self.tenant_id) as connection:
            stored = await models.load_artefact(connection, self.tenant_id, version_id)
            former = signed({**stored.manifest, "format": 1}, KEY)
            changed = update(model_version).where(model_version.c.id == version_id)
            await connection.execute(changed.values(manifest=former))


async def learn(database: Database, tenant_id: int, place: Path, *, debtors: int = DEBTORS) -> Learned:
    """Simulate, import, learn; no model decides yet."""
    write(simulate(debtors, seed=5, end=END), place / "world")
    await import_folder(database, tenant_id, place / "world", rejects=place / "rejects.csv", now=AS_OF)
    learner = ModelLearner(KEY)
    await learner.export(database, tenant_id, as_of=AS_OF, folder=place / "history")
    trained = await asyncio.to_thread(
        learner.learn,
        place / "history",
        as_of=AS_OF,
        champion=None,
        now=AS_OF,
        place="",
        progress=lambda stage, share: None,
    )
    async with database.transaction(tenant_id) as connection:
        keys = await debtors_after(connection, tenant_id, 0, limit=10_000)
    return Learned(database, tenant_id, trained, keys)
