"""The way of frames takes only what the exact way takes, and reads it to the same values."""

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.import_format import FORMAT, Chunk, TextCells, read_plain, read_rows

#: Column of an event → cells: such as most are, and such as tell the ways apart.
CELLS = {
    "reference": ["E1", "e-2", "a b", " x", "  ", "", "é", "x\t", "x" * 255, "x" * 256, "N/A", "null", "1e5"],
    "debtor": ["D1", "D2", ""],
    "communication": ["C1", "", " "],
    "kind": ["OPENED", "CLICKED", "opened", "", "OPENED "],
    "occurred_at": [
        *(
            "2026-03-01T09:30:00+01:00",
            "2026-03-01T09:30:00Z",
            "2026-03-01 09:30:00.5-03:30",
            "1900-01-01T00:00:00Z",
        ),
        *(
            "2199-12-31T23:59:59.999999Z",
            "2199-12-31T23:59:59-14:00",
            "2026-02-30T00:00:00Z",
            "2024-02-29T00:00:00Z",
        ),
        *("1899-12-31T23:59:59Z", "2200-01-01T00:00:00Z", "2026-03-01T24:00:00Z", "2026-03-01T23:59:60Z"),
        *(
            "2026-03-01T09:30Z",
            "20260301T093000Z",
            "2026-03-01T09:30:00",
            "2026-03-01",
            "",
            "2026-03-01t09:30:00z",
        ),
        *(
            "2026-03-01T09:30:00.1234567Z",
            "2026-03-01T09:30:00+15:00",
            "2026-03-01T09:30:00+0100",
            "2026-W09-1",
        ),
    ],
    "source": ["EMAIL", "", "TELEX"],
    "automated": ["true", "false", "", "True", "1"],
    "detail": ["", "user unknown", "a \\. b", "\\.", "\\N", "ünknown", "'quoted'"],
}


def chunk(rows: list[dict[str, str]]) -> Chunk:
    cells = {name: [row[name] or None for row in rows] for name in rows[0]}
    return Chunk(
        range(2, 2 + len(rows)), TextCells(pl.DataFrame(cells, schema=dict.fromkeys(cells, pl.String)))
    )


@given(
    st.lists(
        st.fixed_dictionaries({name: st.sampled_from(cells) for name, cells in CELLS.items()}), min_size=1
    )
)
def test_what_is_taken_as_a_whole_reads_as_it_does_cell_by_cell(rows):
    plain, exact = read_plain(FORMAT["events"], chunk(rows)), read_rows(FORMAT["events"], chunk(rows))
    if plain is not None:
        assert not exact.problems
        assert {name: plain[name].to_list() for name in plain.columns} == exact.columns


@pytest.mark.parametrize("name", CELLS)
def test_each_usual_cell_is_taken(name):
    usual = {name: cells[0] for name, cells in CELLS.items()}
    assert read_plain(FORMAT["events"], chunk([usual, usual | {name: CELLS[name][1]}])) is not None


def test_custom_attributes_and_rules_across_columns_are_left_to_the_exact_way():
    usual = {name: cells[0] for name, cells in CELLS.items()}
    assert read_plain(FORMAT["events"], chunk([usual | {"x_device": "phone"}])) is None
    account = {"reference": "A1", "debtor": "D1", "opened_on": "2026-01-02", "closed_on": "2026-01-01"}
    assert read_plain(FORMAT["accounts"], chunk([account])) is None
