"""A real PostgreSQL for the whole run, migrated once; each test that asks gets a tenant of its own."""

import os
import uuid
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest
import pytest_asyncio
from hypothesis import HealthCheck, settings
from sqlalchemy.engine import make_url

from api.migrating import migrate
from domain.storage.sessions import Database

ROOT = Path(__file__).parent.parent

# How long an example takes tells of the machine, and of what else it has to do, not of the product.
settings.register_profile("dunwell", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("dunwell")


@pytest.fixture(scope="session")
def cluster_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The owner's URL of a running cluster: DUNWELL_TEST_OWNER_URL, else an embedded one that ends with the run."""
    given = os.environ.get("DUNWELL_TEST_OWNER_URL")
    if given:
        yield given
        return
    from api.embedded import EmbeddedPostgres

    home = tmp_path_factory.mktemp("home")
    (home / "postgres").mkdir(mode=0o700)
    # Nothing of this cluster is to outlive the machine. What tests kill are its clients; whoever kills a PostgreSQL
    # makes one of their own. So many databases come and go in it that a large pool of buffers costs more than it keeps.
    settings = ("fsync = off", "full_page_writes = off", "wal_compression = off", "shared_buffers = 64MB")
    (home / "postgres" / "local.conf").write_text("\n".join(settings))
    with EmbeddedPostgres.attach(home) as server:
        yield server.owner_url


@contextmanager
def new_database(cluster_url: str, template: str = "template1") -> Iterator[str]:
    """The owner's URL of a database of one's own, dropped at the end. template: what it is a copy of."""
    name = f"test_{uuid.uuid4().hex[:12]}"
    admin = make_url(cluster_url).set(drivername="postgresql")
    with psycopg.connect(admin.render_as_string(hide_password=False), autocommit=True) as connection:
        # Files are copied in a fifth of the time that every page of them takes to be logged, which nobody needs here.
        connection.execute(f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY FILE_COPY")
        yield admin.set(database=name).render_as_string(hide_password=False)
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def empty_url(cluster_url: str) -> Iterator[str]:
    """The owner's URL of a database that nobody has migrated."""
    with new_database(cluster_url) as url:
        yield url


@pytest.fixture(scope="session")
def migrated_template(cluster_url: str) -> Iterator[str]:
    """The name of a migrated database to copy; nobody may be connected to it."""
    with new_database(cluster_url) as url:
        migrate(url)
        name = make_url(url).database
        assert name is not None
        yield name


@pytest.fixture
def migrated_url(cluster_url: str, migrated_template: str) -> Iterator[str]:
    """The owner's URL of a migrated database of the test's own."""
    with new_database(cluster_url, migrated_template) as url:
        yield url


@pytest.fixture(scope="session")
def owner_url(cluster_url: str, migrated_template: str) -> Iterator[str]:
    """The owner's URL of the run's own migrated database."""
    with new_database(cluster_url, migrated_template) as url:
        yield url


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def database(owner_url: str) -> AsyncIterator[Database]:
    """The app's pool: every transaction takes the app's own role."""
    database = Database(owner_url)
    await database.verify_role()
    yield database
    await database.close()


@pytest.fixture
def new_tenant(owner_url: str) -> Callable[..., int]:
    """Make a tenant, as `dunwell tenant create` does, and answer its id."""

    def make(currency: str = "EUR") -> int:
        key = f"t{uuid.uuid4().hex[:12]}"
        with psycopg.connect(owner_url, autocommit=True) as connection:
            row = connection.execute(
                "INSERT INTO tenant (key, name, currency) VALUES (%s, %s, %s) RETURNING id",
                (key, key, currency),
            ).fetchone()
        assert row is not None
        return int(row[0])

    return make


@pytest.fixture
def tenant_id(new_tenant: Callable[..., int]) -> int:
    """A fresh tenant in EUR."""
    return new_tenant()
