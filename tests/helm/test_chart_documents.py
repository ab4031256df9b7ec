"""The chart's README, its values and the Containerfile say the same."""

import json
import re
import shlex
import tomllib
from collections.abc import Iterator
from typing import Any

import yaml

from service.auth.login import CALLBACK_PATH, SIGNED_OUT_PATH
from service.cli.main import COMMANDS
from tests.helm.manifest import container, pod, the, workloads
from tools import check_helm
from tools.check_helm import CHART, ROOT, Manifest

README = (CHART / "README.md").read_text(encoding="utf-8")
CONTAINERFILE = (ROOT / "Containerfile").read_text(encoding="utf-8")
VALUES = yaml.safe_load((CHART / "values.yaml").read_text(encoding="utf-8"))


def _examples() -> tuple[dict[str, Any], dict[str, Any]]:
    """The values that the README shows: those that everybody needs, and those for more."""
    blocks = re.findall(r"^```yaml\n(.*?)^```", README, flags=re.MULTILINE | re.DOTALL)
    required, optional = (yaml.safe_load(block) for block in blocks)
    return required, optional


def _laid_over(below: dict[str, Any], above: dict[str, Any]) -> dict[str, Any]:
    """Both together, the second winning, as Helm does with two files."""
    merged = {**below, **above}
    for name in below.keys() & above.keys():
        if isinstance(below[name], dict) and isinstance(above[name], dict):
            merged[name] = _laid_over(below[name], above[name])
    return merged


def _leaves(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Every value that is not itself a group, by its dotted path."""
    if isinstance(value, dict) and value:
        for name, inner in value.items():
            yield from _leaves(inner, f"{path}.{name}" if path else name)
    else:
        yield path, value


def _instruction(name: str) -> list[str]:
    """The lines of one Containerfile instruction, without its name."""
    return re.findall(rf"^{name} (.+)$", CONTAINERFILE, flags=re.MULTILINE)


def test_the_table_of_values_is_the_values_file() -> None:
    """Each value is in the README once, in the file's order, with the file's default."""
    rows = re.findall(r"^\| `([^`]+)` \| `([^`]+)` \|", README, flags=re.MULTILINE)
    assert [(name, json.loads(default)) for name, default in rows] == list(_leaves(VALUES))


def test_the_values_that_the_readme_shows_install() -> None:
    """The first example is complete, and goes together with the second."""
    required, optional = _examples()
    assert the(check_helm.render(values=required), "Deployment")
    both = check_helm.render(values=_laid_over(required, optional))
    assert the(both, "Deployment", "worker")


def test_the_secrets_that_the_readme_makes_are_the_ones_that_its_values_name() -> None:
    """Following it from top to bottom leaves no reference dangling."""
    made = dict(re.findall(r"create secret generic (\S+) \\\n +--from-literal=(\w+)=", README))
    required, optional = _examples()
    shown = _laid_over(required, optional)["secrets"]
    assert made == {
        shown[which]["name"]: secret["key"] for which, secret in VALUES["secrets"].items()
    }


def test_the_table_of_secrets_is_every_place_that_names_one() -> None:
    """Nobody has to look for a Secret that they should have made."""
    (table,) = re.findall(r"^## Secrets\n(.*?)^## ", README, flags=re.MULTILINE | re.DOTALL)
    listed = re.findall(r"^\| `([^`]+)`", table, flags=re.MULTILINE)
    elsewhere = ["ingress.tlsSecretName", "image.pullSecrets"]
    assert listed == [*(f"secrets.{name}" for name in VALUES["secrets"]), *elsewhere]


def test_the_addresses_to_register_are_the_ones_that_people_come_back_to() -> None:
    """An OpenID provider refuses any that it does not know."""
    _, optional = _examples()
    address = optional["pages"]["publicUrl"]
    for path in (CALLBACK_PATH, SIGNED_OUT_PATH):
        assert f"`{address}{path}`" in README


def test_the_chart_is_of_this_version_of_the_service() -> None:
    """A release cannot forget one of the two."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text(encoding="utf-8"))
    assert chart["appVersion"] == project["version"]


def test_the_image_is_what_the_chart_runs(minimal: list[Manifest]) -> None:
    """User, port, program and default arguments are the same on both sides."""
    api = the(minimal, "Deployment")
    security = pod(api)["securityContext"]
    assert _instruction("USER") == [f"{security['runAsUser']}:{security['runAsGroup']}"]
    assert _instruction("EXPOSE") == [str(container(api)["ports"][0]["containerPort"])]
    assert [json.loads(line) for line in _instruction("ENTRYPOINT")] == [["fermata"]]
    assert [json.loads(line) for line in _instruction("CMD")] == [container(api)["args"]]


def test_every_pod_runs_a_command_that_there_is(manifests: list[Manifest]) -> None:
    """A renamed command cannot leave the chart behind."""
    said = {container(workload)["args"][0] for workload in workloads(manifests)}
    assert said <= COMMANDS.keys()


def test_what_the_image_copies_is_there_and_is_sent_to_the_builder() -> None:
    """A folder that moved would otherwise be found out by the first person who builds."""
    sent = (ROOT / ".containerignore").read_text(encoding="utf-8").splitlines()
    for line in _instruction("COPY"):
        words = shlex.split(line)
        if words[0].startswith("--from="):
            continue
        for source in words[:-1]:
            assert (ROOT / source).exists(), source
            assert f"!{source}" in sent


def test_the_image_installs_only_what_is_locked() -> None:
    """Dependencies by hash, and the project itself without a network."""
    installs = [line for line in CONTAINERFILE.splitlines() if "pip install" in line]
    assert len(installs) == 2
    assert "--require-hashes" in installs[0]
    assert "--no-index" in installs[1]
