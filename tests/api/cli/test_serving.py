"""`dunwell serve` on the embedded PostgreSQL: it starts everything, keeps the data, and leaves nothing running."""

import os
import re
import signal
import socket
import time
import urllib.error
from contextlib import closing
from pathlib import Path

import psutil
import psycopg
import pytest
from psycopg.types.json import Jsonb

from api.embedded import EmbeddedPostgres
from ml.artefact import signed
from tests.api.cli.command import installed_dunwell
from tests.api.cli.server import Server


def left_running(home: Path) -> list[str]:
    """Processes that belong to a home: its PostgreSQL, its watchdog, its server and worker."""
    found = []
    for process in psutil.process_iter():
        try:
            words = process.cmdline()
            owned = process.environ().get("DUNWELL_HOME") == str(home)
        except psutil.Error:
            continue
        if owned or any(str(home) in word for word in words):
            found.append(" ".join(words))
    return found


def until_nothing_runs(home: Path, seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while left := left_running(home):
        assert time.monotonic() < deadline, left
        time.sleep(0.1)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("serve") / "home"


def test_a_stop_leaves_nothing_running_and_the_next_start_keeps_the_data(home: Path) -> None:
    key = ""
    for number in (signal.SIGINT, signal.SIGTERM):
        server = Server(home)
        try:
            server.wait_until_ready()
            assert server.get("/readyz") == 200
            worker = server.wait_for_worker()
            key = key or key_of_a_new_tenant(home)
            answer = server.ask("{ debtors(first: 1) { totalCount } }", key)
            assert answer == {"data": {"debtors": {"totalCount": 0}}}
            server.process.send_signal(number)
            assert server.process.wait(timeout=60) == 0
        finally:
            server.process.kill()
            server.process.communicate()
        assert not worker.is_running()
        assert left_running(home) == []


def key_of_a_new_tenant(home: Path) -> str:
    """Made while the server runs."""
    made = installed_dunwell("tenant", "create", "kept", "--name", "Kept", cwd=home.parent, DUNWELL_HOME=home)
    assert made.status == 0, made.err
    key = installed_dunwell(
        "key", "create", "--tenant", "kept", "--role", "READER", cwd=home.parent, DUNWELL_HOME=home
    )
    return key.out.strip()


def test_a_database_that_was_killed_is_started_again(home: Path) -> None:
    server = Server(home)
    try:
        server.wait_until_ready()
        server.let_it_print()
        deadline = time.monotonic() + 240
        with (
            EmbeddedPostgres.attach(home) as embedded,
            closing(psycopg.connect(embedded.owner_url)) as holding,
            closing(psycopg.connect(embedded.owner_url, autocommit=True)) as watching,
        ):
            # The worst moment: in the middle of what the job tables are asked, which is tried again without end.
            holding.execute("LOCK TABLE dbos.workflow_status")
            while not asks_for_dead_workers(watching):
                assert time.monotonic() < deadline
                time.sleep(0.1)
            first, *_ = (home / "postgres" / "data" / "postmaster.pid").read_text().splitlines()
            os.kill(int(first), signal.SIGKILL)
        for ready in (False, True):
            while is_ready(server) != ready:
                assert time.monotonic() < deadline
                time.sleep(0.2)
    finally:
        server.process.kill()
        server.process.wait()


def asks_for_dead_workers(connection: psycopg.Connection) -> bool:
    """Whether a worker has asked the job tables what workers had begun, and waits for the answer."""
    asked = """SELECT FROM pg_stat_activity
        WHERE wait_event_type = 'Lock' AND query LIKE '%dbos.workflow_status.executor_id%'"""
    return connection.execute(asked).fetchone() is not None


def is_ready(server: Server) -> bool:
    try:
        return server.get("/readyz") == 200
    except urllib.error.HTTPError:
        return False


def test_a_dead_worker_is_started_again_and_a_killed_server_takes_everything_with_it(home: Path) -> None:
    server = Server(home)
    try:
        server.wait_until_ready()
        first = server.wait_for_worker()
        os.kill(first.pid, signal.SIGKILL)
        deadline = time.monotonic() + 30
        while (second := server.wait_for_worker()).pid == first.pid:
            assert time.monotonic() < deadline
            time.sleep(0.1)
        assert second.is_running()
    finally:
        server.process.kill()
        server.process.wait()
    until_nothing_runs(home, seconds=60)
    server.process.communicate()


def test_a_taken_port_is_named_and_nothing_is_left(home: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        done = installed_dunwell("serve", "--port", port, cwd=home.parent, DUNWELL_HOME=home)
    assert done.status == 1
    assert done.err.startswith("ADDRESS_NOT_AVAILABLE: ")
    assert port in done.err
    assert left_running(home) == []


QUERY = "{ modelVersions(first: 5) { edges { node { version status } } } }"


class Demo:
    """A demo in a home of its own, and what its starts print."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.printed: list[str] = []
        self.keys: list[str] = []
        self.statuses: list[str] = []

    def start(self) -> list[int]:
        """Start and stop it once; its model versions meanwhile, newest first."""
        server = Server(self.home, "demo", "--debtors", "60")
        try:
            self.printed.append(server.read_until("Stop with Ctrl-C"))
            self.keys += re.findall(r"API key .*: (dw_\S+)", self.printed[-1])
            assert f"http://127.0.0.1:{server.port}/graphql#key={self.keys[-1]}" in self.printed[-1]
            answer = server.ask(QUERY, self.keys[-1])
            page = server.ask(
                "{ segmentRecommendations { segment { key } recommendation { evidence } } }", self.keys[-1]
            )
            assert "errors" not in page
        finally:
            server.stop()
        assert left_running(self.home) == []
        versions = [edge["node"] for edge in answer["data"]["modelVersions"]["edges"]]
        self.statuses.append(versions[0]["status"])
        return [version["version"] for version in versions]


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Demo:
    demo = Demo(tmp_path_factory.mktemp("demo") / "home")
    assert demo.start() == [1]
    return demo


def test_the_demo_answers_and_its_second_start_finds_everything_done(demo: Demo) -> None:
    assert demo.start() == [1]
    assert "Training" in demo.printed[0]
    undecided = "Its gate does not let the new model decide; why: dunwell card --tenant demo --version 1\n"
    assert (undecided in demo.printed[0]) == (demo.statuses[0] == "CHALLENGER")
    assert "Training" not in demo.printed[1]
    assert len(demo.keys) == 2
    assert demo.keys[0] == demo.keys[1]
    assert (demo.home / "demo" / "key").stat().st_mode & 0o777 == 0o600


def test_a_demo_whose_model_another_build_stored_is_trained_again_once(demo: Demo) -> None:
    let_the_model_be_of_another_build(demo.home)
    assert demo.start() == [2, 1]
    again = "The demo's model is of another build, which this one cannot read: it is trained again."
    assert again in demo.printed[-1]
    assert "Importing" not in demo.printed[-1]
    assert demo.start() == [2, 1]
    assert again not in demo.printed[-1]


def let_the_model_be_of_another_build(home: Path) -> None:
    key = (home / "artefact.key").read_bytes()
    with EmbeddedPostgres.attach(home) as embedded, psycopg.connect(embedded.owner_url) as connection:
        connection.execute("SET ROLE dunwell_app")
        connection.execute("SELECT set_config('dunwell.tenant_id', tenant_id_of('demo')::text, true)")
        found = connection.execute("SELECT manifest FROM model_version").fetchone()
        assert found is not None
        former = signed({**found[0], "format": 1}, key)
        connection.execute("UPDATE model_version SET manifest = %s", [Jsonb(former)])
