"""The main job by its commands, on a small simulated portfolio: train through a kill -9, recommend, forecast."""

import asyncio
import signal
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import psycopg
import pytest
from psycopg.types.json import Jsonb
from sqlalchemy import select

from api.decisions.rows import SCHEMA as PLAN_SCHEMA
from api.recommendations.bulk import SCHEMA
from domain.storage import models
from domain.storage.sessions import Database
from domain.storage.tables import model_version
from ml.artefact import signed
from tests.api.cli.command import Outcome, dunwell, environment, installed_dunwell

AS_OF = "2026-05-01T00:00:00Z"
DEBTORS = 150


class Portfolio:
    """A tenant with an imported portfolio, and the commands on it."""

    def __init__(self, place: Path, owner_url: str) -> None:
        self.place = place
        self.owner_url = owner_url
        self.variables = {"DUNWELL_HOME": place / "home", "DUNWELL_DATABASE_URL": owner_url}

    def dunwell(self, *arguments: str | Path, by=dunwell) -> Outcome:
        return by(*arguments, cwd=self.place, seconds=200, **self.variables)

    def start_training(self) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            [sys.executable, "-m", "api.cli", "train", "--tenant", "main", "--as-of", AS_OF],
            cwd=self.place,
            env=environment(**self.variables),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    def runs(self) -> list[tuple[int, str, float, int | None]]:
        with psycopg.connect(self.owner_url) as connection:
            return connection.execute(
                "SELECT r.id, r.status, r.progress, r.model_version_id FROM training_run r"
                " JOIN tenant t ON t.id = r.tenant_id WHERE t.key = 'main' ORDER BY r.id"
            ).fetchall()

    def campaigns(self) -> int:
        with psycopg.connect(self.owner_url) as connection:
            found = connection.execute(
                "SELECT count(*) FROM campaign c JOIN tenant t ON t.id = c.tenant_id WHERE t.key = 'main'"
            ).fetchone()
        assert found is not None
        return int(found[0])


@pytest.fixture(scope="module")
def portfolio(tmp_path_factory: pytest.TempPathFactory, owner_url: str) -> Portfolio:
    portfolio = Portfolio(tmp_path_factory.mktemp("main"), owner_url)
    for arguments in (
        ("migrate",),
        ("tenant", "create", "main", "--name", "Main"),
        ("simulate", "world", "--debtors", str(DEBTORS), "--seed", "5", "--end", AS_OF[:10]),
        ("import", "world", "--tenant", "main", "--strict"),
    ):
        done = portfolio.dunwell(*arguments, by=installed_dunwell)
        assert done.status == 0, done.err
    return portfolio


@pytest.fixture(scope="module")
def trained(portfolio: Portfolio) -> Portfolio:
    """Trained, with a kill -9 in the middle."""
    none = portfolio.dunwell(
        "recommend", "--tenant", "main", "--out", "none.parquet", "--as-of", AS_OF, by=installed_dunwell
    )
    assert none.status == 0, none.err
    first = portfolio.start_training()
    deadline = time.monotonic() + 120
    while not (runs := portfolio.runs()) or runs[0][2] < 0.15:
        assert time.monotonic() < deadline
        assert first.poll() is None
        time.sleep(0.05)
    first.send_signal(signal.SIGKILL)
    first.wait()
    assert portfolio.runs()[0][1] == "RUNNING"
    # Asked for now, answered as of then: what was under way is joined, and that is said.
    done = portfolio.dunwell("train", "--tenant", "main", by=installed_dunwell)
    assert done.status == 0, done.err
    assert f"A training as of {datetime.fromisoformat(AS_OF).isoformat()} was under way" in done.err
    # So few contacts may or may not convince the gate; the command says which.
    passed = "Version 1: CHAMPION" in done.out
    assert passed or "Version 1: CHALLENGER" in done.out
    assert passed != ("NOT passed" in done.out)
    asyncio.run(promote(portfolio))
    return portfolio


async def promote(portfolio: Portfolio) -> None:
    """As an operator does with `promoteModel`, whatever the gate advised."""
    database = Database(portfolio.owner_url)
    try:
        tenant_id = await database.tenant_id("main")
        assert tenant_id is not None
        async with database.transaction(tenant_id) as connection:
            version_id = await connection.scalar(select(model_version.c.id))
            assert version_id is not None
            await models.promote(connection, tenant_id, version_id, now=datetime.now(UTC))
    finally:
        await database.close()


