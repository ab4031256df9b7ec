"""Finding one's way in rendered manifests."""

from typing import Any

from tools.check_helm import Manifest

HOOK = "helm.sh/hook"
WEIGHT = "helm.sh/hook-weight"


def of_kind(manifests: list[Manifest], kind: str) -> list[Manifest]:
    """All manifests of the kind, in the order in which they were rendered."""
    return [manifest for manifest in manifests if manifest["kind"] == kind]


def the(manifests: list[Manifest], kind: str, component: str = "api") -> Manifest:
    """The one manifest of the kind that belongs to the component."""
    (found,) = [one for one in of_kind(manifests, kind) if labels(one)[COMPONENT] == component]
    return found


COMPONENT = "app.kubernetes.io/component"


def labels(manifest: Manifest) -> dict[str, str]:
    """Its own labels."""
    return dict(manifest["metadata"]["labels"])


def annotations(manifest: Manifest) -> dict[str, str]:
    """Its annotations; none is an empty dictionary."""
    return dict(manifest["metadata"].get("annotations", {}))


def is_hook(manifest: Manifest) -> bool:
    """Whether Helm treats it apart from the release."""
    return HOOK in annotations(manifest)


def workloads(manifests: list[Manifest]) -> list[Manifest]:
    """What makes pods: the Deployments, and the Job where there is one."""
    return [*of_kind(manifests, "Deployment"), *of_kind(manifests, "Job")]


def pod(workload: Manifest) -> dict[str, Any]:
    """The specification of its pods."""
    return dict(workload["spec"]["template"]["spec"])


def container(workload: Manifest) -> dict[str, Any]:
    """The one container of its pods."""
    (only,) = pod(workload)["containers"]
    return dict(only)


def environment(workload: Manifest) -> dict[str, dict[str, Any]]:
    """Its variables by name; a name that is there twice is a failure."""
    variables = container(workload)["env"]
    by_name = {variable["name"]: variable for variable in variables}
    assert len(by_name) == len(variables)
    return by_name


def selects(selector: dict[str, str], workload: Manifest) -> bool:
    """Whether the selector picks this workload's pods."""
    of_pods: dict[str, str] = workload["spec"]["template"]["metadata"]["labels"]
    return selector.items() <= of_pods.items()
