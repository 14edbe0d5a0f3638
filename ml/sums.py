"""Sums of a frame's columns per group that are the same to the last digit from run to run."""

from collections.abc import Mapping, Sequence

import polars as pl

from ml.arrays import sums_by


def sums_in_order(table: pl.DataFrame, by: Sequence[str], sums: Mapping[str, pl.Expr]) -> pl.DataFrame:
    """The groups, in their order, with each of the sums, of values that are never null.

    Added up in the order of rows. `group_by` adds up the chunks of a frame as threads happen to end, now and then also
    where it maintains the order of groups.
    """
    asked = table.select(*by, **sums)
    groups = asked.select(by).unique().sort(by)
    places = groups.with_row_index("place")
    joined = asked.join(places, on=by, how="left", nulls_equal=True, maintain_order="left")
    place = joined["place"].cast(pl.Int64).to_numpy()
    return groups.with_columns(
        pl.Series(name, sums_by(place, joined[name].cast(pl.Float64).to_numpy(), len(groups)))
        for name in sums
    )
