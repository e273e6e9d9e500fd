"""What all tests have."""

from __future__ import annotations

import pytest
from hypothesis import settings

SHARING = ("cli", "diagnosis", "workspace")

# How long an example takes depends on what else the machine does.
settings.register_profile("any speed", deadline=None)
settings.load_profile("any speed")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Several processes take whole files, and whole rooms that share a costly workspace."""
    if config.pluginmanager.hasplugin("xdist"):
        for item in items:
            room = item.path.parent
            group = room if room.name in SHARING else item.path
            item.add_marker(pytest.mark.xdist_group(str(group)))
