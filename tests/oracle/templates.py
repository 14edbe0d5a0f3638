"""Template KPIs, template by template. Source: docs/kpis.md, Template KPIs."""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

from tests.oracle.messages import Row, figures_of
from tests.oracle.reading import Reading


def template_kpis(
    reading: Reading,
    start: datetime,
    end: datetime,
    by: Sequence[str],
    *,
    as_of: datetime,
    keep: Callable[[Row], bool] = lambda _: True,
) -> dict[tuple[Any, ...], Row]:
    """The outcome of each combination of traits, in the order of `by`; its reactions are not told."""
    traits = {
        reference: dict(zip(("TONE", "INCENTIVE", "SUBJECT"), told, strict=True))
        for reference, *told in reading.rows("SELECT reference, tone, incentive, subject FROM templates")
    }

    def group(row: Row) -> tuple[Any, ...]:
        return tuple(traits.get(row["template"], {}).get(name) for name in by)

    return {
        key: {
            **{name: value for name, value in figures.items() if not name.startswith(("sent_to", "open_to"))},
            "templates": len({row["template"] for row in rows} - {None}),
        }
        for key, rows, figures in figures_of(reading, start, end, group, as_of=as_of, keep=keep)
    }
