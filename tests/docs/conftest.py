from __future__ import annotations

from pathlib import Path

import pytest
from model_folders import make_model_folder


@pytest.fixture(scope="session")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model folder with networks of a few thousand parameters."""
    return make_model_folder(tmp_path_factory.mktemp("model"))
