"""Many events merged in parts, several side by side: what one merge leaves, whatever happens in between."""

import asyncio
import csv
import random

import polars as pl
import pytest
from sqlalchemy import text

from api.imports import csv_table, import_folder, parquet_table, use_case
from api.imports.csv_table import CsvTable
from api.imports.parts import Parts, merge_in_parts
from domain.import_format import FORMAT
from domain.storage.ingest import TableReport
from tests.domain.storage.ingest.test_order import random_facts, settled
from tests.facts import NOW, row

PARTS = Parts(rows=15, writers=3)
HEADER = "reference,debtor,kind,occurred_at\n"


def line(reference: str, debtor: str = "D1") -> str:
    return f"{reference},{debtor},LANDED,2026-02-01T12:00:00Z\n"


def data_set(place, rng: random.Random, *, children: int = 40):
    """A folder of random facts in the order of their keys, with events of nobody's and of somebody else's message."""
    facts = random_facts(rng, debtors=12, children=children)
    sent_to = {one["reference"]: one["debtor"] for name, one in facts if name == "communications"}
    for at, (message, debtor) in enumerate(sent_to.items()):
        other = "D404" if at % 5 == 0 else "D0" if debtor != "D0" else "D1"
        if at % 5 < 2:
            facts.append(("events", row("events", reference=f"X{at}", debtor=other, communication=message)))
    place.mkdir()
    for name, table in FORMAT.items():
        rows = {tuple(one.get(key, "") for key in table.key): one for of, one in facts if of == name}
        if rows:
            columns = list(dict.fromkeys(column for one in rows.values() for column in one))
            with (place / f"{name}.csv").open("w", newline="") as file:
                writer = csv.DictWriter(file, columns, restval="", lineterminator="\n")
                writer.writeheader()
                writer.writerows(rows[key] for key in sorted(rows))
    return place


@pytest.fixture(autouse=True)
def small_chunks(monkeypatch):
    monkeypatch.setattr(csv_table, "_BLOCK", 800)


async def load(database, tenant_id, folder, tmp_path, **options):
    rejects = tmp_path / "rejects.csv"
    report = await import_folder(database, tenant_id, folder, rejects=rejects, now=NOW, **options)
    return report.tables, sorted(rejects.read_text().splitlines())


async def commits(database, tenant_id) -> int:
    """In how many transactions the stored events came."""
    async with database.transaction(tenant_id) as connection:
        return int(await connection.scalar(text("SELECT count(DISTINCT CAST(xmin AS text)) FROM event")))


@pytest.mark.parametrize("seed", [1, 2])
async def test_parts_leave_what_one_merge_leaves_and_report_the_same(database, new_tenant, tmp_path, seed):
    folder = data_set(tmp_path / "facts", random.Random(seed))
    at_once, in_parts = new_tenant(), new_tenant()
    expected = await load(database, at_once, folder, tmp_path)
    assert await load(database, in_parts, folder, tmp_path, parts=PARTS) == expected
    assert expected[0]["events"].rejected > 5
    assert await commits(database, at_once) == 1 < PARTS.writers <= await commits(database, in_parts)
    assert await settled(database, in_parts) == await settled(database, at_once)
    again, _ = await load(database, in_parts, folder, tmp_path, parts=PARTS)
    assert not any(counts.accepted for counts in again.values())


async def test_typed_parquet_goes_in_parts_as_csv_does(database, new_tenant, tmp_path, monkeypatch):
    monkeypatch.setattr(parquet_table, "_BATCH", 10)
    folder = data_set(tmp_path / "facts", random.Random(4))
    from_csv, from_parquet = new_tenant(), new_tenant()
    expected = await load(database, from_csv, folder, tmp_path, parts=PARTS)
    events = pl.read_csv(folder / "events.csv", infer_schema=False)
    typed = events.with_columns(pl.col("occurred_at").str.to_datetime(time_unit="ns", time_zone="UTC"))
    typed.write_parquet(folder / "events.parquet")
    (folder / "events.csv").unlink()
    counts, _ = await load(database, from_parquet, folder, tmp_path, parts=PARTS)
    assert counts == expected[0]
    assert PARTS.writers <= await commits(database, from_parquet)
    assert await settled(database, from_parquet) == await settled(database, from_csv)


async def test_an_import_that_fails_in_a_part_is_completed_by_the_next(
    database, new_tenant, tmp_path, monkeypatch
):
    folder = data_set(tmp_path / "facts", random.Random(3))
    at_once, in_parts = new_tenant(), new_tenant()
    await load(database, at_once, folder, tmp_path)
    recorded, calls = use_case.record, iter(range(100))

    async def fail_once_some_parts_are_in(*args, **options):
        if next(calls) == 3:  # the first is that of the parents
            raise ConnectionResetError
        await recorded(*args, **options)

    with monkeypatch.context() as patch:
        patch.setattr(use_case, "record", fail_once_some_parts_are_in)
        with pytest.raises(ConnectionResetError):
            await load(database, in_parts, folder, tmp_path, parts=Parts(rows=15, writers=1))
    assert await commits(database, in_parts) == 2
    assert await settled(database, in_parts) != await settled(database, at_once)
    await load(database, in_parts, folder, tmp_path, parts=PARTS)
    assert await settled(database, in_parts) == await settled(database, at_once)


async def test_strictly_imported_events_are_all_in_or_none(database, tenant_id, tmp_path):
    folder = data_set(tmp_path / "facts", random.Random(4))
    await load(database, tenant_id, folder, tmp_path, parts=PARTS, strict=True)
    assert await commits(database, tenant_id) == 0


@pytest.mark.parametrize(
    ("lines", "suits"),
    [
        ([line(f"E{at:02}") for at in range(15)], True),
        ([line(f"E{at:02}") for at in range(14)], False),
        ([line(f"E{at:02}") for at in range(30, 0, -1)], False),
        ([line(f"E{at:02}") for at in range(30)] + [line("E29", "D2")], False),
        ([line(f"E{at:02}") for at in range(30)] + [line("")], False),
        ([line(f'"E{at:02}"') for at in range(30)], True),
        ([line(f'"E{at:02}"').replace("\n", "\r\n") for at in range(30)], True),
        ([line(f'"E,{at:02}"') for at in range(30)], False),
        ([line(f'"E""{at:02}"') for at in range(30)], False),
        ([line(f"E{at:02}") for at in range(30)] + ["E99,D1\n"], False),
    ],
)
def test_a_file_goes_in_parts_where_no_key_can_come_twice(tmp_path, lines, suits):
    (tmp_path / "events.csv").write_text(HEADER + "".join(lines))
    assert PARTS.suit(CsvTable(tmp_path / "events.csv"), "reference") == suits


async def test_parts_side_by_side_have_no_debtor_in_common(tmp_path):
    lines = [line(f"E{at:03}", f"D{at % 7}") for at in range(200)]
    (tmp_path / "events.csv").write_text(HEADER + "".join(lines))
    at_work: list[set[str]] = []
    seen = 0

    async def merge_part(chunks):
        debtors = {debtor for chunk in chunks for debtor in chunk.columns["debtor"]}
        assert not any(debtors & others for others in at_work)
        at_work.append(debtors)
        await asyncio.sleep(0.01)
        at_work.remove(debtors)
        nonlocal seen
        seen += 1
        rows = sum(len(chunk.lines) for chunk in chunks)
        return TableReport(rows=rows, accepted=rows)

    chunks = [chunk for _, chunk in CsvTable(tmp_path / "events.csv").chunks()]
    assert await merge_in_parts(chunks, merge_part, PARTS) == TableReport(rows=200, accepted=200)
    assert seen >= 2
