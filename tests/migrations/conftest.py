"""A database to migrate in a cluster that is new to dunwell."""

from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from sqlalchemy.engine import make_url

from api.embedded import EmbeddedPostgres


@pytest.fixture
def new_cluster_url(tmp_path: Path) -> Iterator[str]:
    """The superuser's URL of a cluster new to dunwell, with the owner of docs/operations.md and its database."""
    with EmbeddedPostgres.attach(tmp_path) as server:
        admin = make_url(server.owner_url).set(drivername="postgresql").render_as_string(hide_password=False)
        forget_dunwell(admin)
        with psycopg.connect(admin, autocommit=True) as connection:
            connection.execute("CREATE ROLE plain_owner LOGIN CREATEROLE PASSWORD 'plain'")
            connection.execute("CREATE DATABASE theirs OWNER plain_owner")
        yield admin


@pytest.fixture
def plain_url(new_cluster_url: str) -> str:
    """The URL of that owner, who may create roles and no more."""
    theirs = make_url(new_cluster_url).set(database="theirs", username="plain_owner", password="plain")
    return theirs.render_as_string(hide_password=False)


def forget_dunwell(admin: str) -> None:
    """Leave no trace of the app's role in a cluster."""
    with psycopg.connect(admin, autocommit=True) as connection:
        for (database,) in connection.execute(
            "SELECT datname FROM pg_database WHERE datallowconn"
        ).fetchall():
            url = make_url(admin).set(database=database).render_as_string(hide_password=False)
            with psycopg.connect(url, autocommit=True) as inside:
                inside.execute("DROP OWNED BY dunwell_app")
        connection.execute("DROP ROLE dunwell_app")
