"""The chart, rendered by the very Helm that `make check` uses."""

import platform
import sys

import pytest

from tools import check_helm
from tools.check_helm import CHART, Manifest


@pytest.fixture(scope="session", autouse=True)
def helm() -> None:
    """Skip these tests on a machine that has no Helm and for which the wheel carries none."""
    try:
        check_helm.find_helm()
    except check_helm.HelmMissingError as error:
        if (sys.platform, platform.machine()) == ("linux", "x86_64"):
            raise
        pytest.skip(str(error))


@pytest.fixture(scope="session")
def minimal() -> list[Manifest]:
    """What the least values that install come to."""
    return check_helm.render(CHART / "ci" / "minimal-values.yaml")


@pytest.fixture(scope="session")
def full() -> list[Manifest]:
    """What comes out with everything switched on."""
    return check_helm.render(CHART / "ci" / "full-values.yaml")


@pytest.fixture(scope="session", params=check_helm.values_files(), ids=lambda path: path.stem)
def manifests(request: pytest.FixtureRequest) -> list[Manifest]:
    """What each set of values that must install comes to."""
    return check_helm.render(request.param)
