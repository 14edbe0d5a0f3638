"""A small world as its creditor sees it: tables of import-format.md."""

from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl

from ml.frames import Facts
from tests.ml.world_lives import CHANNELS, Bools, Contacts, Floats, Ints, Nature, Payments, Policy, Reactions

COST = np.array([0.002, 0.06, 0.05, 0.001, 0.9, 1.2])
START = datetime(2026, 1, 5, tzinfo=UTC)

_PROOF_OF_ENGAGING = {"VOICE": "RIGHT_PARTY_CONTACTED", "LETTER": "LANDED"}
_PART_PAID = 0.3


def facts_of(
    rng: np.random.Generator,
    nature: Nature,
    policy: Policy,
    contacts: Contacts,
    reactions: Reactions,
    payments: Payments,
    *,
    channels: list[int],
    propensities: bool,
) -> Facts:
    """channels: which of `CHANNELS` those of the contacts are."""
    made = np.flatnonzero(contacts.sent < payments.done[contacts.who])
    names = np.array(CHANNELS)[channels][contacts.channel]
    propensity = policy.lean[nature.segment[contacts.who], contacts.channel] * policy.slots[contacts.slot]
    bounced = rng.random(len(contacts.who)) < 0.03
    return {
        "debtors": _debtors(nature),
        "accounts": _accounts(rng, nature),
        "communications": pl.DataFrame(
            {
                "reference": _communication_references(made),
                "debtor": _debtor_references(contacts.who[made]),
                "channel": names[made],
                "direction": "OUTBOUND",
                "sent_at": _instants(contacts.sent[made]),
                "cost": COST[channels][contacts.channel[made]],
                "currency": "EUR",
                "propensity": propensity[made] if propensities else None,
            }
        ),
        "events": _events(contacts, reactions, names, made, bounced),
        "payments": _payments(nature, payments),
    }


def all_debtors(nature: Nature) -> list[str]:
    """Their references, in order."""
    return _debtor_references(np.arange(nature.debtors))


def _debtor_references(numbers: Ints) -> list[str]:
    return [f"D{number:06d}" for number in numbers]


def _account_references(numbers: Ints) -> list[str]:
    return [f"A{number:06d}" for number in numbers]


def _communication_references(numbers: Ints) -> list[str]:
    return [f"C{number:08d}" for number in numbers]


def _instants(seconds: Floats) -> pl.Series:
    micro = (START.timestamp() * 1e6 + seconds * 1e6).astype(np.int64)
    return pl.Series("at", micro).cast(pl.Datetime("us")).dt.replace_time_zone("UTC")


def _debtors(nature: Nature) -> pl.DataFrame:
    references = all_debtors(nature)
    return pl.DataFrame(
        {
            "reference": references,
            "name": references,
            "email": [f"{reference}@example.org" for reference in references],
            "phone": "+34600000000",
            "postal_address": "Calle 1",
            "country": "ES",
            "time_zone": "UTC",
            "segment": [f"S{number:03d}" for number in nature.segment],
            "x_trait": np.where(nature.will > 0, "HIGH", "LOW"),
        }
    )


def _accounts(rng: np.random.Generator, nature: Nature) -> pl.DataFrame:
    return pl.DataFrame(
        {
            "reference": _account_references(np.arange(nature.debtors)),
            "debtor": all_debtors(nature),
            "product": rng.choice(["CARD", "LOAN"], nature.debtors),
            "currency": "EUR",
            "principal": nature.balance.round(2),
            "opened_on": (START - timedelta(days=400)).date(),
            "due_on": [(START - timedelta(days=int(days))).date() for days in nature.late],
        }
    )


def _events(
    contacts: Contacts, reactions: Reactions, names: np.ndarray, made: Ints, bounced: Bools
) -> pl.DataFrame:
    silent = bounced[made] & ~reactions.engaged[made]
    has_receipts = (names[made] != "LETTER") & (names[made] != "VOICE")
    lost, arrived, opened = made[silent], made[~silent & has_receipts], made[reactions.engaged[made]]
    clicked = opened[reactions.paid[opened] & np.isin(names[opened], ["EMAIL", "SMS", "WHATSAPP", "PUSH"])]
    opened_at = contacts.sent + reactions.open_delay
    proofs = [_PROOF_OF_ENGAGING.get(name, "OPENED") for name in names[opened]]
    kinds = (
        (lost, ["BOUNCED_SOFT"] * len(lost), contacts.sent + 5),
        (arrived, ["DELIVERED"] * len(arrived), contacts.sent + 4),
        (opened, proofs, opened_at),
        (clicked, ["CLICKED"] * len(clicked), opened_at + reactions.pay_delay * 0.9),
    )
    frames = [
        pl.DataFrame(
            {
                "debtor": _debtor_references(contacts.who[which]),
                "communication": _communication_references(which),
                "kind": kind,
                "occurred_at": _instants(at[which]),
            }
        )
        for which, kind, at in kinds
    ]
    return pl.concat(frames).with_row_index("n").with_columns(reference=pl.format("E{}", "n")).drop("n")


def _payments(nature: Nature, payments: Payments) -> pl.DataFrame:
    share = np.where(payments.full, 1.0, _PART_PAID)
    return pl.DataFrame(
        {
            "reference": [f"P{number:06d}" for number in range(len(payments.who))],
            "account": _account_references(payments.who),
            "amount": (share * nature.balance[payments.who]).round(2),
            "currency": "EUR",
            "paid_at": _instants(payments.at),
        }
    )
