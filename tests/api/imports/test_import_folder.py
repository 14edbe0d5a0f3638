"""Importing whole folders: the sample to the last count, refusals before anything begins, the list of bad lines."""

import csv
import json
import os
import random
import re
import shutil
from collections import Counter
from pathlib import Path

import polars as pl
import pytest

from api.imports import ImportRefused, import_folder
from domain.rejections import RejectCode
from tests.conftest import ROOT
from tests.facts import NOW, stored

SAMPLE = ROOT / "tests" / "data" / "sample"

DEBTORS = "reference,name,country\nD1,Ana,ES\n"
ACCOUNTS = (
    "reference,debtor,product,currency,principal,opened_on,due_on\nA1,D1,CARD,EUR,100,2025-10-04,2026-01-02\n"
)


def folder(tmp_path, **files) -> Path:
    """A data set of these files, `events_csv="…"`; None leaves one out."""
    tmp_path.mkdir(exist_ok=True)
    for name, content in ({"debtors_csv": DEBTORS, "accounts_csv": ACCOUNTS} | files).items():
        if content is not None:
            stem, _, suffix = name.rpartition("_")
            (tmp_path / f"{stem}.{suffix}").write_text(content, encoding="utf-8")
    return tmp_path


async def load(database, tenant_id, path, tmp_path, **options):
    report = await import_folder(
        database, tenant_id, path, rejects=tmp_path / "listed.csv", now=NOW, **options
    )
    with (tmp_path / "listed.csv").open(encoding="utf-8", newline="") as file:
        return report, list(csv.DictReader(file))


async def test_the_sample_imports_with_exactly_its_rejects_and_again_and_shuffled_changes_nothing(
    database, new_tenant, tmp_path
):
    expected = json.loads((SAMPLE / "expected.json").read_text(encoding="utf-8"))["rejected"]
    tenant_id = new_tenant()
    report, listed = await load(database, tenant_id, SAMPLE / "facts", tmp_path)
    assert {name: counts.rejected for name, counts in report.tables.items() if counts.rejected} == expected
    assert all(counts.accepted for counts in report.tables.values())
    distinct = {(one["file"].partition(".")[0], one["line"]) for one in listed}
    assert len(distinct) == len(listed) >= sum(expected.values())
    before = await stored(database, tenant_id)

    shuffled = shuffle(SAMPLE / "facts", tmp_path / "shuffled", random.Random(7))
    again, _ = await load(database, tenant_id, shuffled, tmp_path)
    assert {name: counts.accepted for name, counts in again.tables.items()} == dict.fromkeys(again.tables, 0)
    assert {name: counts.rejected for name, counts in again.tables.items() if counts.rejected} == expected
    assert await stored(database, tenant_id) == before
    elsewhere = new_tenant()
    await load(database, elsewhere, shuffled, tmp_path)
    assert await stored(database, elsewhere) == before


def shuffle(source: Path, target: Path, rng: random.Random) -> Path:
    """The same data set: rows and columns in another order, CSV as Parquet and the other way round."""
    target.mkdir()
    for path in source.iterdir():
        frame = pl.read_csv(path, infer_schema=False) if path.suffix == ".csv" else pl.read_parquet(path)
        frame = frame.select(rng.sample(frame.columns, len(frame.columns)))
        frame = frame.sample(fraction=1, shuffle=True, seed=rng.randrange(1000))
        if path.suffix == ".csv":
            frame.write_parquet(target / f"{path.stem}.parquet")
        else:
            frame.write_csv(target / f"{path.stem}.csv")
    return target


async def test_bad_lines_are_listed_where_they_stand_and_counted_once(database, tenant_id, tmp_path):
    events = (
        "reference,debtor,kind,occurred_at,detail\n"
        'E1,D1,LANDED,2026-02-01T10:00:00Z,"two\nlines"\n'
        "E2,D1,SNEEZED,2026-02-01T10:00:00Z,\n"
        "\n"
        "E3,D1,LANDED\n"
        "E2,D1,SNEEZED,2026-02-01T10:00:00Z,\n"
        "E4,D9,LANDED,2026-02-01T10:00:00Z,\n"
        "E4,D9,LANDED,2026-02-01T10:00:00Z,\n"
    )
    report, listed = await load(database, tenant_id, folder(tmp_path / "in", events_csv=events), tmp_path)
    assert [(one["file"], one["line"], one["column"], one["code"]) for one in listed] == [
        ("events.csv", "4", "kind", "UNKNOWN_WORD"),
        ("events.csv", "6", "", "RAGGED_ROW"),
        ("events.csv", "7", "kind", "UNKNOWN_WORD"),
        ("events.csv", "8", "debtor", "UNKNOWN_REFERENCE"),
        ("events.csv", "9", "debtor", "UNKNOWN_REFERENCE"),
    ]
    assert all(one["reason"] for one in listed)
    counts = report.tables["events"]
    assert (counts.rows, counts.accepted, counts.duplicates, counts.rejected) == (6, 1, 0, 3)