def test_a_training_killed_in_the_middle_is_the_one_that_finishes(trained: Portfolio) -> None:
    runs = trained.runs()
    assert len(runs) == 1
    _, status, progress, version = runs[0]
    assert (status, progress) == ("SUCCEEDED", 1.0)
    assert version is not None
    with psycopg.connect(trained.owner_url) as connection:
        versions = connection.execute(
            "SELECT v.version, v.status, length(v.artefact) > 0 FROM model_version v"
            " JOIN tenant t ON t.id = v.tenant_id WHERE t.key = 'main'"
        ).fetchall()
    assert len(versions) == 1


def test_without_a_champion_everybody_is_left_alone(trained: Portfolio) -> None:
    nothing = pl.read_parquet(trained.place / "none.parquet")
    assert nothing.height == DEBTORS
    assert set(nothing["evidence"]) == {"INSUFFICIENT"}
    assert nothing["channel"].is_null().all()


def test_every_debtor_gets_a_lawful_recommendation_or_none_with_a_reason(trained: Portfolio) -> None:
    done = trained.dunwell("recommend", "--tenant", "main", "--out", "advice.parquet", "--as-of", AS_OF)
    assert done.status == 0, done.err
    advice = pl.read_parquet(trained.place / "advice.parquet")
    assert advice.columns == list(SCHEMA)
    assert advice.height == advice["debtor"].n_unique() == DEBTORS
    contacted = advice.filter(pl.col("channel").is_not_null())
    assert contacted.height > 0
    assert contacted["hour"].is_between(8, 20).all()
    assert contacted["send_at"].is_not_null().all()
    assert (contacted["send_at"] >= datetime(2026, 5, 1, tzinfo=UTC)).all()
    assert contacted["expected_conversion_rate"].is_between(0, 1).all()
    assert contacted["currency"].is_not_null().all()
    left_alone = advice.filter(pl.col("channel").is_null())
    assert left_alone["send_at"].is_null().all()


def test_a_window_bounds_when_to_send(trained: Portfolio) -> None:
    window = ("--from", "2026-05-04T07:00:00Z", "--to", "2026-05-04T12:00:00Z")
    done = trained.dunwell(
        "recommend", "--tenant", "main", "--out", "monday.parquet", "--as-of", AS_OF, *window
    )
    assert done.status == 0, done.err
    contacted = pl.read_parquet(trained.place / "monday.parquet").filter(pl.col("channel").is_not_null())
    assert contacted.height > 0
    assert (
        contacted["send_at"]
        .is_between(datetime(2026, 5, 4, 7, tzinfo=UTC), datetime(2026, 5, 4, 12, tzinfo=UTC), closed="left")
        .all()
    )


def test_a_plan_is_logged_and_written_within_its_limits(trained: Portfolio) -> None:
    done = trained.dunwell(
        "plan", "--tenant", "main", "--out", "plan.parquet", "--as-of", AS_OF, "--hold-out", "0.2",
        "--capacity", "EMAIL=9", "SMS=4/day", "VOICE=0", "--budget", "30EUR",
    )  # fmt: skip
    assert done.status == 0, done.err
    plan = pl.read_parquet(trained.place / "plan.parquet")
    assert plan.columns == list(PLAN_SCHEMA)
    planned, held = (plan.filter(arm=arm) for arm in ("PLANNED", "HELD_OUT"))
    assert planned.height + held.height == plan["debtor"].n_unique() == plan["decision_id"].n_unique()
    assert planned.height > 0
    assert held["channel"].is_null().all()
    by_channel = dict(planned["channel"].value_counts().iter_rows())
    assert by_channel.get("EMAIL", 0) <= 9
    assert "VOICE" not in by_channel
    texts = planned.filter(channel="SMS").group_by(pl.col("send_at").dt.date()).len()
    assert texts["len"].max() is None or int(texts["len"].max()) <= 4
    assert set(planned["propensity"]) == {0.8}
    assert f"{planned.height} contacts planned, {held.height} held out" in done.out
    with psycopg.connect(trained.owner_url) as connection:
        logged = connection.execute("SELECT count(*) FROM decision d JOIN tenant t ON t.id = d.tenant_id"
                                    " WHERE t.key = 'main'").fetchone()  # fmt: skip
    assert logged == (plan.height,)


def test_a_model_does_not_decide_about_a_past_it_learned_from(trained: Portfolio) -> None:
    done = trained.dunwell(
        "recommend", "--tenant", "main", "--out", "past.parquet", "--as-of", "2026-01-15T00:00:00Z"
    )
    assert done.status == 0, done.err
    past = pl.read_parquet(trained.place / "past.parquet")
    assert set(past["evidence"]) == {"INSUFFICIENT"}
    assert past["channel"].is_null().all()


