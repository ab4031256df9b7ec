"""The chart's README, its values and the Containerfile say the same."""

import json
import re
import shlex
import tomllib
from collections.abc import Iterator
from typing import Any

import yaml

from tests.helm.manifest import container, pod, the
from tools import check_helm
from tools.check_helm import CHART, ROOT, Manifest

README = (CHART / "README.md").read_text(encoding="utf-8")
CONTAINERFILE = (ROOT / "Containerfile").read_text(encoding="utf-8")


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
    values = yaml.safe_load((CHART / "values.yaml").read_text(encoding="utf-8"))
    assert [(name, json.loads(default)) for name, default in rows] == list(_leaves(values))


def test_the_values_that_the_readme_shows_install() -> None:
    """The example is complete."""
    (example,) = re.findall(r"^```yaml\n(.*?)^```", README, flags=re.MULTILINE | re.DOTALL)
    manifests = check_helm.render(values=yaml.safe_load(example))
    assert the(manifests, "Deployment")


def test_the_secrets_that_the_readme_makes_are_the_ones_that_its_values_name() -> None:
    """Following it from top to bottom leaves no reference dangling."""
    made = dict(re.findall(r"create secret generic (\S+) \\\n +--from-literal=(\w+)=", README))
    minimal = yaml.safe_load((CHART / "ci" / "minimal-values.yaml").read_text(encoding="utf-8"))
    defaults = yaml.safe_load((CHART / "values.yaml").read_text(encoding="utf-8"))
    named = {
        minimal["secrets"][which]["name"]: secret["key"]
        for which, secret in defaults["secrets"].items()
    }
    assert made == named


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
