"""A second opinion on every KPI, in DuckDB over the raw files of a data set; here: which rows are accepted.

The oracle shares no code with the product: it has its own reading, attribution, settlement, balances and formulas,
written from docs/contract alone and kept plain rather than fast. Source: import-format.md.
"""

import re
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import available_timezones

import duckdb

from tests.oracle.words import CHANNELS, COUNTRIES, CURRENCIES, DIRECTIONS, KINDS, SOURCES

_INSTANT = r"^\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}(:\d{2}(\.\d+)?)?(Z|[+-]\d{2}(:?\d{2})?)$"

#: Per table: column → how it reads. "!" required; ">t" a reference to table t.
COLUMNS = {
    "templates": "reference! channel!channel language tone incentive subject",
    "agents": "reference! name! team active_from!date active_to:date",
    "debtors": "reference! name! email phone postal_address country!country region language time_zone:zone "
    "birth_date:date customer_since:date segment",
    "accounts": "reference! debtor!>debtors product! currency!currency principal!positive opened_on!date due_on!date "
    "closed_on:date agent:>agents",
    "communications": "reference! debtor!>debtors account:>accounts channel!channel direction!direction template "
    "campaign agent:>agents sent_at!instant cost:cost currency:currency propensity:share",
    "events": "reference! debtor!>debtors communication:>communications kind!kind occurred_at!instant source:source "
    "automated:flag detail",
    "payments": "reference! account!>accounts amount!positive currency!currency paid_at!instant "
    "communication:>communications method reversed_at:instant",
    "promises": "reference! account!>accounts amount!positive currency!currency promised_at!instant due_on!date "
    "direction!direction agent:>agents communication:>communications",
    "finance": "month!month currency!currency credit_sales:number receivables:number revenue:number "
    "operating_cost:number",
}

_WORDS = {
    "country": COUNTRIES,
    "currency": CURRENCIES,
    "zone": sorted(available_timezones()),
    "channel": CHANNELS,
    "direction": DIRECTIONS,
    "kind": KINDS,
    "source": SOURCES,
    "flag": ["true", "false", "TRUE", "FALSE", "True", "False", "1", "0"],
}
_NUMBER = "try_cast([] AS DECIMAL(38, 9))"
_INSTANT_SQL = (
    f"CASE WHEN regexp_full_match([], '{_INSTANT}') THEN try_cast([] AS TIMESTAMPTZ) AT TIME ZONE 'UTC' END"
)
_PARSED = {
    "date": "try_cast([] AS DATE)",
    "month": "try_cast([] || '-01' AS DATE)",
    "instant": _INSTANT_SQL,
    "positive": _NUMBER,
    "cost": _NUMBER,
    "number": _NUMBER,
    "share": "try_cast([] AS DOUBLE)",
    "flag": "coalesce(lower([]) IN ('true', '1'), false)",
}
_UNFIT = {"positive": "[] <= 0", "cost": "[] < 0", "share": "[] NOT BETWEEN 0 AND 1"}

#: What else makes a row unfit, over its parsed columns `p` and the accepted rows it refers to.
_LAWS = {
    "communications": [
        "p.cost IS NOT NULL AND p.currency IS NULL",
        "(SELECT debtor FROM accounts a WHERE a.reference = p.account) <> p.debtor",
    ],
    "events": ["(SELECT debtor FROM communications c WHERE c.reference = p.communication) <> p.debtor"],
    "payments": [
        "(SELECT currency FROM accounts a WHERE a.reference = p.account) <> p.currency",
        "(SELECT debtor FROM communications c WHERE c.reference = p.communication) <> "
        "(SELECT debtor FROM accounts a WHERE a.reference = p.account)",
    ],
    "promises": [
        "(SELECT currency FROM accounts a WHERE a.reference = p.account) <> p.currency",
        "p.due_on < ((p.promised_at AT TIME ZONE 'UTC') AT TIME ZONE (SELECT d.time_zone FROM accounts a "
        "JOIN debtors d ON d.reference = a.debtor WHERE a.reference = p.account))::DATE",
        "(SELECT debtor FROM communications c WHERE c.reference = p.communication) <> "
        "(SELECT debtor FROM accounts a WHERE a.reference = p.account)",
    ],
}


def _column(described: str) -> tuple[str, bool, str, str]:
    """Name, whether required, how it reads, and the table it refers to."""
    name, mark, rest = re.fullmatch(r"(\w+)([!:]?)(.*)", described).groups()
    return name, mark == "!", "" if rest.startswith(">") else rest, rest[1:] if rest.startswith(">") else ""


