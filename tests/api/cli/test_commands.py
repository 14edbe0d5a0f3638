"""The verbs as people run them, on a PostgreSQL of one's own: what they print, what they change, how they fail."""

import csv
import hashlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import psycopg
import pytest

from tests.api.cli.command import Outcome, dunwell, environment, installed_dunwell
from tests.conftest import ROOT

SAMPLE = ROOT / "tests" / "data" / "sample" / "facts"
VERBS = [
    ["migrate"],
    ["tenant", "create"],
    ["tenant", "set"],
    ["tenant", "list"],
    ["key", "create"],
    ["key", "list"],
    ["key", "revoke"],
    ["documents", "add"],
    ["documents", "list"],
    ["documents", "remove"],
    ["import"],
    ["train"],
    ["recommend"],
    ["plan"],
    ["forecast"],
    ["card"],
    ["simulate"],
    ["serve"],
    ["worker"],
    ["export-schema"],
    ["demo"],
]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cli")


@pytest.fixture
def run(home: Path, owner_url: str, tmp_path: Path):
    def run(*arguments: str | Path, by=dunwell, **variables: str | Path) -> Outcome:
        return by(
            *arguments, cwd=tmp_path, **{"DUNWELL_HOME": home, "DUNWELL_DATABASE_URL": owner_url, **variables}
        )

    return run


@pytest.fixture(scope="module")
def tenant(home: Path, owner_url: str) -> str:
    done = dunwell(
        "tenant",
        "create",
        "acme",
        "--name",
        "Acme",
        cwd=home,
        DUNWELL_HOME=home,
        DUNWELL_DATABASE_URL=owner_url,
    )
    assert done.status == 0, done.err
    return "acme"


@pytest.mark.parametrize("verb", VERBS, ids=" ".join)
def test_every_verb_explains_itself(run, verb: list[str]) -> None:
    done = run(*verb, "--help", by=installed_dunwell)
    assert done.status == 0
    assert "Usage" in done.out


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["tenant", "create", "acme", "--name", "Again"], "TENANT_EXISTS"),
        (["tenant", "create", "Not A Key", "--name", "X"], "BAD_TENANT_KEY"),
        (["tenant", "create", "b", "--name", ""], "BAD_TENANT_NAME"),
        (["tenant", "create", "b", "--name", " \t"], "BAD_TENANT_NAME"),
        (["tenant", "create", "b", "--name", "B", "--currency", "EURO"], "BAD_CURRENCY"),
        (["tenant", "create", "b", "--name", "B", "--currency", "XXX"], "BAD_CURRENCY"),
        (["key", "create", "--tenant", "nobody", "--role", "ADMIN"], "TENANT_UNKNOWN"),
        (["key", "revoke", "999999", "--tenant", "acme"], "KEY_UNKNOWN"),
        (
            ["key", "create", "--tenant", "acme", "--role", "OPS", "--expires", "2020-01-01T00:00:00Z"],
            "BAD_EXPIRY",
        ),
        (["import", SAMPLE, "--tenant", "nobody"], "TENANT_UNKNOWN"),
        (["import", "no-such-folder", "--tenant", "acme"], "NOT_A_FOLDER"),
        (["import", SAMPLE / "README.md", "--tenant", "acme"], "NOT_A_FOLDER"),
        (["train", "--tenant", "acme", "--as-of", "2199-01-01T00:00:00Z"], "BAD_USER_INPUT"),
        (["forecast", "--tenant", "acme", "--days", "3", "--out", "f.parquet"], "NOTHING_TO_FORECAST_FROM"),
        (["plan", "--tenant", "acme", "--out", "p.parquet"], "NO_MODEL"),
        (["card", "--tenant", "acme"], "UNKNOWN_MODEL_VERSION"),
        (["card", "--tenant", "acme", "--version", "7"], "UNKNOWN_MODEL_VERSION"),
    ],
)
def test_what_cannot_be_done_is_one_sentence_with_a_code(run, tenant: str, arguments, code: str) -> None:
    done = run(*arguments)
    assert done.status == 1
    assert done.err.strip().splitlines()[-1].startswith(f"{code}: ")
    assert "Traceback" not in done.err


