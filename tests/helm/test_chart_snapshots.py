"""Where the API's pods keep a snapshot of the index, where they keep one at all."""

import pytest

from tests.helm.manifest import container, environment, pod, the
from tools import check_helm
from tools.check_helm import MINIMAL, Manifest


def _with(**snapshots: object) -> list[Manifest]:
    """What comes out with these values, held to the schemas of Kubernetes."""
    manifests = check_helm.render(MINIMAL, values={"snapshots": {"enabled": True, **snapshots}})
    for one in manifests:
        check_helm.validate(one)
    return manifests


@pytest.mark.parametrize(
    ("values", "volume"),
    [
        ({}, {"emptyDir": {"sizeLimit": "2Gi"}}),
        ({"sizeLimit": "10Gi"}, {"emptyDir": {"sizeLimit": "10Gi"}}),
        ({"existingClaim": "shared"}, {"persistentVolumeClaim": {"claimName": "shared"}}),
    ],
    ids=str,
)
def test_the_api_writes_into_a_volume_of_its_own(
    values: dict[str, object], volume: dict[str, object]
) -> None:
    """The folder that it is told lies in there; the root file system stays read-only."""
    api = the(_with(**values), "Deployment")
    (mount,) = (one for one in container(api)["volumeMounts"] if one["name"] == "snapshots")
    told = environment(api)["FERMATA_SNAPSHOT_DIR"]["value"]
    assert told.startswith(f"{mount['mountPath']}/")
    assert {"name": "snapshots", **volume} in pod(api)["volumes"]
    assert container(api)["securityContext"]["readOnlyRootFilesystem"] is True


def test_nobody_else_has_it() -> None:
    """The worker and the migration answer nobody, and hold no index."""
    manifests = _with()
    for one in (the(manifests, "Deployment", "worker"), the(manifests, "Job", "migration")):
        assert "FERMATA_SNAPSHOT_DIR" not in environment(one)
        assert [volume["name"] for volume in pod(one)["volumes"]] == ["tmp"]


def test_none_is_kept_unless_asked_for(minimal: list[Manifest]) -> None:
    """A second index takes memory that nobody has asked for."""
    api = the(minimal, "Deployment")
    assert "FERMATA_SNAPSHOT_DIR" not in environment(api)
    assert [volume["name"] for volume in pod(api)["volumes"]] == ["tmp"]
