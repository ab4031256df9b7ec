"""Where the API's pods keep what the log has signed, so that a restored backup is noticed."""

from typing import Any

import pytest

from tests.helm.manifest import container, environment, pod, the
from tools import check_helm
from tools.check_helm import MINIMAL, Manifest

CLAIM: dict[str, Any] = {"persistentVolumeClaim": {"claimName": "fermata-log"}}
NFS: dict[str, Any] = {"nfs": {"server": "files.example.org", "path": "/fermata-log"}}
CSI: dict[str, Any] = {
    "csi": {"driver": "files.example.org", "volumeAttributes": {"shareName": "fermata-log"}}
}


def _with(volume: dict[str, Any], **more: Any) -> list[Manifest]:
    """What comes out with a volume, held to the schemas of Kubernetes."""
    manifests = check_helm.render(MINIMAL, values={"log": {"volume": volume}, **more})
    for one in manifests:
        check_helm.validate(one)
    return manifests


@pytest.mark.parametrize("volume", [CLAIM, NFS, CSI], ids=lambda volume: next(iter(volume)))
def test_every_pod_of_the_api_writes_into_the_volume_that_is_named(
    volume: dict[str, Any],
) -> None:
    """It is the folder that the service is told, and the root file system stays read-only."""
    api = the(_with(volume), "Deployment")
    (mount,) = (one for one in container(api)["volumeMounts"] if one["name"] == "log")
    assert mount == {"name": "log", "mountPath": mount["mountPath"]}, "writable, and all of it"
    assert environment(api)["FERMATA_LOG_DIR"]["value"] == mount["mountPath"]
    assert {"name": "log", **volume} in pod(api)["volumes"]
    assert container(api)["securityContext"]["readOnlyRootFilesystem"] is True
    assert pod(api)["securityContext"]["fsGroup"] == pod(api)["securityContext"]["runAsGroup"]


def test_it_goes_with_the_other_volumes() -> None:
    """No two are mounted at one place or inside each other."""
    manifests = _with(CLAIM, snapshots={"enabled": True}, sealing={"place": "s3://audits/sealed"})
    paths = [
        mount["mountPath"] for mount in container(the(manifests, "Deployment"))["volumeMounts"]
    ]
    assert len(paths) == 4
    for path in paths:
        assert not [one for one in paths if f"{one}/".startswith(f"{path}/") and one != path]


def test_nobody_else_has_it() -> None:
    """The worker and the migration sign nothing."""
    manifests = _with(CLAIM)
    for one in (the(manifests, "Deployment", "worker"), the(manifests, "Job", "migration")):
        assert "FERMATA_LOG_DIR" not in environment(one)
        assert [volume["name"] for volume in pod(one)["volumes"]] == ["tmp"]


def test_without_one_whoever_installs_is_told_what_cannot_be_noticed(
    minimal: list[Manifest],
) -> None:
    """It installs all the same, and says so at the end, where it is read."""
    api = the(minimal, "Deployment")
    assert "FERMATA_LOG_DIR" not in environment(api)
    assert [volume["name"] for volume in pod(api)["volumes"]] == ["tmp"]
    told = check_helm.notes(MINIMAL)
    assert "log.volume is empty: NO VOLUME OUTSIDE OF THE DATABASE REMEMBERS" in told
    assert "nobody here would notice" in told


def test_witnesses_alone_are_said_to_be_less() -> None:
    """They remember too, as far as they have cosigned."""
    witness = {"FERMATA_LOG_WITNESSES": "https://witness.example witness.example/w1+00000000+AAAA"}
    told = check_helm.notes(MINIMAL, values={"settings": witness})
    assert "log.volume is empty" in told
    assert "only as far as they have cosigned" in told
    assert "nobody here would notice" not in told


def test_with_one_nothing_is_said() -> None:
    """A warning that is always there is not read."""
    assert "log.volume" not in check_helm.notes(MINIMAL, values={"log": {"volume": CLAIM}})