@pytest.mark.parametrize(
    ("arguments", "hint"),
    [
        (["train", "--tenant", "acme", "--as-of", "2026-01-01T00:00:00"], "+00:00 for UTC"),
        (["train", "--tenant", "acme", "--as-of", "yesterday"], "2026-03-01T09:30:00+01:00"),
        (["key", "create", "--tenant", "acme", "--role", "KING"], "admin"),
        (["forecast", "--tenant", "acme", "--days", "0", "--out", "f.parquet"], "--days"),
        (["plan", "--tenant", "acme", "--out", "p.parquet", "--budget", "lots"], "5000EUR"),
        (["plan", "--tenant", "acme", "--out", "p.parquet", "--capacity", "PIGEON=3"], "VOICE=1000"),
        (["simulate", "world", "--debtors", "0", "--seed", "1"], "--debtors"),
        (["simulate", "world", "--debtors", "1", "--seed", "1", "--end", "0001-01-01"], "outside the years"),
        (["key", "revoke", "9" * 20, "--tenant", "acme"], "NUMBER"),
        (["tenant", "set", "acme", "--promise-grace-days", "1.5"], "--promise-grace-days"),
        (["tenant", "set", "acme", "--click-window-days", "-1"], "--click-window-days"),
        (["tenant", "set", "acme", "--open-window-days", "366"], "--open-window-days"),
        (["tenant", "set", "acme", "--open-window-days", "nan"], "--open-window-days"),
        (["tenant", "set", "acme", "--hold-out-share", "nan"], "--hold-out-share"),
        (["key", "list", "--tenant", "acm\udce9"], "'--tenant': it is not written in UTF-8"),
        (["key", "create", "--tenant", "acme", "--role", "OPS", "--label", "\udcff"], "not written in UTF-8"),
        (["tenant", "set", "\udcff", "--promise-grace-days", "1"], "not written in UTF-8"),
        (["plan", "--tenant", "acme", "--out", "p.parquet", "--name", "\udcff"], "not written in UTF-8"),
    ],
)
def test_wrong_usage_says_what_is_right(run, arguments: list[str], hint: str) -> None:
    done = run(*arguments)
    assert done.status == 2
    assert hint in done.err
    assert "Traceback" not in done.err


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["serve", "--port", "x"], "Invalid value for '--port': must be a whole number."),
        (["serve", "--port", "0"], "Invalid value for '--port': must be at least 1."),
        (["tenant", "set", "acme", "--hold-out-share", "2"], "'--hold-out-share': must be at most 0.9."),
        (["tenant", "set", "acme", "--hold-out-share", "x"], "'--hold-out-share': must be a number."),
        (["train", "--tenant", "acme", "--promote", "X"], "'--promote': 'X' is not one of 'auto', 'never'."),
        (["card", "--tenant", "acme", "--version", "9" * 20], "'--version': must be at most 2147483647."),
        (["documents", "remove", "x", "--tenant", "acme"], "Invalid value for 'ID': 'x' is no id"),
    ],
)
def test_what_is_wrong_with_an_option_is_said_in_words_for_people(run, arguments, sentence: str) -> None:
    done = run(*arguments)
    assert done.status == 2
    assert sentence in done.err


@pytest.mark.parametrize(
    ("variables", "code"),
    [
        ({"DUNWELL_DATABASE_URL": "postgresql://nobody@127.0.0.1:1/nothing"}, "DATABASE_UNREACHABLE"),
        ({"DUNWELL_DATABASE_URL": "mysql://root@127.0.0.1/x"}, "BAD_SETTING"),
        ({"DUNWELL_PROFILE": "prod"}, "BAD_SETTING"),
        ({"DUNWELL_POSTGRES_PORT": "99999"}, "BAD_SETTING"),
        ({"DUNWELL_CORS_ORIGINS": "https://desk.example,desk"}, "BAD_SETTING"),
        ({"DUNWELL_ARTEFACT_KEY": ""}, "BAD_SETTING"),
    ],
)
def test_a_wrong_environment_is_named_without_its_secrets(run, variables: dict[str, str], code: str) -> None:
    done = run("tenant", "create", "c", "--name", "C", **variables)
    assert done.status == 1
    assert done.err.startswith(f"{code}: ")
    assert "DUNWELL_" in done.err


def test_a_schema_that_is_behind_is_refused(run, cluster_url: str) -> None:
    done = run("serve", "--port", "18765", DUNWELL_DATABASE_URL=cluster_url)
    assert done.status == 1
    assert done.err.startswith("SCHEMA_NOT_CURRENT: ")
    assert "dunwell migrate" in done.err


