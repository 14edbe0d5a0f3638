"""What a currency without an exchange rate counts for: as much as makes its usual debt one of the tenant's.

Debtors then weigh by the share of their balance, and costs recorded in several currencies stay comparable.
"""

import polars as pl

from ml.frames import History


def stand_in_rates(history: History) -> dict[str, float]:
    """Units of the tenant's currency for one of each currency that accounts are in and no rate is known of.

    The median principal of those with a known rate, over the currency's own; where no rate is known at all, the
    commonest currency is measured against itself.
    """
    known = {**history.rates, history.currency: 1.0}
    usual = (
        history.accounts.filter(pl.col("principal") > 0)
        .drop_nulls("currency")
        .group_by("currency")
        .agg(principal=pl.col("principal").median(), accounts=pl.len())
        .sort("accounts", "currency", descending=[True, False])
    )
    own = dict(zip(usual["currency"].to_list(), usual["principal"].to_list(), strict=True))
    reference = next(
        (own[code] * known[code] for code in own if code in known), next(iter(own.values()), 1.0)
    )
    return {code: reference / principal for code, principal in own.items() if code not in known}
