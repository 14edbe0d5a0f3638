"""What groups and adds columns, held against plain Python."""

from collections import defaultdict
from decimal import Context, Decimal, localcontext

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from domain.storage.rollups.arrays import Coded, amounts_summed, combined, distinct, joined, summed

_AMOUNTS = (
    st.decimals(0, Decimal(10) ** 15 - 1, places=30) | st.decimals(0, 10**6, places=2) | st.just(Decimal(7))
)


@given(st.lists(st.tuples(st.integers(0, 3), _AMOUNTS, st.integers(1, 1000)), min_size=1, max_size=20))
def test_amounts_are_added_up_to_the_last_digit(paid) -> None:
    words = tuple(dict.fromkeys(format(amount, "f") for _, amount, _ in paid))
    codes = np.array([words.index(format(amount, "f")) for _, amount, _ in paid])
    groups, times = (np.array(column) for column in list(zip(*paid, strict=True))[::2])
    found = amounts_summed(groups, Coded(words, codes), times, 4)
    with localcontext(Context(prec=100)):
        expected: defaultdict[int, Decimal] = defaultdict(Decimal)
        for group, amount, often in paid:
            expected[group] += amount * often
        assert found == [expected[group] for group in range(4)]
        for group, total in expected.items():  # as many decimals as the database's sum would have
            assert total.as_tuple().exponent == found[group].as_tuple().exponent


def test_amounts_of_which_a_filter_leaves_none_are_no_obstacle() -> None:
    amounts = Coded(("1234567890123.456789000000",), np.empty(0, np.int64))
    assert amounts_summed(np.empty(0, np.int64), amounts, np.empty(0, np.int64), 0) == []


@given(st.lists(st.tuples(st.integers(0, 4), st.integers(-(2**62) // 40, 2**62 // 40)), max_size=40))
def test_whole_numbers_are_added_up_exactly(pairs) -> None:
    codes = np.array([code for code, _ in pairs], np.int64)
    found = summed(codes, np.array([number for _, number in pairs], np.int64), 5)
    assert found.tolist() == [sum(number for code, number in pairs if code == at) for at in range(5)]


_WORDS = st.sampled_from(["a", "b", "c", None])


@given(st.lists(st.tuples(_WORDS, _WORDS), max_size=30), st.integers(0, 30), st.booleans())
def test_rows_are_grouped_by_what_they_hold_whatever_part_they_come_from(rows, cut, sparse) -> None:
    columns = [
        joined([_coded([row[at] for row in part]) for part in (rows[:cut], rows[cut:])]) for at in range(2)
    ]
    codes, size = combined(columns, len(rows))
    assert all(0 <= code < size for code in codes)
    if sparse:  # codes too many to be counted one by one
        codes, size = codes * 10**9, size * 10**9
    present, places = distinct(codes, size)
    assert (present[places] == codes).all()
    assert len(present) == len(set(rows))
    groups = dict(zip(rows, places.tolist(), strict=True))
    assert [groups[row] for row in rows] == places.tolist()


def _coded(values: list) -> Coded:
    words = tuple(dict.fromkeys(values))
    return Coded(words, np.array([words.index(value) for value in values], np.int64))
