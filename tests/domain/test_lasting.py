"""What is made of rows that last is made once, and of the latest kinds alone."""

from domain.lasting import Lasting


def test_each_kind_is_made_once_and_the_oldest_forgotten() -> None:
    rows, made = Lasting([1, 2]), []

    def make(kind: str) -> bytes:
        made.append(kind)
        return kind.encode()

    for kind in ("a", "a", "b", "a", "c", "a", "b"):
        assert rows.made(kind, lambda kind=kind: make(kind)) == kind.encode()
    assert made == ["a", "b", "c", "b"]


def test_rows_are_those_given_and_keep_to_themselves_what_is_made_of_them() -> None:
    one, other = Lasting("ab"), Lasting("ab")
    assert (list(one), one[1], one[:1], len(one)) == (["a", "b"], "b", "a", 2)
    assert one.made("kind", lambda: b"12") == b"12"
    assert other.made("kind", lambda: b"2") == b"2"
    assert (one.bytes_made, other.bytes_made) == (2, 1)
