from datetime import timedelta

import pytest

from domain.collection_settings import CollectionSettings


def test_what_is_not_set_is_as_the_dictionary_says() -> None:
    expected = CollectionSettings(2, timedelta(days=7), timedelta(days=3))
    assert CollectionSettings.from_json({}) == CollectionSettings.from_json({"other": 1}) == expected
    assert CollectionSettings.from_json({"promise_grace_days": None}) == expected


def test_settings_are_days() -> None:
    stored = {"promise_grace_days": 0, "click_window_days": 1.5, "open_window_days": 14}
    assert CollectionSettings.from_json(stored) == CollectionSettings(
        0, timedelta(hours=36), timedelta(days=14)
    )


@pytest.mark.parametrize("value", [-1, "3", True, [1]])
def test_what_is_no_number_of_days_is_refused_by_name(value: object) -> None:
    with pytest.raises(ValueError, match="open_window_days"):
        CollectionSettings.from_json({"open_window_days": value})