async def test_strict_lists_the_bad_rows_and_changes_nothing(database, tenant_id, tmp_path):
    path = folder(tmp_path / "in", debtors_csv=DEBTORS + "D2,,ES\n")
    before = await stored(database, tenant_id)
    report, listed = await load(database, tenant_id, path, tmp_path, strict=True)
    assert (report.applied, report.rejected, len(listed)) == (False, 1, 1)
    assert await stored(database, tenant_id) == before


async def test_no_bad_row_leaves_a_list_with_a_header_alone(database, tenant_id, tmp_path):
    (tmp_path / "listed.csv").write_text("from an earlier import")
    _, listed = await load(database, tenant_id, folder(tmp_path / "in"), tmp_path)
    assert listed == []
    assert (tmp_path / "listed.csv").read_bytes() == b"file,line,column,code,reason\r\n"


@pytest.mark.parametrize(
    ("files", "code", "words"),
    [
        ({"debtors_csv": None, "accounts_csv": None}, "EMPTY_FOLDER", "debtors.csv"),
        ({"accounts_csv": None}, "MISSING_TABLE", "accounts"),
        ({"event_csv": "a\n"}, "UNKNOWN_TABLE", "did you mean events"),
        ({"events_xlsx": "a\n"}, "UNKNOWN_TABLE", "events.xlsx"),
        ({"truth_parquet": "a\n"}, "UNKNOWN_TABLE", "truth.parquet"),
        ({"events_CSV": "a\n"}, "UNKNOWN_TABLE", "events.CSV"),
        ({"EVENTS_csv": "a\n"}, "UNKNOWN_TABLE", "did you mean events"),
        ({"EVENTS_CSV": "a\n"}, "UNKNOWN_TABLE", "did you mean events"),
        ({"debtors_parquet": "a\n"}, "TABLE_TWICE", "debtors"),
        ({"debtors_csv": DEBTORS.replace("name", "Name")}, "UNKNOWN_COLUMN", "did you mean name"),
        ({"debtors_csv": "Reference,Name,Country\nD1,Ana,ES\n"}, "UNKNOWN_COLUMN", "did you mean reference"),
        ({"accounts_csv": "Opened On,Due-On\n2026-01-01,2026-02-01\n"}, "UNKNOWN_COLUMN", "'Opened On'"),
        ({"debtors_csv": DEBTORS.replace("country", "country,x_")}, "UNKNOWN_COLUMN", "x_"),
        ({"debtors_csv": DEBTORS.replace("country", "country,decision_id")}, "UNKNOWN_COLUMN", "decision_id"),
        ({"debtors_csv": DEBTORS.replace("country", "country,name")}, "COLUMN_TWICE", "name"),
        ({"debtors_csv": "reference,name\nD1,Ana\n"}, "MISSING_COLUMN", "country"),
        ({"debtors_csv": ""}, "UNREADABLE_FILE", "empty"),
        ({"events_parquet": "no parquet"}, "UNREADABLE_FILE", "events.parquet"),
    ],
)
async def test_a_folder_that_is_no_data_set_is_refused_before_anything_begins(
    database, tenant_id, tmp_path, files, code, words
):
    (tmp_path / "listed.csv").write_text("from an earlier import")
    with pytest.raises(ImportRefused, match=words) as refused:
        await load(database, tenant_id, folder(tmp_path / "in", **files), tmp_path)
    assert refused.value.code == code
    assert (tmp_path / "listed.csv").read_text() == "file,line,column,code,reason\n"


async def test_a_file_without_its_header_row_is_refused_without_telling_what_stands_there(
    database, tenant_id, tmp_path
):
    facts = folder(
        tmp_path / "in", debtors_csv="Jane Doe,jane@example.org,ES\nJohn Roe,john@example.org,ES\n"
    )
    with pytest.raises(ImportRefused, match="header row") as refused:
        await load(database, tenant_id, facts, tmp_path)
    assert refused.value.code == "UNKNOWN_COLUMN"
    assert "Jane" not in str(refused.value)


