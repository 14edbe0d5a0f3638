"""Sums of groups, to the last digit."""

import numpy as np
import polars as pl
import pytest

from ml.sums import sums_in_order


def _table() -> pl.DataFrame:
    """In two chunks, some keys null."""
    rng, rows = np.random.default_rng(3), 3_000
    table = pl.DataFrame(
        {
            "channel": rng.integers(0, 6, rows),
            "template": [None if key == 0 else str(key) for key in rng.integers(0, 3, rows)],
            "moved": rng.random(rows),
        }
    )
    return pl.concat([table[:1_000], table[1_000:]], rechunk=False)


def test_sums_are_the_same_each_time() -> None:
    table, by = _table(), ["channel", "template"]
    first = sums_in_order(table, by, {"moved": pl.col("moved")})
    assert all(sums_in_order(table, by, {"moved": pl.col("moved")}).equals(first) for _ in range(200))


def test_sums_are_those_of_the_groups_nulls_among_them() -> None:
    found = sums_in_order(
        _table(), ["channel", "template"], {"count": pl.lit(1.0), "squares": pl.col("moved") ** 2}
    )
    assert found.select("channel", "template").equals(
        found.select("channel", "template").unique().sort(pl.all())
    )
    for channel, template, count, squares in found.iter_rows():
        mine = _table().filter(pl.col("channel") == channel, pl.col("template").eq_missing(template))
        assert count == len(mine)
        assert squares == pytest.approx(float((mine["moved"] ** 2).sum()))


def test_nothing_has_no_sums() -> None:
    found = sums_in_order(_table()[:0], ["channel"], {"count": pl.lit(1.0), "moved": pl.col("moved")})
    assert found.columns == ["channel", "count", "moved"]
    assert not len(found)
