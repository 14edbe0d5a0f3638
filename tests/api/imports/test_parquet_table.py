"""Typed Parquet columns mean what their text would mean in CSV."""

from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

import polars as pl
import pytest

from api.imports import ImportRefused, parquet_table
from api.imports.parquet_table import ParquetTable
from domain.import_format import FORMAT, TextCells, read_rows

#: One decimal of 256 bits in a column `amount`, as PyArrow writes it.
WIDE_DECIMAL = Path(__file__).parents[2] / "data" / "decimal256.parquet"
#: One event, its `occurred_at` with +05:30 for a zone, as PyArrow writes it.
HALF_HOUR = WIDE_DECIMAL.with_name("half_hour_offset.parquet")


def table(tmp_path, name="payments", **columns):
    path = tmp_path / f"{name}.parquet"
    pl.DataFrame(columns).write_parquet(path)
    return ParquetTable(path)


def values(tmp_path, name, column, kind="payments"):
    (chunk,) = [chunk for _, chunk in table(tmp_path, **{name: column}).chunks()]
    rows = read_rows(FORMAT[kind], chunk)
    return rows.columns[name], {at: code.value for at, (_, code) in rows.problems.items()}


def test_rows_stand_where_they_would_in_csv(tmp_path):
    ((done, chunk),) = table(tmp_path, reference=["P1", "P2"], amount=["1", None]).chunks()
    assert (done, list(chunk.lines)) == (2, [2, 3])
    rows = read_rows(FORMAT["payments"], chunk)
    assert (rows.columns["reference"], rows.columns["amount"]) == (["P1", "P2"], [Decimal(1), None])


@pytest.mark.parametrize(
    ("name", "column", "expected"),
    [
        ("amount", pl.Series([Decimal("1.10"), Decimal("2.00")]), [Decimal("1.1"), Decimal(2)]),
        ("amount", pl.Series([0.1, 1e-7]), [Decimal("0.1"), Decimal("0.0000001")]),
        ("amount", pl.Series([0.1, 16.7], dtype=pl.Float32), [Decimal("0.1"), Decimal("16.7")]),
        ("amount", pl.Series([1, 2], dtype=pl.UInt8), [1, 2]),
        ("reference", pl.Series([17, 18]), ["17", "18"]),
        ("currency", pl.Series(["EUR", "USD"], dtype=pl.Categorical), ["EUR", "USD"]),
        ("currency", pl.Series(["EUR", "USD"], dtype=pl.Enum(["EUR", "USD"])), ["EUR", "USD"]),
        (
            "paid_at",
            pl.Series([datetime(2026, 10, 25, 0, 30), datetime(2026, 10, 25, 1, 30)])  # noqa: DTZ001
            .dt.replace_time_zone("UTC")
            .dt.convert_time_zone("Europe/Madrid"),
            [datetime(2026, 10, 25, 0, 30, tzinfo=UTC), datetime(2026, 10, 25, 1, 30, tzinfo=UTC)],
        ),
        (
            "paid_at",
            pl.Series([datetime(2026, 1, 1), datetime(2026, 1, 2)], dtype=pl.Datetime("ns", "UTC")),  # noqa: DTZ001
            [datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 1, 2, tzinfo=UTC)],
        ),
    ],
)
def test_typed_columns(tmp_path, name, column, expected):
    found, problems = values(tmp_path, name, column)
    assert found == expected
    assert not {code for code in problems.values() if code != "MISSING"}


def test_both_passes_through_a_doubled_hour_stay_apart(tmp_path):
    doubled = pl.Series([datetime(2026, 10, 25, 0, 30), datetime(2026, 10, 25, 1, 30)])  # noqa: DTZ001
    local = doubled.dt.replace_time_zone("UTC").dt.convert_time_zone("Europe/Madrid")
    ((_, chunk),) = table(tmp_path, reference=["P1", "P1"], paid_at=local).chunks()
    first, second = read_rows(FORMAT["payments"], chunk).fingerprints
    assert first != second