@pytest.mark.parametrize("name", ["events.csv", "events.parquet"])
async def test_a_pipe_is_refused_and_not_waited_for(database, tenant_id, tmp_path, name):
    path = folder(tmp_path / "facts")
    os.mkfifo(path / name)
    with pytest.raises(ImportRefused, match=name) as refused:
        await import_folder(database, tenant_id, path, rejects=tmp_path / "listed.csv", now=NOW)
    assert refused.value.code == "UNREADABLE_FILE"


async def test_a_table_in_parts_is_refused_and_not_passed_over(database, tenant_id, tmp_path):
    (folder(tmp_path / "in") / "events.parquet").mkdir()
    with pytest.raises(ImportRefused, match=r"events\.parquet is a folder") as refused:
        await load(database, tenant_id, tmp_path / "in", tmp_path)
    assert refused.value.code == "UNKNOWN_TABLE"


async def test_a_communication_column_of_the_api_is_none_of_the_files(database, tenant_id, tmp_path):
    header = "reference,debtor,channel,direction,sent_at,decision_id\n"
    with pytest.raises(ImportRefused, match="decision_id"):
        await load(database, tenant_id, folder(tmp_path / "in", communications_csv=header), tmp_path)
    with pytest.raises(ImportRefused) as refused:
        await load(database, tenant_id, tmp_path / "nowhere", tmp_path)
    assert refused.value.code == "NOT_A_FOLDER"


@pytest.mark.parametrize("name", ["debtors.csv", "bad.csv"])
async def test_a_list_among_the_tables_is_refused_and_takes_the_place_of_none(
    database, tenant_id, tmp_path, name
):
    path = folder(tmp_path / "in")
    with pytest.raises(ImportRefused) as refused:
        await import_folder(database, tenant_id, path, rejects=path / name, now=NOW)
    assert refused.value.code == "UNWRITABLE_REJECTS"
    assert (path / "debtors.csv").read_text() == DEBTORS
    assert not (path / "bad.csv").exists()
    report = await import_folder(database, tenant_id, path, rejects=path / "rejects.csv", now=NOW)
    assert report.rejected == 0


async def test_a_list_that_can_not_be_written_stops_the_import(database, tenant_id, tmp_path):
    with pytest.raises(ImportRefused) as refused:
        await load(database, tenant_id, folder(tmp_path / "in"), tmp_path / "nowhere")
    assert refused.value.code == "UNWRITABLE_REJECTS"
    assert (await stored(database, tenant_id))["debtor"] == []


def test_the_users_page_lists_every_code():
    page = (ROOT / "docs" / "import.md").read_text(encoding="utf-8")
    rows, _, refusals = page.partition("## Folders that are refused")
    assert re.findall(r"^\| `([A-Z_0-9]+)` \|", rows, re.MULTILINE) == [code.value for code in RejectCode]
    source = "".join(path.read_text() for path in (ROOT / "api" / "imports").glob("*.py"))
    raised = set(re.findall(r'ImportRefused\(\s*"([A-Z_0-9]+)"', source))
    assert set(re.findall(r"`([A-Z_]+[A-Z_0-9]+)`", refusals)) - {"INGEST_CONTENTION"} == raised


async def test_what_lies_beside_the_facts_is_left_alone(database, tenant_id, tmp_path):
    path = folder(tmp_path / "in", README_md="a note", rejects_csv="file,line\n")
    (path / ".DS_Store").write_text("")
    (path / "truth").mkdir()
    report, _ = await load(database, tenant_id, path, tmp_path)
    assert report.rejected == 0


async def test_progress_is_told_to_the_end(database, tenant_id, tmp_path):
    told = []
    await load(
        database, tenant_id, folder(tmp_path / "in"), tmp_path, progress=lambda *stage: told.append(stage)
    )
    last = {stage: (done, of) for stage, done, of in told}
    assert last["read debtors"] == (len(DEBTORS), len(DEBTORS))
    assert list(Counter(stage for stage, *_ in told)) == ["read debtors", "read accounts", "merge", "derive"]
    assert all(0 <= done <= of for _, done, of in told)
    assert last["derive"] == (1, 1)


async def test_files_from_a_windows_office(database, tenant_id, tmp_path):
    path = folder(tmp_path / "in")
    for file in path.iterdir():
        file.write_bytes(b"\xef\xbb\xbf" + file.read_bytes().replace(b"\n", b"\r\n"))
    report, _ = await load(database, tenant_id, path, tmp_path)
    assert (report.tables["accounts"].accepted, report.rejected) == (1, 0)
    shutil.rmtree(path)
