"""What was made lately is kept within its bound, by when it was last kept or asked for."""

from domain.latest import Latest


def test_what_nobody_has_asked_for_the_longest_goes_first() -> None:
    latest: Latest[str, int] = Latest(2)
    latest.keep("a", 1)
    latest.keep("b", 2)
    assert latest.recall("a") == 1
    latest.keep("c", 3)
    assert (latest.recall("a"), latest.recall("b"), latest.recall("c")) == (1, None, 3)


def test_what_is_kept_anew_is_the_latest() -> None:
    latest: Latest[str, int] = Latest(2)
    for key, value in (("a", 1), ("b", 2), ("a", 3), ("c", 4)):
        assert latest.keep(key, value) == value
    assert dict(latest) == {"a": 3, "c": 4}


def test_nothing_is_made_twice_while_it_is_kept() -> None:
    latest: Latest[str, str] = Latest(1)
    made: list[str] = []

    def make(key: str) -> str:
        made.append(key)
        return key.upper()

    for key in ("a", "a", "b", "a"):
        assert latest.get_or_make(key, lambda key=key: make(key)) == key.upper()
    assert made == ["a", "b", "a"]