@pytest.mark.parametrize(
    ("name", "column", "code"),
    [
        ("paid_at", pl.Series([datetime(2026, 1, 1, 9)]), "NAIVE_INSTANT"),  # noqa: DTZ001
        ("paid_at", pl.Series([date(2026, 1, 1)]), "NAIVE_INSTANT"),
        ("paid_at", pl.Series([2**60]).cast(pl.Datetime("us", "UTC")), "OUT_OF_RANGE"),
        ("paid_at", pl.Series([2**62]).cast(pl.Datetime("ms", "UTC")), "OUT_OF_RANGE"),
        ("paid_at", pl.Series([-(2**62)]).cast(pl.Datetime("ms", "UTC")), "OUT_OF_RANGE"),
        ("amount", pl.Series([float("nan")]), "NOT_A_NUMBER"),
        ("amount", pl.Series([float("inf")], dtype=pl.Float32), "NOT_A_NUMBER"),
        ("amount", pl.Series([True]), "NOT_A_NUMBER"),
        ("currency", pl.Series([978]), "UNKNOWN_CURRENCY"),
    ],
)
def test_typed_cells_that_are_wrong(tmp_path, name, column, code):
    assert values(tmp_path, name, column)[1] == {0: code}


def test_dates_beyond_the_calendar_are_out_of_range(tmp_path):
    due = pl.Series([20_454, None, 10_000_000, 2**31 - 1, -(2**31)], dtype=pl.Int32).cast(pl.Date)
    found, problems = values(tmp_path, "due_on", due, "accounts")
    assert found == [date(2026, 1, 1), None, None, None, None]
    assert problems == {1: "MISSING", 2: "OUT_OF_RANGE", 3: "OUT_OF_RANGE", 4: "OUT_OF_RANGE"}


def test_an_offset_that_can_not_be_read_is_refused_and_told_what_to_do():
    with pytest.raises(ImportRefused, match="UTC") as refused:
        ParquetTable(HALF_HOUR)
    assert refused.value.code == "UNREADABLE_FILE"


def test_what_is_no_parquet_is_refused(tmp_path):
    path = tmp_path / "events.parquet"
    path.write_bytes(b"PAR1 is not enough")
    with pytest.raises(ImportRefused) as refused:
        ParquetTable(path)
    assert refused.value.code == "UNREADABLE_FILE"


@pytest.mark.parametrize("column", [[[1], [2]], [{"a": 1}, {"a": 2}], [b"a", b"b"]])
def test_columns_that_hold_no_plain_values_are_refused(tmp_path, column):
    with pytest.raises(ImportRefused, match="x_tags") as refused:
        table(tmp_path, x_tags=column)
    assert refused.value.code == "UNSUPPORTED_TYPE"


def test_decimals_too_wide_to_be_read_are_refused_before_the_import_begins():
    with pytest.raises(ImportRefused, match="amount") as refused:
        ParquetTable(WIDE_DECIMAL)
    assert refused.value.code == "UNSUPPORTED_TYPE"


INSTANTS = [datetime(2026, 10, 25, 0, 30, 0, 7, UTC), None, datetime(1899, 12, 31, tzinfo=UTC)]
EVENTS = {
    "reference": pl.Series(["E1", "", " x"]),
    "debtor": pl.Series(["D1", None, "D2"], dtype=pl.Categorical),
    "kind": pl.Series(["OPENED", "opened", "CLICKED"]),
    "occurred_at": pl.Series(INSTANTS, dtype=pl.Datetime("us", "UTC")).dt.convert_time_zone("Asia/Kolkata"),
    "automated": pl.Series([True, None, False]),
    "detail": pl.Series(["null", "\0", "a,b"]),
}


@pytest.mark.parametrize(
    "odd",
    [
        {},
        {"occurred_at": EVENTS["occurred_at"].cast(pl.Datetime("ns", "UTC"))},
        {"occurred_at": pl.Series([datetime(2026, 1, 1, tzinfo=UTC)] * 3)},
        {"debtor": pl.Series([1, 2, None])},
        {"detail": pl.Series([True, None, False])},
        {"reference": EVENTS["occurred_at"]},
        {"automated": pl.Series(["true", "TRUE", "yes"])},
        {"kind": pl.Series([None, None, None])},
        {"x_device": pl.Series([1.5, None, 2.5])},
    ],
    ids=str,
)
def test_columns_read_as_text_hold_what_they_hold_typed(tmp_path, odd, monkeypatch):
    columns = EVENTS | odd
    ((_, chunk),) = table(tmp_path, "events", **columns).chunks()
    monkeypatch.setattr(parquet_table, "_text", lambda cells, column: None)
    ((_, typed),) = table(tmp_path, "events", **columns).chunks()
    found, expected = read_rows(FORMAT["events"], chunk), read_rows(FORMAT["events"], typed)
    assert (found.columns, found.attributes, found.problems) == (
        expected.columns,
        expected.attributes,
        expected.problems,
    )
    assert isinstance(typed.columns, dict)
    changed_kind = odd.keys() - {"occurred_at", "automated"}
    assert isinstance(chunk.columns, TextCells) == (not changed_kind)
