"""CSV as people really send it, each oddity at its true line."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

import api.imports.csv_table as module
from api.imports import ImportRefused
from api.imports.csv_table import CsvTable
from domain.rejections import RejectCode

RAGGED, MALFORMED, NOT_UTF8 = RejectCode.RAGGED_ROW, RejectCode.MALFORMED_CSV, RejectCode.INVALID_UTF8


def read(tmp_path, content: bytes | str):
    """(columns, [(line, cells)], [(line, code)])."""
    path = tmp_path / "debtors.csv"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    table = CsvTable(path)
    rows, bad, progress = [], [], [0]
    for done, chunk in table.chunks():
        progress.append(done)
        rows += zip(chunk.lines, zip(*chunk.columns.values(), strict=True), strict=True)
        bad += [(record.line, record.code) for record in chunk.unreadable]
    assert progress == sorted(progress)
    assert progress[-1] == table.size or not rows + bad
    return table.columns, rows, bad


@pytest.mark.parametrize(
    ("content", "rows", "bad"),
    [
        ("a,b\n1,2\n3,4\n", [(2, ("1", "2")), (3, ("3", "4"))], []),
        ("a,b\r\n1,2\r\n3,4", [(2, ("1", "2")), (3, ("3", "4"))], []),
        ("\ufeffa,b\n1,2\n", [(2, ("1", "2"))], []),
        ('a,b\n"1,5","say ""hi"""\n', [(2, ("1,5", 'say "hi"'))], []),
        ('a,b\n"x\ny",2\n3,4\n', [(2, ("x\ny", "2")), (4, ("3", "4"))], []),
        ('a,b\r\n"x\r\n\r\ny",2\r\n3,4\r\n', [(2, ("x\r\n\r\ny", "2")), (5, ("3", "4"))], []),
        ("a,b\n\n1,2\n\n\n3,4\n\n", [(3, ("1", "2")), (6, ("3", "4"))], []),
        ('"a\n",b\n1,2\n', [(3, ("1", "2"))], []),
        ("\n\na,b\n1,2\n", [(4, ("1", "2"))], []),
        ("a,b\n1\n2,3\n4,5,6\n", [(3, ("2", "3"))], [(2, RAGGED), (4, RAGGED)]),
        ("a,b\n,\n\n,,", [(2, ("", ""))], [(4, RAGGED)]),
        ("a,b\n1,\n,\n", [(2, ("1", "")), (3, ("", ""))], []),
        ('a,b\n1,"x"y\n2,3\n', [(3, ("2", "3"))], [(2, MALFORMED)]),
        ('a,b\n1,"open\n2,3\n4,5\n', [(3, ("2", "3")), (4, ("4", "5"))], [(2, MALFORMED)]),
        ('a,b\n1,say "hi"\n', [(2, ("1", 'say "hi"'))], []),
        (
            'a,b\n0,0\n1,"open\n2,3\n4,"open again',
            [(2, ("0", "0")), (4, ("2", "3"))],
            [(3, MALFORMED), (5, MALFORMED)],
        ),
        ("a,b\n1," + "x" * 140_000 + "\n2,3\n", [(3, ("2", "3"))], [(2, MALFORMED)]),
        (b"a,b\n1,\xe9\n2,\xc3\xa9\n", [(3, ("2", "é"))], [(2, NOT_UTF8)]),
        ("a,b\n", [], []),
        ("a,b", [], []),
    ],
)
def test_records_and_lines(tmp_path, content, rows, bad):
    columns, found, unreadable = read(tmp_path, content)
    assert (len(columns), found, unreadable) == (2, rows, bad)


@pytest.mark.parametrize("block", [1, 2, 3, 7])
def test_blocks_end_anywhere(tmp_path, monkeypatch, block):
    content = 'a,b\n0,"x\n\ny"\n1,"bad"ly\n2,"open\n3,4\n5\n\n6,"z\n"\n'
    monkeypatch.setattr(module, "_BLOCK", block)
    _, rows, bad = read(tmp_path, content)
    assert (rows, bad) == read_at_once(tmp_path, monkeypatch, content)


def read_at_once(tmp_path, monkeypatch, content):
    monkeypatch.setattr(module, "_BLOCK", 10_000)
    _, rows, bad = read(tmp_path, content)
    return rows, bad


@given(
    rows=st.lists(
        st.tuples(
            *[st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\r"), max_size=6)] * 3
        ),
        max_size=20,
    )
)
def test_what_is_written_is_read_at_the_line_it_was_written(tmp_path_factory, rows):
    import csv
    import io

    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n", quoting=csv.QUOTE_ALL)
    writer.writerow("abc")
    expected = []
    for one in rows:
        expected.append((file.getvalue().count("\n") + 1, one))
        writer.writerow(one)
    _, found, bad = read(tmp_path_factory.mktemp("csv"), file.getvalue())
    assert (found, bad) == (expected, [])


@given(
    content=st.lists(
        st.sampled_from([*'a1é,,,\n\n\r" \t\0', "\r\n", '"a"', '""', '"a,b"', '"é"']), max_size=40
    )
)
def test_both_ways_of_reading_read_the_same(tmp_path_factory, content):
    folder, content = tmp_path_factory.mktemp("csv"), "a,b\n" + "".join(content)
    found = read(folder, content)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "_plain_cells", lambda _lines, _width: None)
        assert read(folder, content) == found


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "is empty"),
        (b"\n\n", "is empty"),
        ("a,b\n".encode("utf-16"), "is not UTF-8"),
        (b"a;b;c\n1;2;3\n", "not separated by commas"),
        (b'"a,b\n', "is no CSV"),
        (b"a,b\r1,2\r", "lone CR"),
    ],
)
def test_a_file_without_a_header_is_refused(tmp_path, content, words):
    with pytest.raises(ImportRefused, match=words) as refused:
        read(tmp_path, content)
    assert refused.value.code == "UNREADABLE_FILE"


class Lines(list):
    """Counts how often a line is taken."""

    taken = 0

    def __getitem__(self, place):
        self.taken += 1
        return super().__getitem__(place)

    def __iter__(self):
        for line in super().__iter__():
            self.taken += 1
            yield line


def test_each_line_is_read_a_few_times_however_many_are_malformed():
    lines = Lines(['"x"y\n'] * 2_000)
    records = module._parse(lines, 2, width=2, at_end=True)
    assert len(records.unreadable) == 2_000
    assert lines.taken <= 4 * len(lines)


def test_a_record_that_never_ends_is_given_up_by_its_length(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "_BLOCK", 40)
    monkeypatch.setattr(module, "_longest", lambda: 50)
    parsed = []
    parse = module._parse

    def noting(lines, *arguments, **options):
        parsed.append(sum(map(len, lines)))
        return parse(lines, *arguments, **options)

    monkeypatch.setattr(module, "_parse", noting)
    cells = 2_000
    _, rows, bad = read(tmp_path, "a,b\n1,2\n" + '"x\n",' * cells + "\n3,4\n")
    assert max(parsed) <= 400
    assert rows[0] == (2, ("1", "2"))
    assert rows[-1] == (cells + 4, ("3", "4"))
    assert bad[0] == (3, MALFORMED)
