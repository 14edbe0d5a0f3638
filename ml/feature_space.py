"""From named feature columns to a model's matrix: fixed names, types and words, reindexed at every use."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from ml.features import Columns

MOST_WORDS = 120
RARE_WORD = 25
"""A word seen fewer times in training is read as unknown; so is one never seen."""

Matrix = NDArray[np.float32]


class MissingColumn(KeyError):
    """A feature the model was trained on is absent; the message names it."""

    def __str__(self) -> str:
        missing = f"feature column {self.args[0]!r} is missing"
        return f"{missing}: the model was trained with it, so supply it (null where unknown)"


@dataclass(frozen=True)
class FeatureSpace:
    """names: matrix columns in order; words: for the categorical ones, the known words by code."""

    names: tuple[str, ...]
    words: dict[str, tuple[str, ...]]

    @classmethod
    def fit(cls, columns: Columns, *, without: Sequence[str] = ()) -> "FeatureSpace":
        """Learns names and words from training columns; `without` names features to leave out."""
        names = tuple(name for name in columns if name not in without)
        words = {name: _frequent(columns[name]) for name in names if isinstance(columns[name], pl.Series)}
        return cls(names, words)

    @property
    def categorical(self) -> list[int]:
        """Positions of the categorical columns; `channel` is one, coded as it comes."""
        return [place for place, name in enumerate(self.names) if name in self.words or name == "channel"]

    @property
    def types(self) -> dict[str, str]:
        """Feature name → 'category' or 'number', for the manifest."""
        return {
            name: "category" if name in self.words or name == "channel" else "number" for name in self.names
        }

    def matrix(self, columns: Columns) -> Matrix:
        """(n, len(names)) Float32; nan for unknown numbers, and for words outside `words`.

        Raises MissingColumn when a feature is absent from `columns`; extra columns are passed over.
        """
        for name in self.names:
            if name not in columns:
                raise MissingColumn(name)
        count = len(columns[self.names[0]]) if self.names else 0
        matrix = np.empty((count, len(self.names)), dtype=np.float32)
        self.overwrite(matrix, columns)
        return matrix

    def overwrite(self, matrix: Matrix, columns: Columns) -> None:
        """Set the given columns of a matrix made by `matrix`, in place; those the model does not use are passed
        over. A custom number beyond single precision is infinite: trees ask for its order alone."""
        with np.errstate(over="ignore"):
            for place, name in enumerate(self.names):
                if name in columns:
                    matrix[:, place] = self._coded(name, columns[name])

    def _coded(self, name: str, column: NDArray[np.float64] | pl.Series) -> NDArray[np.float64]:
        if name in self.words:
            return codes(pl.Series(column, dtype=pl.String), self.words[name], unknown=np.nan)
        if isinstance(column, pl.Series):
            return column.cast(pl.Float64, strict=False).fill_null(np.nan).to_numpy()
        return column


def codes(column: pl.Series, words: Sequence[str], unknown: float) -> NDArray[np.float64]:
    """Each word's position in `words`, `unknown` for any other or null."""
    if not words:
        return np.full(len(column), unknown)
    table = {word: float(code) for code, word in enumerate(words)}
    return column.replace_strict(table, default=unknown, return_dtype=pl.Float64).to_numpy()


def _frequent(column: NDArray[np.float64] | pl.Series) -> tuple[str, ...]:
    counted = pl.Series("word", column, dtype=pl.String).drop_nulls().value_counts()
    common = counted.filter(pl.col("count") >= RARE_WORD).sort("count", "word", descending=[True, False])
    return tuple(common["word"].head(MOST_WORDS).to_list())
