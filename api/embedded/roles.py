"""The database `dunwell` and its two login roles, made so that doing it again changes nothing."""

from __future__ import annotations

import json
import secrets
from dataclasses import asdict, dataclass

import psycopg
from psycopg import sql

from api.embedded.cluster import OWNER
from api.embedded.errors import EmbeddedPostgresError, ErrorCode
from api.embedded.layout import Layout, write_private
from api.embedded.ports import HOST

APP = "dunwell_app"
DATABASE = "dunwell"
JOBS_SCHEMA = "dbos"


@dataclass(frozen=True)
class Credentials:
    """The generated passwords of the owner (a superuser, for migrations) and of the app's role."""

    owner: str
    app: str


def new_credentials(layout: Layout) -> Credentials:
    """Generate and keep passwords (192 bits each, safe inside a URL). Raises OSError."""
    made = Credentials(secrets.token_urlsafe(24), secrets.token_urlsafe(24))
    write_private(layout.credentials, json.dumps(asdict(made)))
    return made


def read_credentials(layout: Layout) -> Credentials:
    """The kept passwords.

    Raises:
        EmbeddedPostgresError: CREDENTIALS_LOST.
        OSError: the file is there and cannot be read.
    """
    try:
        kept = json.loads(layout.credentials.read_text(encoding="utf-8"))
        return Credentials(owner=str(kept["owner"]), app=str(kept["app"]))
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        raise lost_credentials(layout) from None


def lost_credentials(layout: Layout) -> EmbeddedPostgresError:
    """The data are there, the passwords that open them are not."""
    return EmbeddedPostgresError(
        ErrorCode.CREDENTIALS_LOST,
        f"{layout.credentials} is missing, damaged or of another database, and {layout.data} opens only with "
        f"the passwords in it. Restore that file from a backup, or move {layout.root} away to begin with an "
        "empty database.",
    )


def is_prepared(port: int, credentials: Credentials) -> bool:
    """Whether the app's role can enter the database and finds the schema of the jobs there."""
    try:
        with _connect(port, APP, credentials.app, DATABASE) as app:
            return app.execute("SELECT to_regnamespace(%s)", [JOBS_SCHEMA]).fetchone() != (None,)
    except psycopg.OperationalError:
        return False


def prepare_database(port: int, credentials: Credentials) -> None:
    """Make the database, the app's login role and the schema of the job tables, or bring them back in line.

    The app's role owns nothing but the schema of the jobs, so row-level security binds it.

    Raises:
        psycopg.Error: the server refuses, or its disk is full.
    """
    app, database = sql.Identifier(APP), sql.Identifier(DATABASE)
    with _connect(port, OWNER, credentials.owner, "postgres") as server:
        if not server.execute("SELECT 1 FROM pg_database WHERE datname = %s", [DATABASE]).fetchone():
            server.execute(sql.SQL("CREATE DATABASE {}").format(database))
        if not server.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", [APP]).fetchone():
            server.execute(sql.SQL("CREATE ROLE {}").format(app))
        verifier = server.pgconn.encrypt_password(credentials.app.encode(), APP.encode(), b"scram-sha-256")
        server.execute(
            sql.SQL(
                "ALTER ROLE {} LOGIN NOSUPERUSER NOBYPASSRLS NOCREATEDB NOCREATEROLE NOREPLICATION "
                "PASSWORD {}"
            ).format(app, sql.Literal(verifier.decode()))
        )
        server.execute(sql.SQL("REVOKE ALL ON DATABASE {} FROM PUBLIC").format(database))
        server.execute(sql.SQL("GRANT CONNECT, TEMPORARY ON DATABASE {} TO {}").format(database, app))
    with _connect(port, OWNER, credentials.owner, DATABASE) as own:
        jobs = sql.Identifier(JOBS_SCHEMA)
        own.execute(sql.SQL("CREATE SCHEMA IF NOT EXISTS {} AUTHORIZATION {}").format(jobs, app))


def _connect(port: int, user: str, password: str, database: str) -> psycopg.Connection:
    """Connect whatever PG... variables the user's shell has set."""
    return psycopg.connect(
        host=HOST,
        hostaddr=HOST,
        port=port,
        user=user,
        password=password,
        dbname=database,
        options="",
        sslmode="disable",
        gssencmode="disable",
        connect_timeout=10,
        autocommit=True,
    )
