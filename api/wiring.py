"""The composition root: settings in, a running product out. The only place that knows every room."""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from datetime import UTC, datetime
from pathlib import Path

from api.databases import DatabaseServer, open_database
from api.decisions.campaigns import CampaignService
from api.decisions.service import DecisionService
from api.forecasting.counting import Tallies
from api.forecasting.keeping import ForecastKeeper
from api.forecasting.service import ForecastService
from api.jobs.queue import JobQueue
from api.recommendations.champions import Champions
from api.recommendations.service import RecommendationService
from api.services import Services
from api.settings import Settings
from api.training.learner import ModelLearner
from api.training.service import TrainingService
from api.training.signing import signing_key
from domain.storage.sessions import Database


def training_folder(settings: Settings) -> Path:
    """Where a worker keeps histories while it learns from them."""
    return settings.home.absolute() / "training"


@contextmanager
def open_training(
    server: DatabaseServer, database: Database, champions: Champions
) -> Iterator[TrainingService]:
    """What the API and the commands know of training."""
    queue = JobQueue(server.app_url)
    try:
        yield TrainingService(database, queue, lambda: datetime.now(UTC), champions.model)
    finally:
        queue.close()


@contextmanager
def open_champions(database: Database, settings: Settings) -> Iterator[Champions]:
    """The deciding models, and threads to score with."""
    champions = Champions(database, signing_key(settings))
    try:
        yield champions
    finally:
        champions.close()


@contextmanager
def services_of(server: DatabaseServer, database: Database, settings: Settings) -> Iterator[Services]:
    """Every use case, on a database that is fit for use."""
    with (
        open_champions(database, settings) as champions,
        open_training(server, database, champions) as training,
    ):
        tallies = Tallies(database, settings.home.absolute() / "histories")
        yield Services(
            database=database,
            recommendations=RecommendationService(database, champions),
            decisions=DecisionService(database, champions),
            campaigns=CampaignService(database, champions),
            forecasts=ForecastService(database, tallies, champions),
            training=training,
        )


@asynccontextmanager
async def open_services(server: DatabaseServer, settings: Settings) -> AsyncIterator[Services]:
    """Every use case, with a pool of its own.

    Raises:
        DatabaseUnreachable, SchemaBehind, UnsafeRole: see `open_database`.
    """
    async with open_database(server) as database:
        with services_of(server, database, settings) as services:
            yield services


def make_keeper(settings: Settings, url: str) -> ForecastKeeper:
    """What a worker keeps forecasts with."""
    return ForecastKeeper(url, settings.home.absolute() / "histories")


def make_learner(settings: Settings) -> ModelLearner:
    """What a worker trains with."""
    return ModelLearner(signing_key(settings))
