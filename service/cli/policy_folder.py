"""Policies as files: a charter, and for each use its terms (YAML) and its words (Markdown).

    charter.yaml                          platform, min_notice_period
    uses/groups.yaml                      what the groups of uses are called, by locale
    uses/discovery.search/policy.yaml     mode, recipients, notice_period; names, editorial
    uses/discovery.search/en.md           the words, one file for each locale

Everything is read before anything is believed: every mistake of the whole folder is told at once.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Final, TypeAlias, TypeVar

from pydantic import Field, StrictBool, StrictInt, TypeAdapter, ValidationError

from service.api.schemas.types import (
    DurationText,
    Locale,
    Name,
    RecipientName,
    Shape,
    UseNode,
    Words,
)
from service.cli.strict_yaml import YamlProblem, read_yaml
from service.domain.policy import Mode
from service.domain.uses import covers, is_path, leaf_conflict

Names: TypeAlias = dict[str, str]

CHARTER: Final = "charter.yaml"
USES: Final = "uses"
GROUPS: Final = "groups.yaml"
POLICY: Final = "policy.yaml"
_TEXT: Final = ".md"
_T = TypeVar("_T")


class FolderWrong(Exception):  # noqa: N818 - an outcome
    """The folder cannot be applied: every mistake in it, each with its file."""

    def __init__(self, mistakes: Iterable[str]) -> None:
        """Take at least one mistake."""
        self.mistakes = tuple(mistakes)
        super().__init__("; ".join(self.mistakes))


class Charter(Shape):
    """`charter.yaml`."""

    platform: Name
    min_notice_period: DurationText


_Names = Annotated[dict[Locale, Name], Field(min_length=1, max_length=100)]


class _Policy(Shape):
    """`policy.yaml`."""

    mode: Mode
    recipients: Annotated[list[RecipientName], Field(max_length=500)]
    notice_period: DurationText
    names: _Names | None = None
    editorial: StrictBool | StrictInt = False


_GROUPS: Final = TypeAdapter(dict[UseNode, _Names])
_TEXTS: Final = TypeAdapter(Annotated[dict[Locale, Words], Field(min_length=1, max_length=100)])


@dataclass(frozen=True, slots=True)
class UsePolicy:
    """One use as the folder has it. `label` is its file, as it is named to people.

    `editorial` is whether its next version is marked so, or the version that may be corrected so.
    """

    use: str
    label: str
    mode: Mode
    recipients: tuple[str, ...]
    notice_period: str
    texts: Mapping[str, str]
    names: Names | None = None
    editorial: bool | int = False


@dataclass(frozen=True, slots=True)
class PolicyFolder:
    """Everything a folder says. `charter` is None where it leaves that alone."""

    charter: Charter | None
    policies: tuple[UsePolicy, ...]
    groups: Mapping[str, Names] = field(default_factory=dict)

    def names(self) -> dict[str, Names]:
        """What each node is called, of those that the folder names."""
        own = {policy.use: policy.names for policy in self.policies if policy.names}
        return {**self.groups, **own}


def read_policy_folder(folder: Path) -> PolicyFolder:
    """Read a whole folder. Raises FolderWrong with everything that is wrong in it."""
    read = _Reader(folder)
    read.only(folder, {CHARTER, USES, "README.md"})
    charter = read.yaml(folder / CHARTER, Charter.model_validate, missing_is_fine=True)
    found = read.uses(folder / USES)
    read.finish()
    return PolicyFolder(charter, *found)


def read_uses(folder: Path) -> PolicyFolder:
    """Read only the uses: a folder like `uses` above. Raises FolderWrong."""
    read = _Reader(folder)
    found = read.uses(folder)
    read.finish()
    return PolicyFolder(None, *found)


class _Reader:
    """Reads files and collects what is wrong with them."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._mistakes: list[str] = []

    def finish(self) -> None:
        """Raise FolderWrong if anything was wrong."""
        if self._mistakes:
            raise FolderWrong(self._mistakes)

    def only(self, folder: Path, known: Collection[str]) -> None:
        """Note files that mean nothing here, for a typing mistake must not go unnoticed."""
        if not folder.is_dir():
            self._wrong(folder, "there is no such folder")
            return
        for path in _entries(folder):
            if path.name not in known:
                listed = ", ".join(sorted(known))
                self._wrong(path, f"means nothing here; known are: {listed}")

    def yaml(
        self, path: Path, validate: Callable[[object], _T], *, missing_is_fine: bool = False
    ) -> _T | None:
        """Read one YAML file; None where it is missing or wrong."""
        if not path.is_file():
            if not missing_is_fine:
                self._wrong(path, "is missing")
            return None
        try:
            return validate(read_yaml(path))
        except YamlProblem as problem:
            self._wrong(path, str(problem))
        except ValidationError as error:
            self._invalid(path, error)
        return None

    def uses(self, folder: Path) -> tuple[tuple[UsePolicy, ...], dict[str, Names]]:
        """Read a folder of uses: their policies, and what their groups are called."""
        if not folder.is_dir():
            self._wrong(folder, "is missing: it holds a folder for each use")
            return (), {}
        policies = [policy for path in _entries(folder) if (policy := self._entry(path))]
        groups = self.yaml(folder / GROUPS, _GROUPS.validate_python, missing_is_fine=True) or {}
        leaves = [path.name for path in _entries(folder) if _is_use(path)]
        self._tree(folder, leaves, groups)
        return tuple(policies), groups

    def _entry(self, path: Path) -> UsePolicy | None:
        if _is_use(path):
            return self._use(path)
        if path.name != GROUPS:
            advice = "a use has a folder named by its path, such as discovery.search"
            self._wrong(path, f"means nothing here: {advice}")
        return None

    def _use(self, folder: Path) -> UsePolicy | None:
        texts = self._texts(folder)
        terms = self.yaml(folder / POLICY, _Policy.model_validate)
        if terms is None or texts is None:
            return None
        if len(set(terms.recipients)) < len(terms.recipients):
            self._wrong(folder / POLICY, "recipients: one of them is listed twice")
        return UsePolicy(
            use=folder.name,
            label=self._label(folder / POLICY),
            mode=terms.mode,
            recipients=tuple(sorted(terms.recipients)),
            notice_period=terms.notice_period,
            texts=texts,
            names=terms.names,
            editorial=terms.editorial,
        )

    def _texts(self, folder: Path) -> Mapping[str, str] | None:
        """The words by locale, byte for byte; None where they cannot be taken."""
        files = [path for path in _entries(folder) if path.name != POLICY]
        texts = {path.stem: self._words(path) for path in files if path.suffix == _TEXT}
        for path in files:
            if path.suffix != _TEXT:
                self._wrong(path, f"means nothing here; known are {POLICY} and texts such as en.md")
        if not texts:
            self._wrong(folder, "has no text: write at least one, such as en.md")
            return None
        try:
            return _TEXTS.validate_python(texts)
        except ValidationError as error:
            for one in error.errors():
                file = folder / f"{one['loc'][0]}{_TEXT}" if one["loc"] else folder
                self._wrong(file, _said(one["type"], one["msg"]))
        return None

    def _words(self, path: Path) -> str:
        try:
            text = path.read_bytes().decode("utf-8")
        except UnicodeDecodeError as error:
            self._wrong(path, f"byte {error.start} is not UTF-8: save the file as UTF-8")
            return "?"
        if "\r" in text or text.startswith("\ufeff"):
            self._wrong(
                path,
                "has Windows line ends or a byte order mark. Every byte of a text counts, and they "
                "would make the same words a new version: save it with plain line feeds",
            )
        return text

    def _tree(self, folder: Path, leaves: Collection[str], groups: Mapping[str, Names]) -> None:
        """Note what cannot be one tree: nothing is both a leaf with a policy and a group."""
        for leaf in leaves:
            if above := leaf_conflict(leaf, [other for other in leaves if covers(other, leaf)]):
                self._wrong(folder / leaf, f"lies beneath {above}, and only leaves carry policies")
        for node in groups:
            if node in leaves:
                self._wrong(folder / GROUPS, f"{node}: has a policy, so its names belong into that")
            elif not any(covers(node, leaf) for leaf in leaves):
                self._wrong(folder / GROUPS, f"{node}: no use of this folder lies beneath it")

    def _invalid(self, path: Path, error: ValidationError) -> None:
        for one in error.errors():
            where = ".".join(str(part) for part in one["loc"] if part not in _BRANCHES)
            said = _said(one["type"], one["msg"], str(one["loc"][-1]) if one["loc"] else "")
            self._wrong(path, f"{where}: {said}" if where else said)

    def _wrong(self, path: Path, what: str) -> None:
        self._mistakes.append(f"{self._label(path)}: {what}")

    def _label(self, path: Path) -> str:
        inside = path.relative_to(self._root).as_posix()
        return str(self._root) if inside == "." else inside


_BRANCHES: Final = frozenset({"bool", "int", "[key]"})
_KEYS: Final = (*_Policy.model_fields, *Charter.model_fields)


def _said(kind: str, message: str, key: str = "") -> str:
    """What a validation error means to somebody who writes YAML."""
    if kind == "extra_forbidden":
        close = get_close_matches(key, _KEYS, n=1)
        return "this key means nothing here" + (f"; is it {close[0]}?" if close else "")
    if kind == "missing":
        return "this key is missing"
    if kind == "string_type":
        return "this is no text: write it in quotation marks"
    return message.removeprefix("Value error, ")


def _is_use(path: Path) -> bool:
    return path.is_dir() and is_path(path.name)


def _entries(folder: Path) -> Iterator[Path]:
    """The folder's entries by name, without hidden ones."""
    return iter(sorted(path for path in folder.iterdir() if not path.name.startswith(".")))
