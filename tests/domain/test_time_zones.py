from importlib.resources import files

from domain.currencies import CURRENCIES
from domain.time_zones import COUNTRIES, DEFAULT_TIME_ZONES, table, time_zones
from tests.conftest import ROOT


def zones_by_country() -> dict[str, set[str]]:
    """The IANA database's own list of each country's zones."""
    zones: dict[str, set[str]] = {}
    for line in files("tzdata").joinpath("zoneinfo/zone.tab").read_text().splitlines():
        if line and not line.startswith("#"):
            country, _, zone, *_ = line.split("\t")
            zones.setdefault(country, set()).add(zone)
    return zones


def test_every_country_has_a_default_among_its_own_zones():
    known = zones_by_country()
    uninhabited = {"BV", "HM"}
    assert known.keys() | uninhabited == COUNTRIES.keys()
    assert [
        code for code, zone in DEFAULT_TIME_ZONES.items() if code in known and zone not in known[code]
    ] == []
    assert set(DEFAULT_TIME_ZONES.values()) <= time_zones()


def test_the_printed_table_is_the_one_in_use():
    printed = (ROOT / "docs" / "time-zones.md").read_text(encoding="utf-8")
    assert printed.partition("\n\n| country")[2] == table().removeprefix("| country")


def test_currencies_are_three_capitals():
    assert {"EUR", "USD", "DKK", "GBP", "XCG", "HRK"} <= CURRENCIES
    assert not {"EURO", "XXX", "XTS"} & CURRENCIES
    assert all(len(code) == 3 and code.isascii() and code.isupper() for code in CURRENCIES)
