"""The application over the real database, with the sample portfolio imported once for the run."""

import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AbstractAsyncContextManager, ExitStack, asynccontextmanager
from dataclasses import replace

import httpx
import pytest
import pytest_asyncio
from sqlalchemy.engine import make_url
from starlette.applications import Starlette

from api.auth import create_key
from api.decisions.campaigns import CampaignService
from api.decisions.service import DecisionService
from api.http import create_app
from api.imports.use_case import import_folder
from api.recommendations.champions import Champions
from api.services import Services
from api.settings import Settings
from domain.storage.sessions import Database
from domain.storage.tenants import create_tenant
from domain.vocabulary import Role
from tests.api.learned import KEY, Learned, learn
from tests.api.portfolio import NOW, SAMPLE, Api
from tests.api.stand_ins import FixedAdvice, FixedForecast, RunsInMemory
from tests.conftest import new_database


async def tenant_with_sample(
    database: Database, owner_url: str, tmp_path_factory: pytest.TempPathFactory
) -> int:
    key = f"sample{uuid.uuid4().hex[:12]}"
    tenant_id = await create_tenant(owner_url, key=key, name=key, currency="EUR")
    rejects = tmp_path_factory.mktemp("import") / "rejects.csv"
    await import_folder(database, tenant_id, SAMPLE, rejects=rejects, now=NOW)
    return tenant_id


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def sample_tenant(database: Database, owner_url: str, tmp_path_factory: pytest.TempPathFactory) -> int:
    """A tenant with the sample portfolio, which tests only read."""
    return await tenant_with_sample(database, owner_url, tmp_path_factory)


@pytest.fixture(scope="session")
def champions(database: Database) -> Iterator[Champions]:
    champions = Champions(database, KEY)
    yield champions
    champions.close()


@pytest.fixture(scope="session")
def services(database: Database, champions: Champions) -> Services:
    """Real choices, by whatever model a tenant has; advice, forecasts and training are fixed answers."""
    return Services(
        database,
        FixedAdvice(),
        DecisionService(database, champions),
        CampaignService(database, champions),
        FixedForecast(),
        RunsInMemory(),
    )


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def learned(database: Database, owner_url: str, tmp_path_factory: pytest.TempPathFactory) -> Learned:
    """A tenant with a model that decides, whose facts tests only add to."""
    key = f"learned{uuid.uuid4().hex[:12]}"
    tenant_id = await create_tenant(owner_url, key=key, name=key, currency="EUR")
    learned = await learn(database, tenant_id, tmp_path_factory.mktemp("learned"))
    await learned.store()
    return learned


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def learned_apart(
    cluster_url: str, migrated_template: str, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Callable[[int], AbstractAsyncContextManager[Learned]]]:
    """A tenant that has learned from so many debtors, in a database of its own: `async with learned_apart(60)`.

    It is learned once and copied with its database, as a model knows debtors by their ids. No model decides there yet,
    and there is another tenant, "other", without facts.
    """
    originals: dict[int, tuple[str, Learned]] = {}
    with ExitStack() as kept:

        async def original(debtors: int) -> tuple[str, Learned]:
            url = kept.enter_context(new_database(cluster_url, migrated_template))
            tenant_id, _ = [
                await create_tenant(url, key=key, name=key, currency="EUR") for key in ("learned", "other")
            ]
            database = Database(url)
            learned = await learn(database, tenant_id, tmp_path_factory.mktemp("learned"), debtors=debtors)
            await database.close()  # nobody may be connected to what is copied
            return str(make_url(url).database), learned

        @asynccontextmanager
        async def copied(debtors: int) -> AsyncIterator[Learned]:
            if debtors not in originals:
                originals[debtors] = await original(debtors)
            name, learned = originals[debtors]
            with new_database(cluster_url, name) as url:
                database = Database(url)
                try:
                    yield replace(learned, database=database)
                finally:
                    await database.close()

        yield copied


@pytest.fixture(scope="session")
def app(services: Services) -> Starlette:
    return create_app(services, Settings(failed_logins=1_000_000), clock=lambda: NOW)


@pytest.fixture(scope="session")
def production_app(services: Services) -> Starlette:
    return create_app(services, Settings(profile="production", failed_logins=1_000_000), clock=lambda: NOW)


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def client(app: Starlette) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(app=app)
    async with httpx.AsyncClient(transport=transport, base_url="http://dunwell.test") as client:
        yield client


@pytest.fixture
def api_of(database: Database, client: httpx.AsyncClient) -> Callable[..., Awaitable[Api]]:
    """Make a client for a tenant, with a key of a role."""

    async def make(tenant_id: int, role: Role = Role.ADMIN) -> Api:
        return Api(client, await create_key(database, tenant_id, role, now=NOW))

    return make


@pytest_asyncio.fixture(loop_scope="session")
async def api(api_of, sample_tenant: int) -> Api:
    """An ADMIN of the sample's tenant."""
    return await api_of(sample_tenant)
