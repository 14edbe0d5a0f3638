"""Lists written from columns are the lists of their objects."""

from array import array

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.graphql import json_rows
from api.graphql.json_rows import JsonRows, to_json
from domain.columns import Numbers, Words, repeated

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
_FRACTIONS = st.lists(
    st.one_of(st.just(float("nan")), st.floats(allow_infinity=False)), min_size=_ROWS, max_size=_ROWS
)
_PLAIN = st.one_of(
    st.lists(st.integers(-(2**63), 2**63 - 1), min_size=_ROWS, max_size=_ROWS).map(
        lambda whole: Numbers(memoryview(array("q", whole)))
    ),
    st.lists(st.integers(-50, 9000), min_size=_ROWS, max_size=_ROWS).map(
        lambda whole: Numbers(memoryview(array("q", whole)))
    ),
    _FRACTIONS.map(lambda fractions: Numbers(memoryview(array("d", fractions)))),
    st.tuples(
        st.lists(st.one_of(st.none(), st.booleans(), _KINDS[2]), min_size=3, max_size=3),
        st.lists(st.integers(0, 2), min_size=_ROWS, max_size=_ROWS),
    ).map(lambda drawn: Words(drawn[0], memoryview(array("q", drawn[1])))),
    _KINDS[2].map(lambda word: repeated(word, _ROWS)),
)
_NAMED = st.text('ab"\x00é', max_size=3)
_PLAIN_OBJECTS = st.dictionaries(_NAMED, _PLAIN, min_size=1, max_size=4)
_OBJECTS = st.dictionaries(st.sampled_from("abcd"), _COLUMNS, min_size=1, max_size=4)


@given(_OBJECTS, _OBJECTS)
def test_json_is_that_of_the_objects(outer, inner) -> None:
    rows = JsonRows(_ROWS, {**outer, "inner": JsonRows(_ROWS, inner)})
    written = orjson.loads(to_json({"rows": rows}))["rows"]
    assert written == rows.rows()
    assert repr(written) == repr(rows.rows())  # the order of fields as well


@given(_PLAIN_OBJECTS, _PLAIN_OBJECTS, st.integers(1, 300), st.sampled_from([0, 8, 10**6]))
def test_json_of_buffers_is_that_of_the_objects(outer, inner, at_once, blanks) -> None:
    """Laid out all at once, with blanks or without, it says what is written row by row."""
    rows = JsonRows(_ROWS, {**outer, "inner": JsonRows(_ROWS, inner)})
    expected = to_json([rows, "between", rows])
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(json_rows, "_MANY", 1)
        patched.setattr(json_rows, "_BYTES_AT_ONCE", at_once)
        patched.setattr(json_rows, "_MOST_BLANK", blanks)
        laid_out = to_json([rows, "between", rows])
        assert orjson.loads(laid_out) == [rows.rows(), "between", rows.rows()]
        assert repr(orjson.loads(laid_out)) == repr(orjson.loads(expected))  # the order of fields as well
        patched.setattr(json_rows, "_MOST_BYTES", 0)
        assert to_json([rows, "between", rows]) == expected


def test_words_of_unequal_lengths_are_written_without_blanks() -> None:
    size = 300
    words = Words(["a", "b" * 100], memoryview(array("q", [at == 0 for at in range(size)])))
    rows = JsonRows(size, {"few": Numbers(memoryview(array("q", range(size)))), "words": words})
    assert to_json(rows) == orjson.dumps(rows.rows())


def test_no_rows_are_an_empty_list() -> None:
    assert to_json(JsonRows(0, {"a": [], "b": JsonRows(0, {"c": []})})) == b"[]"
