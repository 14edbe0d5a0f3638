"""Instants on the command line: what is refused says how to write it, and writing it so is taken."""

import re
from datetime import UTC, datetime

import pytest
import typer

from api.answers import Window
from api.cli.edge import CommandError, instant, moment
from api.cli.models import window_of


@pytest.mark.parametrize("text", ["2026-10-20", "2026-10-20T09:30:00", "2026-10-20 09:30"])
def test_what_is_proposed_instead_of_an_instant_without_offset_is_taken(text: str) -> None:
    with pytest.raises(typer.BadParameter, match="has no offset") as refused:
        instant(text)
    proposed = re.search(r"as in (\S+) for UTC", str(refused.value))
    assert proposed is not None
    assert instant(proposed[1]) == datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize("text", ["soon", "2026-02-30T00:00:00Z", "0001-01-01T00:00:00+14:00"])
def test_what_is_no_instant_of_the_calendar_is_refused(text: str) -> None:
    with pytest.raises(typer.BadParameter, match="is no ISO 8601 instant"):
        instant(text)


@pytest.mark.parametrize("text", ["0001-01-01T00:00:00Z", "1899-12-31T23:59:59Z", "9999-12-31T00:00:00Z"])
def test_nothing_is_decided_at_an_instant_at_the_ends_of_the_calendar(text: str) -> None:
    assert instant(text) == datetime.fromisoformat(text)
    with pytest.raises(typer.BadParameter, match="outside the years 1900 to 2199"):
        moment(text)


def test_a_window_lasts_a_week_where_no_end_was_asked_for() -> None:
    now, later = datetime(2026, 5, 1, tzinfo=UTC), datetime(2026, 6, 1, tzinfo=UTC)
    assert window_of(None, None, now) == Window(now, datetime(2026, 5, 8, tzinfo=UTC))
    assert window_of(later, None, now) == Window(later, datetime(2026, 6, 8, tzinfo=UTC))
    assert window_of(None, later, now) == Window(now, later)
    with pytest.raises(CommandError) as refused:
        window_of(later, now, now)
    assert refused.value.code == "BAD_PERIOD"
