"""What a training does with a history: learn, judge, pack."""

import logging
import os
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Any

import orjson

from api.histories import export, exported, load
from api.jobs.training import CannotLearn, Progress
from domain.storage.models import TrainedVersion, champion, load_artefact
from domain.storage.sessions import Database
from ml.artefact import ArtefactError, pack, unpack
from ml.evaluation import Metric
from ml.forecast import BacktestRow, backtest_rows, tally_of
from ml.gate import GateResult, judge
from ml.model import TrainedModel
from ml.recipe import NotEnoughHistory, train

logger = logging.getLogger("dunwell.training")

_SEED = 1


class ModelLearner:
    """`api.jobs.training.Learner` with the product's own recipe."""

    def __init__(self, key: bytes) -> None:
        """key: signs what is learned, and opens the champion it is compared with."""
        self._key = key

    async def export(self, database: Database, tenant_id: int, *, as_of: datetime, folder: Path) -> None:
        """Write the tenant's history as known at `as_of` into `folder`, unless it is there."""
        if exported(folder):  # by the same run, before it was interrupted: what was known at an instant stays
            return
        async with database.transaction(tenant_id) as connection:
            await export(connection, tenant_id, as_of=as_of, folder=folder)

    async def champion(self, database: Database, tenant_id: int) -> TrainedModel | None:
        """The model that decides now; None before the first, or when it does not open any more."""
        async with database.transaction(tenant_id) as connection:
            version = await champion(connection, tenant_id)
            if version is None:
                return None
            stored = await load_artefact(connection, tenant_id, version.id)
        try:
            return unpack(stored.content, stored.manifest, self._key, stored.place)
        except ArtefactError as error:
            # No longer readable (other libraries, another key): a new model is what is needed then.
            unread = "the champion of tenant %d does not open, so the new model is judged alone (%s: %s)"
            logger.warning(unread, tenant_id, error.code, error)
            return None

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
        """Train, evaluate and judge; busy for minutes. place: `domain.storage.models.place_of` the run.

        Raises:
            CannotLearn: the history is too small; its code says what is missing.
        """
        history = load(folder)
        try:
            model = train(history, as_of=as_of, seed=_SEED, progress=progress, threads=threads_to_use())
        except NotEnoughHistory as error:
            raise CannotLearn(error.code, error.message) from error
        verdict = judge(model, champion if isinstance(champion, TrainedModel) else None, history, seed=_SEED)
        packed = pack(model, self._key, place)
        return TrainedVersion(
            recipe=model.recipe,
            trained_at=now,
            data_from=model.data_from,
            # What a model knows goes up to the instant it was trained as of, not to the last message before it.
            data_to=as_of,
            rows=model.rows,
            metrics=[_plain(metric) for metric in model.metrics],
            gate=_plain(verdict),
            manifest=packed.manifest,
            artefact=packed.content,
            backtest=[_plain(row) for row in backtest_rows(tally_of(history.known_at(as_of)))],
        )


def _plain(figures: Metric | GateResult | BacktestRow) -> dict[str, Any]:
    """As JSON knows it: numpy's numbers as numbers, what is not a number as null."""
    plain: dict[str, Any] = orjson.loads(orjson.dumps(asdict(figures), option=orjson.OPT_SERIALIZE_NUMPY))
    return plain


def threads_to_use() -> int:
    """As many as the environment allows LightGBM, else every core."""
    return int(os.environ.get("OMP_NUM_THREADS") or os.cpu_count() or 1)
