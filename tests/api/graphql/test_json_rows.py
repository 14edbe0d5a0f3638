"""Lists written from columns are the lists of their objects."""

import orjson
from hypothesis import given
from hypothesis import strategies as st

from api.graphql.json_rows import JsonRows, to_json

_ROWS = 4
_KINDS = (
    st.integers(-(2**31), 2**31 - 1),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(st.characters(exclude_categories=["Cs"])),
    st.booleans(),
    st.lists(st.integers(0, 9), max_size=2),  # is no plain value
)
_COLUMNS = st.one_of(
    *(st.lists(st.one_of(st.none(), kind), min_size=_ROWS, max_size=_ROWS) for kind in _KINDS)
)
_OBJECTS = st.dictionaries(st.sampled_from("abcd"), _COLUMNS, min_size=1, max_size=4)


@given(_OBJECTS, _OBJECTS)
def test_json_is_that_of_the_objects(outer, inner) -> None:
    rows = JsonRows(_ROWS, {**outer, "inner": JsonRows(_ROWS, inner)})
    written = orjson.loads(to_json({"rows": rows}))["rows"]
    assert written == rows.rows()
    assert repr(written) == repr(rows.rows())  # the order of fields as well


def test_no_rows_are_an_empty_list() -> None:
    assert to_json(JsonRows(0, {"a": [], "b": JsonRows(0, {"c": []})})) == b"[]"
