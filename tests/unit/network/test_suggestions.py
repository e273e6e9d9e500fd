"""The architectures that beginners are offered."""

from __future__ import annotations

import importlib.util

import pytest

from openmax_core.network import suggestions as module
from openmax_core.network.classifier import empty_network
from openmax_core.network.suggestions import Suggestion, suggestions
from openmax_core.network.timm_networks import is_timm


@pytest.mark.parametrize("item", suggestions(), ids=lambda item: item.architecture)
def test_a_suggestion_can_be_built_and_has_the_size_that_is_told(item: Suggestion) -> None:
    network = empty_network(item.architecture, 1000)
    millions = sum(tensor.numel() for tensor in network.parameters()) / 1e6
    assert item.millions == pytest.approx(millions, abs=0.005)
    assert f"{item.architecture}: {4 * millions:.0f} MB, " in item.in_words


def test_networks_of_timm_are_offered_only_where_it_is_installed(monkeypatch) -> None:
    assert len(suggestions()) >= 5
    monkeypatch.setattr(module, "find_spec", lambda name: None)
    assert not any(is_timm(item.architecture) for item in suggestions())
    monkeypatch.setattr(module, "find_spec", importlib.util.find_spec)
