"""Where the pods keep audit exports, where they keep any at all."""

import pytest

from tests.helm.manifest import environment, pod, the
from tools import check_helm
from tools.check_helm import MINIMAL, Manifest


def test_a_bucket_is_told_to_those_who_answer() -> None:
    """Any pod of the API builds a bundle and any hands it out; nobody else needs to know."""
    values = {"exports": {"place": "s3://audits/fermata", "keep": "P7D"}}
    manifests = check_helm.render(MINIMAL, values=values)
    api = the(manifests, "Deployment")
    told = environment(api)
    assert told["FERMATA_EXPORTS"]["value"] == "s3://audits/fermata"
    assert told["FERMATA_EXPORTS_KEEP"]["value"] == "P7D"
    assert {"name": "tmp", "emptyDir": {"sizeLimit": "4Gi"}} in pod(api)["volumes"]
    for other in (the(manifests, "Deployment", "worker"), the(manifests, "Job", "migration")):
        assert "FERMATA_EXPORTS" not in environment(other)


def test_without_a_bucket_there_are_none(minimal: list[Manifest]) -> None:
    """A pod's own folder would be gone with the pod."""
    assert "FERMATA_EXPORTS" not in environment(the(minimal, "Deployment"))


@pytest.mark.parametrize("exports", [{"place": "/tmp/exports"}, {"keep": "a month"}])  # noqa: S108 - it is refused
def test_what_would_not_last_is_refused(exports: dict[str, str]) -> None:
    """A folder of one pod, and a time that nobody understands."""
    with pytest.raises(check_helm.RefusedError, match="exports"):
        check_helm.render(MINIMAL, values={"exports": exports})
