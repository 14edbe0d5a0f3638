"""Asking a model again about contacts already made, as they looked when they were sent."""

import numpy as np
import polars as pl

from ml.arrays import Floats
from ml.frames import History
from ml.model import TrainedModel


def score_again(model: TrainedModel, history: History, keys: pl.Series, name: str) -> Floats:
    """(n,) the model's probability of `engaged` or `converted` for the communications named, with
    features as of their `sent_at`."""
    asked = pl.DataFrame({"communication": keys})
    sent = history.communications.select("communication", "debtor", "channel", "sent_at")
    rows = asked.join(sent, on="communication", how="left", maintain_order="left").rename({"sent_at": "at"})
    prediction = model.predict(history, rows)
    return np.asarray(prediction.p_engaged if name == "engaged" else prediction.p_convert)
