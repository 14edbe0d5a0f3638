"""A trained model and what it predicts."""

from dataclasses import dataclass, field
from datetime import datetime

import numpy as np
import polars as pl

from ml.amount import PaidShare
from ml.arrays import Floats, Ints
from ml.casework import rhythm_codes, segment_codes
from ml.conversion import Conversion
from ml.evaluation import HoldOut, Metric
from ml.feature_space import FeatureSpace
from ml.features import Casebook, Contacts
from ml.frames import History, HistoryError
from ml.local_time import microseconds
from ml.organic import OrganicHazard
from ml.outcomes import channel_codes
from ml.reaction_time import EDGES, ReactionTime
from ml.slot_effects import Cells
from ml.standing import Panel

REACTION_EDGES = EDGES
"""(21,) seconds since `sent_at` bounding the bins of `Prediction.open_curve` and `pay_curve`; the last
is 30 days."""


@dataclass(frozen=True)
class Prediction:
    """One entry per row asked for; probabilities are per contact sent, calibrated, within 30 days of
    sending.

    p_delivered ≥ p_engaged; p_open, p_click: human opening, click or landing; p_convert: a payment is
    attributed (kpis.md); p_moved: a payment is made that leaving alone would not have brought;
    collected: attributed money given conversion, tenant's currency;
    open_curve, pay_curve: (n, 20) share of the openings, attributed payments, that come by
    REACTION_EDGES[1:].
    """

    p_delivered: Floats
    p_engaged: Floats
    p_open: Floats
    p_click: Floats
    p_convert: Floats
    p_moved: Floats
    collected: Floats
    open_curve: Floats
    pay_curve: Floats


@dataclass(frozen=True)
class ChannelFacts:
    """Per channel (in order of CHANNELS): cost of one contact in the tenant's currency (nan: unknown),
    share of contacts that make the debtor opt out or complain; sends: (channels, 168) contacts made at
    each local hour of week."""

    cost: Floats
    opt_out: Floats
    sends: Floats


@dataclass(frozen=True)
class SegmentFacts:
    """Per segment code and channel: contacts sent, engaged, payments moved (each as sure as that is); what the evidence
    for an action rests on."""

    sent: Floats
    engaged: Floats
    moved: Floats


@dataclass(frozen=True)
class TrainedModel:
    """Everything a version of the models consists of; made by `ml.recipe.train`, stored by `ml.artefact`.

    data_from, data_to: of the communications learned from; rows: how many; metrics: out of time;
    holdout: the predictions behind them, for the gate (not stored). stand_in_rates: what currencies without an
    exchange rate were taken for (`ml.stand_in_rates`).
    """

    recipe: str
    trained_at: datetime
    data_from: datetime
    data_to: datetime
    rows: int
    currency: str
    space: FeatureSpace
    segments: tuple[str, ...]
    conversion: Conversion
    open_time: ReactionTime
    pay_time: ReactionTime
    paid_share: PaidShare
    organic: OrganicHazard
    channels: ChannelFacts
    evidence: SegmentFacts
    half_life_days: float | None
    metrics: tuple[Metric, ...]
    threads: int = 2
    stand_in_rates: tuple[tuple[str, float], ...] = ()
    panel: Panel | None = None
    holdout: HoldOut | None = field(default=None, compare=False)

    def predict(self, history: "History | Casebook", rows: pl.DataFrame) -> Prediction:
        """Calibrated outcomes of contacts, past or planned.

        history: what was known, or the `casebook` of it (build one to ask often). rows: debtor (key as in
        history.debtors), channel, at (instant, UTC); n rows. Features are as of `at`: of a planned
        contact, as of the end of the history with time moved on.

        Raises HistoryError when a column is missing, a debtor unknown, or a channel none of CHANNELS.
        """
        book = history if isinstance(history, Casebook) else self.casebook(history)
        contacts = contacts_of(book, rows)
        matrix = self.space.matrix(book.columns(contacts))
        cells = self.cells(book, contacts)
        rates = self.conversion.rates(matrix, cells, self.threads)
        owed = book.balances(contacts.debtor, contacts.at)
        return Prediction(
            p_delivered=rates["delivered"],
            p_engaged=rates["engaged"],
            p_open=rates["opened"],
            p_click=rates["clicked"],
            p_convert=np.where(owed > 0, rates["converted"], 0.0),
            p_moved=np.where(owed > 0, rates["moved"], 0.0),
            collected=owed * self.paid_share.share(matrix, self.threads),
            open_curve=self.open_time.curve(cells, self.threads),
            pay_curve=self.pay_time.curve(cells, self.threads),
        )

    def casebook(self, history: History) -> Casebook:
        """The history indexed; a currency that it has no exchange rate of counts as when the model was trained."""
        return Casebook(history.with_rates(dict(self.stand_in_rates)))

    def cells(self, book: Casebook, contacts: Contacts) -> Cells:
        """Where contacts fall in the slot tables."""
        rhythm = rhythm_codes(self.conversion.rhythms, book.outcomes, contacts.debtor, contacts.at)
        segment = segment_codes(contacts.segment, self.segments)
        return Cells(segment, rhythm, contacts.channel, contacts.local.hour_of_week)


def contacts_of(book: Casebook, rows: pl.DataFrame) -> Contacts:
    """Rows of debtor, channel, at as contacts thought of.

    Raises HistoryError as `TrainedModel.predict`.
    """
    missing = [name for name in ("debtor", "channel", "at") if name not in rows.columns]
    if missing:
        raise HistoryError(f"rows to predict lack the column(s) {', '.join(missing)}")
    positions = book.debtors.select("debtor").with_row_index("position")
    placed = rows.join(positions, on="debtor", how="left", maintain_order="left")
    if placed["position"].null_count():
        raise HistoryError("rows to predict name a debtor that is not in the history")
    channel = channel_codes(rows["channel"])
    if len(channel) and channel.min() < 0:
        raise HistoryError(
            "rows to predict name a channel that does not exist; use one of ml.outcomes.CHANNELS"
        )
    debtor: Ints = placed["position"].cast(pl.Int64).to_numpy()
    template = rows["template"] if "template" in rows.columns else None
    return book.contacts(debtor, channel, microseconds(rows["at"]), template)
