"""Tiers: those that are there without a word, and those of the settings."""

from __future__ import annotations

import pytest

from engine.standing import LimitScope, RateLimitKind
from engine.values import Viewer
from foretell.configuration import SettingsError, load_settings
from foretell.settings import Settings
from foretell.tiers import TierSettings, all_tiers

VIEWER = Viewer("p" * 32, "k" * 32, "key", frozenset())


def test_the_tiers_that_are_there_are_those_that_the_documents_promise() -> None:
    tiers = all_tiers(Settings().tiers)

    assert {name: tier.requests for name, tier in tiers.items()} == {
        "free": 100,
        "paid": 1000,
        "internal": None,
    }


def test_a_tier_of_the_settings_stands_beside_the_others_or_in_the_place_of_one() -> None:
    tiers = all_tiers(
        {"gold": TierSettings(requests_per_minute=5), "free": TierSettings(tokens_per_minute=7)}
    )

    assert (tiers["gold"].requests, tiers["free"].requests, tiers["free"].tokens) == (5, None, 7)
    assert tiers["paid"].requests == 1000


def test_tiers_come_from_a_variable_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FORETELL_TIERS", '{"gold": {"requests_per_minute": 5}}')

    assert load_settings().tiers == {"gold": TierSettings(requests_per_minute=5)}


def test_a_wrong_tier_is_one_line_that_names_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FORETELL_TIERS", '{"gold": {"key_share": 2}}')

    with pytest.raises(SettingsError, match=r"^FORETELL_TIERS: gold\.key_share: must be less than"):
        load_settings()


def test_a_limit_that_no_tier_has_is_named_with_those_there_are(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FORETELL_TIERS", '{"gold": {"requests": 5}}')

    with pytest.raises(SettingsError) as refused:
        load_settings()

    assert str(refused.value) == (
        "FORETELL_TIERS: gold.requests: there is no such setting; there are requests_per_minute, "
        "query_cost_per_minute, tokens_per_minute, concurrent_predictions, key_share"
    )


def test_a_limit_holds_for_the_project_and_for_a_share_of_it_for_the_key() -> None:
    tier = TierSettings(requests_per_minute=10, key_share=0.25).tier

    found = tier.limits(VIEWER, RateLimitKind.REQUESTS, RateLimitKind.TOKENS)

    assert [(each.scope, each.capacity) for each in found] == [(LimitScope.PROJECT, 10), (LimitScope.KEY, 2)]
    assert len({each.key for each in found}) == 2
