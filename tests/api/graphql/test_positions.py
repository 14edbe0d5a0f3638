"""Ids and cursors: what goes out comes back the same, and nothing else is taken for one."""

import base64
import string
from datetime import UTC, date, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.graphql.cursors import ListOrder, decode, encode
from api.graphql.ids import global_id, number_of, parse_id
from api.services import InvalidArgument

VALUES = {
    str: st.text(st.characters(exclude_characters="\x00", exclude_categories=["Cs"])),
    int: st.integers(-(2**63) + 1, 2**63 - 1),
    datetime: st.datetimes(datetime(1900, 1, 1), datetime(2200, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001
    date: st.dates(),
}
positions = st.lists(
    st.sampled_from(list(VALUES)).flatmap(lambda kind: st.tuples(st.just(kind), st.none() | VALUES[kind])),
    min_size=1,
    max_size=4,
)


@given(positions, st.none() | VALUES[datetime])
def test_a_position_survives_its_cursor_to_the_microsecond(typed, at) -> None:
    order = ListOrder("things", tuple(kind for kind, _ in typed), at)
    position = tuple(value for _, value in typed)
    cursor = encode(order, position)
    assert set(cursor) <= set(string.ascii_letters + string.digits + "-_")
    assert decode(order, cursor) == (position, at)


@given(st.text(max_size=60) | st.binary(max_size=60).map(lambda raw: raw.hex()))
def test_anything_else_is_refused_and_never_fails(text: str) -> None:
    order = ListOrder("things", (int,))
    for read in (lambda: decode(order, text), lambda: parse_id(text)):
        with pytest.raises(InvalidArgument):
            read()


@pytest.mark.parametrize("values", [[], [1, 2], ["1"], [True], [1.5], [{}], [2**63], [[1]]], ids=str)
def test_a_cursor_with_other_values_than_its_order_has_is_refused(values: list) -> None:
    forged = encode(ListOrder("things", ()), tuple(values))
    with pytest.raises(InvalidArgument, match="not a cursor"):
        decode(ListOrder("things", (int,)), forged)


@pytest.mark.parametrize("power", range(15, 40, 2))
@pytest.mark.parametrize("sign", [1, -1])
def test_an_instant_beyond_the_calendar_is_refused(power: int, sign: int) -> None:
    order = ListOrder("things", (datetime,))
    forged = base64.urlsafe_b64encode(f'["things",null,{sign * 10**power}]'.encode()).rstrip(b"=")
    try:
        ((instant,), _) = decode(order, forged.decode())
    except InvalidArgument:
        return
    assert 1 <= instant.year <= 9999


@given(st.sampled_from(["Debtor", "ModelVersion"]), st.integers(1, 2**63 - 1))
def test_an_id_leads_back_to_its_row(kind: str, number: int) -> None:
    assert parse_id(global_id(kind, number)) == (kind, number)
    with pytest.raises(InvalidArgument, match=f"of type {kind}"):
        number_of(global_id(kind, number), "Payment")
