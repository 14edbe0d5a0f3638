"""The composition root: settings in, a running product out. The only place that knows every room."""

import asyncio
import logging
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy.exc import DBAPIError, InterfaceError

from api.embedded import EmbeddedPostgres
from api.forecasting.service import ForecastService
from api.histories import Histories
from api.jobs.queue import JobQueue
from api.migrating import SchemaBehind, migrate, unreachable, verify_schema
from api.recommendations.champions import Champions
from api.recommendations.service import RecommendationService
from api.services import Services
from api.settings import Settings
from api.training.learner import ModelLearner
from api.training.service import TrainingService
from api.training.signing import signing_key
from domain.storage.sessions import Database

logger = logging.getLogger("dunwell")


@dataclass(frozen=True)
class DatabaseServer:
    """Where the tables are.

    owner_url: of the role that owns them, for migrations and new tenants; app_url: for everything else. With one URL
    they are the same, and each transaction takes the app's role.
    """

    owner_url: str
    app_url: str
    embedded: bool


@contextmanager
def database_server(settings: Settings) -> Iterator[DatabaseServer]:
    """The PostgreSQL of the settings; the embedded one is started by its first user and stopped by its last.

    Raises:
        EmbeddedPostgresError: it cannot be started; its code says why.
    """
    if settings.database_url is not None:
        url = settings.database_url.get_secret_value()
        owner = settings.migrations_url
        yield DatabaseServer(owner.get_secret_value() if owner else url, url, embedded=False)
        return
    with EmbeddedPostgres.attach(settings.home, port=settings.postgres_port) as embedded:
        yield DatabaseServer(embedded.owner_url, embedded.app_url, embedded=True)


@asynccontextmanager
async def open_database(server: DatabaseServer) -> AsyncIterator[Database]:
    """The app's pool on a database that is fit for use; the embedded one is migrated when it is behind.

    Raises:
        DatabaseUnreachable: nobody answers there.
        SchemaBehind: it must be migrated first.
        UnsafeRole: tenants would not be kept apart.
    """
    database = Database(server.app_url)
    try:
        await _make_fit(server, database)
        yield database
    finally:
        await database.close()


async def _make_fit(server: DatabaseServer, database: Database) -> None:
    try:
        await verify_schema(database)
    except SchemaBehind:
        if not server.embedded:
            raise
        await asyncio.to_thread(migrate, server.owner_url)
        await verify_schema(database)
    except (OSError, InterfaceError, DBAPIError) as error:
        raise unreachable(server.app_url, error) from error
    await database.verify_role()


def training_folder(settings: Settings) -> Path:
    """Where a worker keeps histories while it learns from them."""
    return settings.home.absolute() / "training"


@contextmanager
def open_training(server: DatabaseServer, database: Database) -> Iterator[TrainingService]:
    """What the API and the commands know of training."""
    queue = JobQueue(server.app_url)
    try:
        yield TrainingService(database, queue, lambda: datetime.now(UTC))
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
    with open_training(server, database) as training, open_champions(database, settings) as champions:
        histories = Histories(database, settings.home.absolute() / "histories")
        yield Services(
            database=database,
            recommendations=RecommendationService(database, champions),
            forecasts=ForecastService(histories, champions),
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


def make_learner(settings: Settings) -> ModelLearner:
    """What a worker trains with."""
    return ModelLearner(signing_key(settings))
