"""A portfolio for the benchmark of reads: debtors by the million with what a case shows, made inside PostgreSQL."""

from datetime import UTC, datetime

import psycopg

NOW = datetime(2026, 5, 1, tzinfo=UTC)

_DEBTORS = """
    INSERT INTO debtor (tenant_id, id, reference, name, name_key, email, phone, country, language, time_zone, segment,
                        segment_key, oldest_due_on, last_contacted_at)
    SELECT %(tenant)s, n, 'D' || lpad(n::text, 8, '0'), 'Name ' || n, 'name ' || n, 'n' || n || '@example.com',
           '+34600' || lpad(n::text, 7, '0'), (ARRAY['ES', 'FR', 'DE', 'PL', 'US'])[1 + n %% 5], 'es',
           (ARRAY['Europe/Madrid', 'Europe/Paris', 'Europe/Berlin', 'Europe/Warsaw', 'America/Chicago'])[1 + n %% 5],
           key, key, DATE '2026-01-01' + (n %% 100)::integer, %(now)s::timestamptz - interval '1 hour' * (n %% 500)
    FROM (SELECT n, 'S' || lpad((n %% 36)::text, 2, '0') AS key FROM generate_series(1, %(debtors)s) n) numbered
"""
_BALANCES = """
    INSERT INTO debtor_balance (tenant_id, debtor_id, currency, balance, balance_e4)
    SELECT %(tenant)s, n, 'EUR', 750.50, 7505000 FROM generate_series(1, %(debtors)s) n
"""
_ACCOUNTS = """
    INSERT INTO account (tenant_id, id, reference, debtor_id, product, currency, principal, opened_on, due_on, balance)
    SELECT %(tenant)s, 2 * n + k, 'A' || 2 * n + k, n, (ARRAY['CARD', 'LOAN'])[1 + k], 'EUR', 1000.00,
           '2024-01-01', DATE '2026-01-01' + (n %% 100)::integer + k, 375.25
    FROM generate_series(1, %(debtors)s) n, generate_series(0, 1) k
"""
_COMMUNICATIONS = """
    INSERT INTO communication (
        tenant_id, id, reference, debtor_id, account_id, channel, direction, template, campaign, sent_at, cost,
        currency, delivered_at, bounced_hard_at, opened_at, clicked_at, landed_at, segment_key, days_past_due,
        converted_at)
    SELECT %(tenant)s, 8 * n + k, 'C' || 8 * n + k, n, 2 * n, (ARRAY['EMAIL', 'SMS', 'WHATSAPP', 'EMAIL'])[1 + k %% 4],
           'OUTBOUND', 'T' || k, NULL, sent_at, 0.05, 'EUR',
           CASE WHEN k <> 3 THEN sent_at + interval '2.345678 seconds' END,
           CASE WHEN k = 3 THEN sent_at + interval '3 seconds' END,
           CASE WHEN k %% 3 = 0 AND k <> 3 THEN sent_at + interval '1 hour' END,
           CASE WHEN k = 6 THEN sent_at + interval '61 minutes' END,
           CASE WHEN k = 6 THEN sent_at + interval '62 minutes' END, 'NONE', 0,
           CASE WHEN k = 6 THEN sent_at + interval '2 days' END
    FROM (SELECT n, k, %(now)s::timestamptz - interval '1 hour' * (n %% 500) - interval '5 days' * k AS sent_at
          FROM generate_series(1, %(debtors)s) n, generate_series(0, 7) k) sent
"""
_PROMISES = """
    INSERT INTO promise (tenant_id, id, reference, account_id, debtor_id, amount, currency, promised_at, due_on,
                         direction, deadline, kept_at)
    SELECT %(tenant)s, 4 * n + k, 'PR' || 4 * n + k, 2 * n, n, 100.00, 'EUR', promised_at, promised_at::date + 10,
           'OUTBOUND', promised_at + interval '11 days', CASE WHEN k = 2 THEN promised_at + interval '3 days' END
    FROM (SELECT n, k, %(now)s::timestamptz - interval '1 hour' * (n %% 500) - interval '20 days' * k AS promised_at
          FROM generate_series(1, %(debtors)s) n, generate_series(0, 3) k) promised
"""
_PAYMENTS = """
    INSERT INTO payment (
        tenant_id, id, reference, account_id, debtor_id, amount, currency, paid_at, communication_id, attributed_to)
    SELECT tenant_id, id, 'P' || id, account_id, debtor_id, 25.00, 'EUR', converted_at, id, id
    FROM communication WHERE tenant_id = %(tenant)s AND converted_at IS NOT NULL
"""


def fill(owner_url: str, tenant_id: int, debtors: int) -> None:
    """Per debtor: 2 accounts, 8 communications, 4 promises, 1 payment, 2 addresses, 1 balance."""
    values = {"tenant": tenant_id, "debtors": debtors, "now": NOW}
    with psycopg.connect(owner_url, autocommit=True) as connection:
        # References are right by how they are made; millions of look-ups to prove it would take most of the time.
        connection.execute("SET session_replication_role = replica")
        for statement in (_DEBTORS, _BALANCES, _ACCOUNTS, _COMMUNICATIONS, _PROMISES, _PAYMENTS):
            connection.execute(statement, values)
        connection.execute(
            "VACUUM (ANALYZE) debtor, debtor_balance, account, communication, promise, payment"
        )
