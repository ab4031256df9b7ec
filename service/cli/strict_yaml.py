"""YAML that says what it seems to say: `no` is a language, and nothing is said twice."""

import re
from collections.abc import Hashable
from pathlib import Path
from typing import Any

import yaml


class YamlProblem(Exception):  # noqa: N818 - names what is found
    """The file is not the YAML it has to be; the text says where and why."""


def read_yaml(path: Path) -> object:
    """Read one document whose only plain values are texts, whole numbers, `true` and `false`.

    Raises YamlProblem.
    """
    try:
        text = path.read_bytes().decode("utf-8")
    except UnicodeDecodeError as error:
        message = f"byte {error.start} is not UTF-8: save the file as UTF-8"
        raise YamlProblem(message) from None
    try:
        return yaml.load(text, Loader=_Strict)  # noqa: S506 - a SafeLoader, only stricter
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        where = f"line {mark.line + 1}: " if mark else ""
        raise YamlProblem(f"{where}{error.problem or error.context}") from None
    except yaml.YAMLError as error:
        raise YamlProblem(str(error)) from None


class _Strict(yaml.SafeLoader):
    """YAML 1.1 would read `no` as false, `2026-03-01` as a date and the last of two equal keys."""

    yaml_implicit_resolvers: dict[str, Any] = {}  # noqa: RUF012 - PyYAML's own attribute

    def construct_mapping(
        self,
        node: yaml.MappingNode,
        deep: bool = False,
    ) -> dict[Hashable, Any]:
        """Build a mapping, each key once."""
        first: dict[str, int] = {}
        for key_node, _ in node.value:
            key, mark = self.construct_object(key_node, deep=True), key_node.start_mark
            problem = None
            if not isinstance(key, str):
                problem = f"the key {key_node.value} is no text: write it in quotation marks"
            elif key in first:
                problem = f"{key} stands here twice, first in line {first[key]}"
            if problem:
                raise yaml.constructor.ConstructorError(problem=problem, problem_mark=mark)
            first[key] = mark.line + 1
        return super().construct_mapping(node, deep=deep)


for _tag, _form, _first in (
    ("bool", r"(?:true|false)$", "tf"),
    ("int", r"(?:0|[1-9][0-9]*)$", "0123456789"),
):
    _Strict.add_implicit_resolver(f"tag:yaml.org,2002:{_tag}", re.compile(_form), list(_first))
