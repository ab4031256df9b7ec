"""What the tests of faults share."""

import os
import secrets

import pytest


@pytest.fixture
def seed(request: pytest.FixtureRequest) -> int:
    """Return what this run's randomness starts from; a failure shows it, FERMATA_SEED sets it."""
    chosen = int(os.environ.get("FERMATA_SEED") or secrets.randbelow(1_000_000))
    request.node.add_report_section("setup", "seed", f"FERMATA_SEED={chosen} repeats it")
    return chosen
