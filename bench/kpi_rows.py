"""Communications by the million for the KPI benchmark: made inside PostgreSQL, the same rows as Parquet for DuckDB."""

from datetime import UTC, datetime
from pathlib import Path

import duckdb
import psycopg

END = datetime(2026, 5, 1, tzinfo=UTC)
DAYS = 365
_PER_DEBTOR = 100

_DEBTORS = """
    INSERT INTO debtor (tenant_id, id, reference, name, name_key, country, time_zone, segment, segment_key)
    SELECT %(tenant)s, n, 'D' || n, 'D' || n, 'd' || n, (ARRAY['ES', 'FR', 'DE', 'PL', 'US'])[1 + n %% 5],
           (ARRAY['Europe/Madrid', 'Europe/Paris', 'Europe/Berlin', 'Europe/Warsaw', 'America/Chicago'])[1 + n %% 5],
           'S' || lpad((n %% 36)::text, 2, '0'), 'S' || lpad((n %% 36)::text, 2, '0')
    FROM generate_series(1, %(debtors)s) n
"""
_ACCOUNTS = """
    INSERT INTO account (tenant_id, id, reference, debtor_id, product, currency, principal, opened_on, due_on, balance)
    SELECT %(tenant)s, n, 'A' || n, n, (ARRAY['CARD', 'LOAN', 'LEASE'])[1 + n %% 3],
           (ARRAY['EUR', 'EUR', 'EUR', 'PLN', 'USD'])[1 + n %% 5], 1000, '2024-01-01', '2025-01-01', 1000
    FROM generate_series(1, %(debtors)s) n
"""
# A third is opened after a log-normal time, a tenth of these clicked; three in a hundred are paid for.
_COMMUNICATIONS = """
    INSERT INTO communication (
        tenant_id, id, reference, debtor_id, account_id, channel, direction, template, campaign, sent_at, cost,
        currency, delivered_at, bounced_hard_at, opened_at, clicked_at, landed_at, segment_key, days_past_due, product,
        kpi_currency, converted_at)
    SELECT %(tenant)s, n, 'C' || n, debtor, debtor, (ARRAY['EMAIL', 'SMS', 'WHATSAPP', 'PUSH', 'VOICE'])[1 + channel],
           'OUTBOUND', 'T' || channel || '-' || n %% 7, 'CAMPAIGN-' || to_char(sent_at, 'YYYY-MM'), sent_at, 0.05,
           (ARRAY['EUR', 'EUR', 'EUR', 'PLN', 'USD'])[1 + debtor %% 5],
           CASE WHEN luck > 0.04 THEN sent_at + interval '2 seconds' END,
           CASE WHEN luck <= 0.04 THEN sent_at + interval '3 seconds' END,
           opened_at, CASE WHEN luck > 0.9 THEN opened_at + interval '20 seconds' END,
           CASE WHEN luck > 0.93 THEN opened_at + interval '25 seconds' END,
           'S' || lpad((debtor %% 36)::text, 2, '0'), 30 + debtor %% 200,
           (ARRAY['CARD', 'LOAN', 'LEASE'])[1 + debtor %% 3],
           (ARRAY['EUR', 'EUR', 'EUR', 'PLN', 'USD'])[1 + debtor %% 5],
           CASE WHEN luck > 0.97 THEN opened_at + make_interval(secs => 60 + 400000 * random()) END
    FROM (
        SELECT n, debtor, channel, sent_at, luck,
               CASE WHEN luck > 0.67 THEN sent_at + make_interval(
                   secs => exp(8 + 1.4 * sqrt(-2 * ln(1 - random())) * cos(2 * pi() * random()))) END AS opened_at
        FROM (
            SELECT n, 1 + floor(random() * %(debtors)s)::bigint AS debtor, floor(random() * 5)::integer AS channel,
                   CAST(%(end)s AS timestamptz) - (interval '1 day' * %(days)s) * (1 - (n - 1.0) / %(rows)s) AS sent_at,
                   random() AS luck
            FROM generate_series(1, %(rows)s) n
        ) sent
    ) opened
"""
_PAYMENTS = """
    INSERT INTO payment (
        tenant_id, id, reference, account_id, debtor_id, amount, currency, paid_at, communication_id, attributed_to)
    SELECT tenant_id, id, 'P' || id, account_id, debtor_id, 25, kpi_currency, converted_at, id, id
    FROM communication WHERE tenant_id = %(tenant)s AND converted_at IS NOT NULL
"""
_INSTANTS = (
    "sent_at",
    "delivered_at",
    "bounced_hard_at",
    "opened_at",
    "clicked_at",
    "landed_at",
    "converted_at",
)
_EXPORTED = (
    "SELECT segment_key AS segment, channel, days_past_due, template, cost, currency, "
    + ", ".join(f"{name} AT TIME ZONE 'UTC' AS {name}" for name in _INSTANTS)
    + " FROM communication WHERE tenant_id = {tenant} ORDER BY sent_at"
)


def fill(owner_url: str, tenant_id: int, rows: int, *, per_debtor: int = _PER_DEBTOR) -> None:
    """Make `rows` communications of the year before END, with debtors, accounts and payments, in sorted order."""
    values = {
        "tenant": tenant_id,
        "rows": rows,
        "debtors": max(1, rows // per_debtor),
        "end": END,
        "days": DAYS,
    }
    with psycopg.connect(owner_url, autocommit=True) as connection:
        # References are right by how they are made; 30 million look-ups to prove it would take most of the time.
        connection.execute("SET session_replication_role = replica")
        connection.execute("SELECT setseed(0.5)")
        for statement in (_DEBTORS, _ACCOUNTS, _COMMUNICATIONS, _PAYMENTS):
            connection.execute(statement, values)
        connection.execute("VACUUM (ANALYZE) debtor, account, communication, payment")


def export(owner_url: str, tenant_id: int, path: Path) -> None:
    """Write the tenant's communications as Parquet."""
    rows = path.with_suffix(".csv")
    with psycopg.connect(owner_url) as connection, rows.open("wb") as file:
        query = _EXPORTED.format(tenant=int(tenant_id))
        with connection.cursor().copy(f"COPY ({query}) TO STDOUT (FORMAT csv, HEADER)") as copied:
            for block in copied:
                file.write(block)
    duckdb.connect().execute(f"COPY (SELECT * FROM read_csv('{rows}')) TO '{path}' (FORMAT parquet)")
    rows.unlink()
