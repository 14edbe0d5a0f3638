"""Sketches against the values they were made of; the median from days against the one from people."""

from math import ceil, isclose, log
from struct import pack

from hypothesis import given
from hypothesis import strategies as st

from domain.kpis.censored_sketches import CannotTell, Unreacted, censored_median
from domain.kpis.formulas import kaplan_meier_median
from domain.kpis.sketches import BEFORE, STEP, ZERO, band_edges, band_seconds, read_sketch

DAY = 86_400.0

seconds = st.one_of(
    st.just(0.0), st.floats(1e-6, 1e9), st.floats(-1e7, -1e-6), st.integers(1, 100_000).map(float)
)


def band_of(value: float) -> int:
    if value > 0:
        return ceil(log(value) / STEP)
    return ZERO if value == 0 else BEFORE - ceil(log(-value) / STEP)


def sketch_of(values: list[float]) -> bytes:
    return b"".join(pack(">hI", band_of(value), 1) for value in values)


@given(seconds)
def test_what_stands_for_a_band_is_within_one_per_cent_of_its_members(value: float) -> None:
    assert isclose(band_seconds(band_of(value)), value, rel_tol=0.01)


@given(st.lists(seconds, min_size=1, max_size=60))
def test_bands_are_in_the_order_of_their_seconds_and_hold_them(values: list[float]) -> None:
    bands = [band_of(value) for value in sorted(values)]
    assert bands == sorted(bands)
    for band, value in zip(bands, sorted(values), strict=True):
        low, high = band_edges(band)
        assert low - 1e-9 * abs(low) <= value <= high + 1e-9 * abs(high)


took_seconds = st.integers(-10_000_000, 15 * 86_400_000_000).map(lambda microseconds: microseconds / 1e6)
people = st.lists(
    st.tuples(st.floats(0, 20 * DAY), st.one_of(st.none(), took_seconds)), min_size=1, max_size=80
)


@given(people, st.floats(0, 30 * DAY))
def test_the_median_from_days_is_that_from_people_or_left_open(
    entered: list[tuple[float, float | None]], waited: float
) -> None:
    """(instant of entering, seconds to the outcome) each, as known `waited` seconds after the 20th day."""
    as_of = 20 * DAY + waited
    known = [(at, took if took is not None and at + took <= as_of else None) for at, took in entered]
    true = kaplan_meier_median(
        [took for _, took in known if took is not None], [as_of - at for at, took in known if took is None]
    )
    unreacted = Unreacted(
        (as_of - (at // DAY + 1) * DAY, as_of - at // DAY * DAY, 1) for at, took in known if took is None
    )
    reacted = read_sketch(sketch_of([took for _, took in known if took is not None]))
    try:
        found = censored_median(reacted, unreacted, population=len(known))
    except CannotTell:
        assert waited < 16 * DAY, "everybody was watched for longer than anybody took"
    else:
        assert found is true is None or isclose(found, true, rel_tol=0.01)


@given(people, st.floats(0, 30 * DAY), st.floats(0, 1))
def test_the_median_from_days_stays_for_as_long_as_is_said(
    entered: list[tuple[float, float | None]], waited: float, share: float
) -> None:
    """Those who have not reacted go on not to."""
    as_of = 20 * DAY + waited
    took = [seconds for at, seconds in entered if seconds is not None and at + seconds <= as_of]
    reacted = read_sketch(sketch_of(took))
    days = [at // DAY for at, seconds in entered if seconds is None or at + seconds > as_of]

    def told(later: float) -> tuple[Unreacted, float | str | None]:
        now = as_of + later
        unreacted = Unreacted((now - (day + 1) * DAY, now - day * DAY, 1) for day in days)
        try:
            return unreacted, censored_median(reacted, unreacted, population=len(entered))
        except CannotTell:
            return unreacted, "cannot tell"

    unreacted, median = told(0)
    holding = unreacted.unchanged_for([edge for band, _ in reacted for edge in band_edges(band)])
    assert holding > 0
    assert told(share * min(holding, 1e9) * (1 - 1e-6))[1] == median