def test_a_tenants_own_rules_are_checked_and_kept(run, tenant: str, owner_url: str, tmp_path: Path) -> None:
    good, bad = tmp_path / "good.json", tmp_path / "bad.json"
    good.write_text(
        '{"closed_weekdays": ["SUNDAY"], "at_most": [{"channels": ["SMS"], "contacts": 1, "days": 3}]}'
    )
    bad.write_text('{"open_hours": 24}')
    assert run("tenant", "set", tenant, "--contact-rules", good, "--hold-out-share", "0.05").status == 0
    done = run("tenant", "set", tenant, "--contact-rules", bad)
    assert (done.status, done.err.split(":")[0]) == (1, "BAD_CONTACT_RULES")
    bad.write_text("[" * 200_000)
    assert run("tenant", "set", tenant, "--contact-rules", bad).err.startswith("BAD_CONTACT_RULES: ")
    assert run("tenant", "set", tenant).err.startswith("NOTHING_TO_SET")
    assert run("tenant", "set", "nobody", "--hold-out-share", "0").err.startswith("TENANT_UNKNOWN")
    with psycopg.connect(owner_url) as connection:
        row = connection.execute("SELECT settings FROM tenant WHERE key = %s", (tenant,)).fetchone()
    assert row is not None
    assert row[0]["contact_rules"]["closed_weekdays"] == ["SUNDAY"]
    assert row[0]["hold_out_share"] == 0.05


def test_grace_days_and_windows_are_set_and_shown(run) -> None:
    assert run("tenant", "create", "patient", "--name", "Patient [bold]").status == 0
    days = ("--promise-grace-days", "4", "--click-window-days", "1.5", "--open-window-days", "0")
    done = run("tenant", "set", "patient", *days, "--hold-out-share", "0.05")
    assert (done.status, done.out) == (
        0,
        "Set for tenant patient: hold_out_share, promise_grace_days, click_window_days, open_window_days.\n",
    )
    assert (
        "patient (Patient [bold]): currency EUR, promise-grace-days 4, click-window-days 1.5, open-window-days 0, "
        "hold-out-share 0.05, contact-rules none\n"
    ) in run("tenant", "list").out


def test_an_import_counts_and_lists_bad_rows(run, tenant: str, tmp_path: Path) -> None:
    done = run("import", SAMPLE, "--tenant", tenant)
    assert done.status == 0
    assert "21 bad row(s)" in done.err
    with (tmp_path / "rejects.csv").open() as file:
        listed = list(csv.DictReader(file))
    assert {row["file"] for row in listed} >= {"debtors.csv", "communications.parquet"}
    assert all(row["code"] and row["reason"] for row in listed)


def test_a_strict_import_with_bad_rows_changes_nothing(run, owner_url: str, tmp_path: Path) -> None:
    assert run("tenant", "create", "strict", "--name", "Strict").status == 0
    done = run("import", SAMPLE, "--tenant", "strict", "--strict", "--rejects", tmp_path / "bad.csv")
    assert done.status == 1
    assert "REJECTED: 21 bad row(s)" in done.err
    assert (tmp_path / "bad.csv").exists()
    with psycopg.connect(owner_url) as connection:
        row = connection.execute(
            "SELECT count(*) FROM debtor JOIN tenant ON tenant.id = debtor.tenant_id WHERE tenant.key = 'strict'"
        ).fetchone()
    assert row == (0,)


def with_bad_debtors(folder: Path, count: int) -> Path:
    """A data set of which so many debtors have no country."""
    shutil.copytree(SAMPLE, folder)
    with (folder / "debtors.csv").open() as file:
        columns = next(csv.reader(file))
    with (folder / "debtors.csv").open("a") as file:
        writer = csv.DictWriter(file, columns)
        writer.writerows({"reference": f"BAD{at}", "name": "Bad"} for at in range(count))
    return folder


