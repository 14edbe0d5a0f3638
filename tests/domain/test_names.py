"""Names without regard to case."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.names import name_key

SOME = st.one_of(st.text(max_size=5), st.text("ΣσςΑ '.İ", max_size=3))


@given(SOME, SOME)
def test_what_a_name_begins_with_begins_its_key(begun: str, rest: str) -> None:
    assert name_key(begun + rest).startswith(name_key(begun))


@pytest.mark.parametrize("name", ["ΟΔΟΣ ΣΟΦΟΥ", "οδος σοφου", "Οδοσ σοφου"])
def test_a_sigma_is_one_letter(name: str) -> None:
    assert name_key(name) == "οδοσ σοφου"