@dataclass(frozen=True)
class Settings:
    """What kpis.md calls settings: days of grace, and hours before a payment in which a cause may lie."""

    grace_days: int = 2
    click_hours: int = 7 * 24
    open_hours: int = 3 * 24


class Reading:
    """The accepted rows of a data set as DuckDB tables named like its files; instants are UTC without an offset.

    rejected: how many distinct rows of each table are not accepted.
    """

    def __init__(self, folder: Path, settings: Settings = Settings()) -> None:
        self.settings = settings
        self.db = duckdb.connect()
        self.db.execute("SET TimeZone = 'UTC'")
        self.db.execute("CREATE MACRO local_time(t, zone) AS (t AT TIME ZONE 'UTC') AT TIME ZONE zone")
        self.db.execute("CREATE MACRO local_day(t, zone) AS local_time(t, zone)::DATE")
        self.rejected: dict[str, int] = {}
        self.known_at: datetime | None = None
        self.last_cohort: tuple[Any, list[dict[str, Any]]] | None = None
        for table, described in COLUMNS.items():
            columns = [_column(word) for word in described.split()]
            self._read(folder, table, [name for name, *_ in columns])
            self._judge(table, columns)
            self._accept(table)

    def rows(self, query: str, *parameters: object) -> list[tuple]:
        return self.db.execute(query, parameters).fetchall()

    def _read(self, folder: Path, table: str, columns: list[str]) -> None:
        csv, parquet = folder / f"{table}.csv", folder / f"{table}.parquet"
        if csv.exists():
            source = (
                f"read_csv('{csv}', header=true, all_varchar=true, quote='\"', escape='\"', parallel=false)"
            )
        elif parquet.exists():
            source = f"(SELECT columns(*)::VARCHAR FROM read_parquet('{parquet}'))"
        else:
            source = f"(SELECT {', '.join(f'NULL::VARCHAR AS {column}' for column in columns)} LIMIT 0)"
        self.db.execute(f"CREATE OR REPLACE TEMP TABLE raw AS SELECT DISTINCT * FROM {source}")
        for column in set(columns) - self._names("raw"):
            self.db.execute(f"ALTER TABLE raw ADD COLUMN {column} VARCHAR")

    def _judge(self, table: str, columns: list[tuple[str, bool, str, str]]) -> None:
        parsed, faults = [], ["false"]
        for name, required, kind, parent in columns:
            value = _PARSED.get(kind, "[]").replace("[]", f"r.{name}")
            parsed.append(f"{value} AS {name}")
            if required:
                faults.append(f"r.{name} IS NULL")
            if kind in _WORDS:
                faults.append(f"r.{name} NOT IN ({', '.join(repr(word) for word in _WORDS[kind])})")
            elif kind in _PARSED:
                faults.append(f"r.{name} IS NOT NULL AND {value} IS NULL")
            if kind in _UNFIT:
                faults.append(_UNFIT[kind].replace("[]", value))
            if parent:
                faults.append(f"r.{name} IS NOT NULL AND r.{name} NOT IN (SELECT reference FROM {parent})")
        custom = sorted(self._names("raw") - {name for name, *_ in columns})
        self.db.execute(
            f"CREATE OR REPLACE TEMP TABLE read AS SELECT {', '.join(parsed + custom)}, {_any(faults)} AS wrong "
            "FROM raw r"
        )

    def _accept(self, table: str) -> None:
        keys = "month, currency" if table == "finance" else "reference"
        self.db.execute(
            f"CREATE OR REPLACE TEMP TABLE contested AS SELECT {keys} FROM (SELECT DISTINCT * FROM read) "
            f"GROUP BY {keys} HAVING count(*) > 1;"
            f"CREATE OR REPLACE TEMP TABLE judged AS SELECT p.*, "
            f"p.wrong OR {_any(_LAWS.get(table, []))} OR coalesce(({keys}) IN (FROM contested), false) AS unfit "
            "FROM read p"
        )
        self.rejected[table] = self.rows("SELECT count(*) FROM judged WHERE unfit")[0][0]
        self.db.execute(
            f"CREATE TABLE {table} AS SELECT DISTINCT * EXCLUDE (wrong, unfit) FROM judged WHERE NOT unfit"
        )

    def _names(self, table: str) -> set[str]:
        return {name for name, *_ in self.rows(f"DESCRIBE {table}")}


def _any(conditions: list[str]) -> str:
    return "(" + " OR ".join(f"coalesce({condition}, false)" for condition in ["false", *conditions]) + ")"
