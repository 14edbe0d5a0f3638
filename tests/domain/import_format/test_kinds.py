"""The quick way through a column and the exact way, cell by cell, accept the same; values are what was written."""

from datetime import UTC, date, datetime
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.import_format import FORMAT
from domain.import_format.numbers import Amount, Probability, Whole
from domain.import_format.texts import Text, Truth, Word, Zone
from domain.import_format.times import Day, Instant, Month
from domain.rejections import RejectCode
from domain.vocabulary import Channel

KINDS = list(
    {repr(column.kind): column.kind for table in FORMAT.values() for column in table.columns}.values()
)

CELLS = st.one_of(
    st.none(),
    st.sampled_from(
        ["", " ", "EMAIL", "ES", "ES-MD", "EUR", "true", "TRUE", "9", "-1", "0.5", "1e-3", "+34600000000"]
    ),
    st.sampled_from(
        ["2026-02-28", "2026-02-30", "2026-02-28T24:00Z", "2026-02", "2026-W10-1T09:00Z", "20260301T0930Z"]
    ),
    st.text(max_size=12),
    st.datetimes().map(datetime.isoformat),
    st.datetimes(timezones=st.just(UTC)).map(datetime.isoformat),
    st.dates().map(date.isoformat),
    st.decimals().map(str),
)
TYPED = st.one_of(
    CELLS,
    st.integers(),
    st.booleans(),
    st.floats(),
    st.decimals(),
    st.dates(),
    st.datetimes(),
    st.datetimes(timezones=st.just(UTC)),
    st.just(Channel.EMAIL),
)


@given(st.sampled_from(KINDS), st.lists(CELLS, max_size=6))
def test_the_quick_way_reads_what_the_exact_way_reads(kind, cells):
    quick, exact = kind.read(cells), kind.read_each(cells)
    absent = False if isinstance(kind, Truth) else None
    assert quick.values == [absent if value is None else value for value in exact.values]
    assert quick.problems == exact.problems


@given(st.sampled_from(KINDS), st.lists(TYPED, max_size=6))
def test_every_cell_becomes_a_value_of_the_kind_a_null_or_a_problem(kind, cells):
    read = kind.read(cells)
    assert len(read.values) == len(cells)
    for at, value in enumerate(read.values):
        assert value is None or type(value) is kind.python_type
        if at in read.problems:
            assert not value


@pytest.mark.parametrize(
    ("kind", "cell", "value"),
    [
        (Instant(), "2026-03-01T09:30:00+01:00", datetime(2026, 3, 1, 8, 30, tzinfo=UTC)),
        (Instant(), "2026-03-01T08:30Z", datetime(2026, 3, 1, 8, 30, tzinfo=UTC)),
        (Instant(), "2026-03-01 08:30:00.5+00:00", datetime(2026, 3, 1, 8, 30, 0, 500_000, tzinfo=UTC)),
        (Day(), "2024-02-29", date(2024, 2, 29)),
        (Day(), datetime(2024, 2, 29), date(2024, 2, 29)),  # noqa: DTZ001 - a date as some writers store it
        (Day(open_ended=True), "9999-12-31", None),
        (Month(), "2026-02", date(2026, 2, 1)),
        (Amount(), "-0012.3400", Decimal("-12.34")),
        (Amount(), 0.1, Decimal("0.1")),
        (Amount(), 1 / 1.1 / 10_000, Decimal("0.0000909090909090909")),
        (Amount(), 1e-7, Decimal("0.0000001")),
        (Amount(), 7, Decimal(7)),
        (Probability(), "8.1e-3", 0.0081),
        (Probability(), Decimal("0.25"), 0.25),
        (Whole(0, 24), "24", 24),
        (Whole(0, 24), 9.0, 9),
        (Truth(), "True", True),
        (Truth(), None, False),
        (Text(10), 123, "123"),
        (Text(10), "李雷\n", "李雷\n"),
        (Text(10, reference=True), "no\u00a0break", "no\u00a0break"),
        (Word(tuple(Channel)), Channel.SMS, "SMS"),
        (Zone(), "Europe/Kyiv", "Europe/Kyiv"),
    ],
)
def test_good_cells(kind, cell, value):
    assert kind.read([cell]).values == [value]
    assert kind.read([cell]).problems == {}


@pytest.mark.parametrize(
    ("cell", "code"),
    [
        (Decimal("sNaN"), RejectCode.NOT_A_NUMBER),
        (Decimal("NaN"), RejectCode.NOT_A_NUMBER),
        pytest.param(10**400, RejectCode.OUT_OF_RANGE, id="a huge whole number"),
        (Decimal("1e400"), RejectCode.OUT_OF_RANGE),
    ],
)
def test_numbers_that_no_float_holds_are_no_probabilities(cell, code):
    read = Probability().read([cell])
    assert read.values == [None]
    assert list(read.problems.values()) == [code]


@pytest.mark.parametrize(
    ("cell", "code"),
    [
        ("2026-02-30T09:30:00+01:00", RejectCode.IMPOSSIBLE_DATE),
        ("2026-06-30T23:59:60Z", RejectCode.IMPOSSIBLE_DATE),
        ("2026-03-01T24:00Z", RejectCode.IMPOSSIBLE_DATE),
        ("2026-03-01T09:30:00+25:00", RejectCode.IMPOSSIBLE_DATE),
        ("2026-02-30T09:30:00", RejectCode.IMPOSSIBLE_DATE),
        ("2026-03-01T09:30:00+01:00[Europe/Madrid]", RejectCode.NOT_AN_INSTANT),
        ("2026-03-01T09:30:00\N{MINUS SIGN}01:00", RejectCode.NOT_AN_INSTANT),
        ("2026-03-01T09:30:00UTC", RejectCode.NOT_AN_INSTANT),
        ("2026-03-01T09:30:00", RejectCode.NAIVE_INSTANT),
    ],
)
def test_an_instant_that_can_not_be_is_told_from_what_is_none(cell, code):
    assert Instant().read([cell]).problems == {0: code}


def test_an_empty_column_is_told_what_to_hold():
    expected = {column.name: column.kind.expected for table in FORMAT.values() for column in table.columns}
    assert expected["currency"] == "an ISO 4217 code such as EUR"
    assert expected["country"] == "an ISO 3166-1 alpha-2 code such as ES"
    assert expected["channel"] == "one of EMAIL, SMS, WHATSAPP, PUSH, LETTER, VOICE"
