"""What all tests share: whatever is written lands in folders of the test run's own."""

from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture(scope="session", autouse=True)
def model_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Keep the tests' conversions out of the developer's own ``model_cache``."""
    folder = tmp_path_factory.mktemp("model_cache")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CAPTIONLENS_MODEL_CACHE", str(folder))
        patch.setenv("CAPTIONLENS_DATA", str(tmp_path_factory.mktemp("data")))
        yield folder
