"""What the readers' tests share: the real catalogues, where they are beside this repository."""

import os
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real input that is no part of this repository; skips where it is not there."""
    root = Path(__file__).resolve().parents[3]
    folder = Path(os.environ.get("FERMATA_SHARED", root.parent / "shared")) / "data"
    if not folder.is_dir():
        pytest.skip("the real catalogues are not beside this repository")
    return folder