@pytest.mark.parametrize("strict", [False, True])
def test_a_list_of_bad_rows_that_finds_no_room_is_said_and_left_empty(
    home: Path, owner_url: str, run, tmp_path: Path, strict: bool
) -> None:
    key = "full-strict" if strict else "full"
    assert run("tenant", "create", key, "--name", "Full").status == 0
    folder = with_bad_debtors(tmp_path / "facts", 500)
    # No file of more than 4 KiB: what a full disk does, in the middle of the list.
    limited = ["bash", "-c", 'ulimit -f 4; exec "$@"', "_", sys.executable, "-m", "api.cli"]
    done = subprocess.run(
        [*limited, "import", folder, "--tenant", key, *(["--strict"] if strict else [])],
        cwd=tmp_path,
        env=environment(DUNWELL_HOME=home, DUNWELL_DATABASE_URL=owner_url, PYTHONDONTWRITEBYTECODE="1"),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    said = done.stderr.strip().splitlines()[-1]
    assert (done.returncode, said.split(":")[0]) == (1, "REJECTED" if strict else "REJECTS_NOT_WRITTEN")
    assert "File too large" in said
    assert "Traceback" not in done.stderr
    assert "accounts" in done.stdout
    assert (tmp_path / "rejects.csv").read_text() == ""
    with psycopg.connect(owner_url) as connection:
        row = connection.execute(
            "SELECT count(*) FROM debtor JOIN tenant ON tenant.id = debtor.tenant_id WHERE tenant.key = %s",
            (key,),
        ).fetchone()
    assert row is not None
    assert bool(row[0]) is not strict


def test_a_list_without_any_room_is_refused_before_anything_begins(run, tenant: str) -> None:
    done = run("import", SAMPLE, "--tenant", tenant, "--rejects", "/dev/full")
    assert (done.status, done.out) == (1, "")
    assert done.err.strip().splitlines()[-1].startswith("UNWRITABLE_REJECTS: ")
    assert "Traceback" not in done.err


def test_a_folder_that_is_no_data_set_is_refused(run, tenant: str, tmp_path: Path) -> None:
    folder = tmp_path / "set"
    shutil.copytree(SAMPLE, folder)
    (folder / "holidays.csv").write_text("day\n")
    done = run("import", folder, "--tenant", tenant)
    assert done.status == 1
    assert "holidays" in done.err
    assert "Traceback" not in done.err


def test_a_simulation_is_importable_and_repeatable(run, tmp_path: Path) -> None:
    arguments = ("--debtors", "20", "--seed", "3", "--end", "2026-05-01")
    for name in ("one", "two"):
        done = run(
            "simulate", tmp_path / name, *arguments, by=installed_dunwell
        )  # each with hashes of its own
        assert done.status == 0, done.err
        assert (tmp_path / f"{name}.truth" / "world.json").exists()
    for path in (tmp_path / "one").iterdir():
        assert path.read_bytes() == (tmp_path / "two" / path.name).read_bytes()
    assert run("tenant", "create", "simulated", "--name", "Simulated").status == 0
    done = run("import", tmp_path / "one", "--tenant", "simulated", "--strict")
    assert done.status == 0, done.err


@pytest.mark.parametrize(
    ("tenant", "variables", "code"),
    [
        ("nobody", {}, "TENANT_UNKNOWN"),
        ("acme", {"DUNWELL_DATABASE_URL": "postgresql://nobody@127.0.0.1:1/no"}, "DATABASE_UNREACHABLE"),
    ],
)
def test_an_import_that_never_begins_leaves_no_line_of_an_earlier_one(
    run, tmp_path: Path, tenant: str, variables: dict[str, str], code: str
) -> None:
    (tmp_path / "rejects.csv").write_text(
        "file,line,column,code,reason\naccounts.csv,2,principal,EMPTY,none\n"
    )
    done = run("import", SAMPLE, "--tenant", tenant, **variables)
    assert (done.status, done.err.split(":")[0]) == (1, code)
    assert (tmp_path / "rejects.csv").read_text().splitlines() == ["file,line,column,code,reason"]


def test_a_folder_in_use_is_not_simulated_into(run, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "notes.txt").write_text("keep")
    done = run("simulate", tmp_path / "mine", "--debtors", "5", "--seed", "1")
    assert done.status == 1
    assert done.err.splitlines()[-1].startswith("FOLDER_IN_USE: ")


def test_the_folder_one_is_in_is_simulated_into_by_its_dot(tmp_path: Path) -> None:
    (tmp_path / "demo").mkdir()
    done = dunwell("simulate", ".", "--debtors", "5", "--seed", "1", cwd=tmp_path / "demo")
    assert (done.status, (tmp_path / "demo" / "debtors.csv").exists()) == (0, True)
    assert (tmp_path / "demo.truth" / "world.json").exists()


def test_there_is_no_place_beside_everything(tmp_path: Path) -> None:
    done = dunwell("simulate", "/", "--debtors", "5", "--seed", "1", cwd=tmp_path)
    assert (done.status, done.err.splitlines()[-1].split(":")[0]) == (1, "FOLDER_IN_USE")


def test_the_schema_that_is_exported_is_the_one_committed(run) -> None:
    assert run("export-schema").out == (ROOT / "schema.graphql").read_text()


def test_keys_are_listed_without_their_secrets_and_revoked(run, tenant: str, owner_url: str) -> None:
    made = run(
        *("key", "create", "--tenant", tenant, "--role", "reader", "--label", "the [portal]"),
        *("--expires", "2999-01-01T00:00:00+01:00", "--no-personal-data"),
    )
    key = made.out.strip()
    with psycopg.connect(owner_url) as connection:
        found = connection.execute(
            "SELECT k.id, k.expires_at AT TIME ZONE 'UTC', k.reads_personal_data FROM api_key k"
            " JOIN tenant t ON t.id = k.tenant_id WHERE t.key = %s ORDER BY k.id DESC LIMIT 1",
            (tenant,),
        ).fetchone()
    assert found is not None
    number, expires, personal = found
    assert expires.isoformat() == "2998-12-31T23:00:00"
    assert personal is False
    listed = run("key", "list", "--tenant", tenant).out
    (line,) = [line for line in listed.splitlines() if line.startswith(f"{number} ")]
    assert "READER" in line
    assert "the [portal]" in line
    assert line.split()[-3:] == ["until", "2998-12-31", "23:00Z"]
    assert key.split("_", 2)[2] not in listed
    assert run("key", "revoke", str(number), "--tenant", tenant).status == 0
    assert " revoked 20" in run("key", "list", "--tenant", tenant).out
    with psycopg.connect(owner_url) as connection:
        revoked = connection.execute("SELECT revoked_at FROM api_key WHERE id = %s", (number,)).fetchone()
        assert revoked is not None
        assert revoked[0] is not None
        actions = connection.execute(
            "SELECT action FROM audit_entry a JOIN tenant t ON t.id = a.tenant_id WHERE t.key = %s ORDER BY a.id",
            (tenant,),
        ).fetchall()
    assert [action for (action,) in actions][:1] == ["createTenant"]
    assert [action for (action,) in actions][-2:] == ["createKey", "revokeKey"]


def test_documents_are_trusted_all_or_none(run, tenant: str, tmp_path: Path) -> None:
    keys, names = "query Keys { segments { key } }", "query Names { segments { name } }"
    ids = [f"sha256:{hashlib.sha256(text.encode()).hexdigest()}" for text in (keys, names)]
    (tmp_path / "keys.graphql").write_text(keys)
    (tmp_path / "manifest.json").write_text(json.dumps({ids[1].removeprefix("sha256:"): names}))
    (tmp_path / "other.json").write_text(
        json.dumps(
            {"format": "apollo-persisted-query-manifest", "operations": [{"id": "0" * 64, "body": names}]}
        )
    )
    (tmp_path / "slip.graphql").write_text("query Slip { segmnets { key } }")
    (tmp_path / "deep.json").write_text("[" * 200_000)
    add = ("documents", "add", "--tenant", tenant, tmp_path / "keys.graphql")
    for bad, code in (
        ("slip.graphql", "BAD_DOCUMENT: Slip (line 1)"),
        ("other.json", "DOCUMENT_HASH_DIFFERS"),
        ("deep.json", "BAD_DOCUMENT"),
    ):
        refused = run(*add, tmp_path / bad)
        assert (refused.status, refused.err.strip().splitlines()[-1].startswith(code)) == (1, True), (
            refused.err
        )
    added = run(*add, tmp_path / "manifest.json")
    assert added.out.splitlines() == [f"{ids[0]}  Keys", f"{ids[1]}  Names"]
    assert "2 new, 0 trusted already" in added.err
    assert run("documents", "remove", ids[0], "--tenant", tenant).status == 0
    (line,) = run("documents", "list", "--tenant", tenant, by=installed_dunwell).out.splitlines()
    assert line.startswith(ids[1])
    assert line.endswith("Names")


@pytest.mark.parametrize("verb", [["recommend"], ["plan"], ["forecast", "--days", "7"]])
def test_what_stands_where_a_file_is_to_be_written_and_is_none_stays(
    run, tmp_path: Path, verb: list[str]
) -> None:
    """A device, say: as root a file would be put in its place."""
    os.mkfifo(tmp_path / "pipe")
    done = run(*verb, "--tenant", "any", "--out", "pipe")
    assert done.status == 2
    assert "is there and no file" in done.err
    assert (tmp_path / "pipe").is_fifo()