@pytest.mark.parametrize(("policy", "by"), [("CURRENT", dunwell), ("RECOMMENDED", installed_dunwell)])
def test_a_forecast_has_a_row_for_each_day_and_a_total(trained: Portfolio, policy: str, by) -> None:
    done = trained.dunwell(
        "forecast", "--tenant", "main", "--days", "7", "--by", "CHANNEL", "--policy", policy,
        "--as-of", AS_OF, "--out", f"{policy}.parquet", by=by,
    )  # fmt: skip
    assert done.status == 0, done.err
    rows = pl.read_parquet(trained.place / f"{policy}.parquet")
    assert rows.columns == ["kpi", "unit", "currency", "channel", "day", "p05", "p50", "p95"]
    assert {"OPEN_RATE", "CONVERSION_RATE", "COLLECTED"} <= set(rows["kpi"])
    days = rows.group_by("kpi", "currency", "channel").agg(
        pl.col("day").n_unique().alias("days"), pl.col("day").is_null().sum().alias("totals")
    )
    assert set(days["days"]) == {8}
    assert set(days["totals"]) == {1}
    known = rows.drop_nulls(["p05", "p95"])
    assert (known["p05"] <= known["p95"]).all()


def test_the_card_of_a_version_is_told(trained: Portfolio) -> None:
    of_the_champion = trained.dunwell("card", "--tenant", "main", by=installed_dunwell)
    assert of_the_champion.status == 0, of_the_champion.err
    assert of_the_champion.out.startswith("# ")
    assert "CHAMPION" in of_the_champion.out
    assert trained.dunwell("card", "--tenant", "main", "--version", "1").out == of_the_champion.out


def test_a_model_of_another_build_names_the_command_that_trains_again(trained: Portfolio) -> None:
    key = (trained.place / "home" / "artefact.key").read_bytes()
    with psycopg.connect(trained.owner_url) as connection:
        of_main = "tenant_id = (SELECT id FROM tenant WHERE key = 'main')"
        found = connection.execute(f"SELECT manifest FROM model_version WHERE {of_main}").fetchone()
        assert found is not None
        changed = f"UPDATE model_version SET manifest = %s WHERE {of_main}"
        connection.execute(changed, [Jsonb(signed({**found[0], "format": 1}, key))])
        connection.commit()
        done = trained.dunwell("recommend", "--tenant", "main", "--out", "old.parquet", "--as-of", AS_OF)
        connection.execute(changed, [Jsonb(found[0])])
    assert done.status == 1
    (*_, told) = done.err.splitlines()
    assert told.startswith("ARTEFACT_INCOMPATIBLE: the model has format 1, ")
    assert told.endswith("train again: dunwell train --tenant main, or the mutation trainModels")


def test_a_file_that_cannot_be_written_is_named(trained: Portfolio) -> None:
    (trained.place / "taken").write_text("a file, not a folder")
    done = trained.dunwell("recommend", "--tenant", "main", "--out", "taken/advice.parquet", "--as-of", AS_OF)
    assert done.status == 1
    assert done.err.splitlines()[-1].startswith("FILE_NOT_WRITABLE: ")


def test_where_the_plan_has_no_room_to_be_written_nothing_is_logged(trained: Portfolio) -> None:
    before = trained.campaigns()
    line = (
        f"ulimit -f 8; exec {sys.executable} -m api.cli plan --tenant main --out full.parquet --as-of {AS_OF}"
    )
    done = subprocess.run(
        ["bash", "-c", line],
        cwd=trained.place,
        env=environment(**trained.variables, PYTHONDONTWRITEBYTECODE="1"),
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].startswith("FILE_NOT_WRITABLE: full.parquet cannot be written")
    assert "Traceback" not in done.stderr
    assert list(trained.place.glob("*full.parquet*")) == []
    assert trained.campaigns() == before


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_an_interruption_says_so_and_leaves_nothing(trained: Portfolio, number: int, status: int) -> None:
    before = trained.campaigns()
    plan = subprocess.Popen(
        [
            sys.executable,
            "-m",
            "api.cli",
            "plan",
            "--tenant",
            "main",
            "--out",
            "cut.parquet",
            "--as-of",
            AS_OF,
        ],
        cwd=trained.place,
        env=environment(**trained.variables),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    deadline = time.monotonic() + 60
    while not list(trained.place.glob(".cut.parquet.*")):
        assert time.monotonic() < deadline
        assert plan.poll() is None
        time.sleep(0.01)
    plan.send_signal(number)
    _, told = plan.communicate(timeout=60)
    assert plan.returncode == status
    assert told.splitlines()[-1] == "Interrupted."
    assert list(trained.place.glob("*cut.parquet*")) == []
    assert trained.campaigns() == before
