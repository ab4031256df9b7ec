"""Where the pods keep sealed months of the decision log, where they seal any at all."""

import pytest

from tests.helm.manifest import container, environment, pod, the
from tools import check_helm
from tools.check_helm import MINIMAL, Manifest


def test_a_bucket_is_told_to_those_who_answer() -> None:
    """Any pod of the API seals and looks, and has room for it; nobody else needs to know."""
    values = {"sealing": {"place": "s3://audits/sealed", "room": "20Gi"}}
    manifests = check_helm.render(MINIMAL, values=values)
    for one in manifests:
        check_helm.validate(one)
    api = the(manifests, "Deployment")
    told = environment(api)
    assert told["FERMATA_SEALED_DECISIONS"]["value"] == "s3://audits/sealed"
    (mount,) = (one for one in container(api)["volumeMounts"] if one["name"] == "sealed")
    assert told["FERMATA_SEALED_CACHE_DIR"]["value"] == mount["mountPath"]
    assert {"name": "sealed", "emptyDir": {"sizeLimit": "20Gi"}} in pod(api)["volumes"]
    for other in (the(manifests, "Deployment", "worker"), the(manifests, "Job", "migration")):
        assert "FERMATA_SEALED_DECISIONS" not in environment(other)


def test_without_a_bucket_months_stay_in_the_database(minimal: list[Manifest]) -> None:
    """A pod's own folder would be gone with the pod, and what was answered with it."""
    api = the(minimal, "Deployment")
    assert "FERMATA_SEALED_DECISIONS" not in environment(api)
    assert "sealed" not in [volume["name"] for volume in pod(api)["volumes"]]


def test_a_folder_is_refused() -> None:
    """For the same reason."""
    with pytest.raises(check_helm.RefusedError, match="sealing"):
        check_helm.render(MINIMAL, values={"sealing": {"place": "/var/lib/sealed"}})
