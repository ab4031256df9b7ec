"""What a folder of policies would change in a service, refused before anything is written."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Final, TypeAlias

from client import Connection, Problem
from service.cli.policy_folder import CHARTER, Charter, Names, PolicyFolder, UsePolicy
from service.domain.instant import parse_duration
from service.domain.policy import PolicyDraft, refuse_policy

Json: TypeAlias = dict[str, Any]

REFUSALS: Final = frozenset({409, 422})
"""The statuses of a problem that is about what was asked, not about who asks or when."""

_NOT_FOUND: Final = 404


class PlanRefused(Exception):  # noqa: N818 - an outcome
    """The service, or the rules, would refuse some of it; so none of it is written."""

    def __init__(self, reasons: Iterable[str]) -> None:
        """Take at least one reason, each naming its file."""
        self.reasons = tuple(reasons)
        super().__init__("; ".join(self.reasons))


@dataclass(frozen=True, slots=True)
class CharterChange:
    """The charter opened, or its shortest window raised from what it `was`."""

    charter: Charter
    was: str | None


@dataclass(frozen=True, slots=True)
class NameChange:
    """What a node is called, before and after."""

    node: str
    was: Names
    names: Names


@dataclass(frozen=True, slots=True)
class NewVersion:
    """A version to publish after `latest`, and what the service says it would do.

    `preview` is None where the ledger is not opened yet: then nobody is registered, and these are
    launch terms.
    """

    policy: UsePolicy
    latest: Json | None
    editorial: bool
    preview: Json | None = None

    @property
    def number(self) -> int:
        """The version it becomes."""
        return self.after + 1

    @property
    def after(self) -> int:
        """The version it follows, 0 for none."""
        return self.latest["version"] if self.latest else 0

    def body(self) -> Json:
        """What is sent to publish it."""
        policy = self.policy
        return {
            "mode": policy.mode.value,
            "recipients": list(policy.recipients),
            "notice_period": policy.notice_period,
            "texts": dict(policy.texts),
            "editorial": self.editorial,
            "after": self.after,
        }


@dataclass(frozen=True, slots=True)
class Plan:
    """Everything that would be written, in order, and what the folder leaves alone."""

    charter: CharterChange | None
    names: Sequence[NameChange]
    versions: Sequence[NewVersion]
    elsewhere: Sequence[str]

    def __bool__(self) -> bool:
        return bool(self.charter or self.names or self.versions)


def words_of(version: Json | None) -> dict[str, str]:
    """Return a published version's texts by locale; none of no version."""
    return {locale: text["text"] for locale, text in version["texts"].items()} if version else {}


def terms_changed(policy: UsePolicy, latest: Json) -> list[str]:
    """Name the fields, texts aside, in which the folder differs from the latest version."""
    same = {
        "mode": policy.mode.value == latest["mode"],
        "recipients": sorted(policy.recipients) == sorted(latest["recipients"]),
        "notice_period": policy.notice_period == latest["notice_period"],
    }
    return [name for name, is_same in same.items() if not is_same]


def make_plan(folder: PolicyFolder, connection: Connection) -> Plan:
    """Compare a folder with a service, and have every new version tried out there (`dry_run`).

    Nothing is written. Raises PlanRefused with every reason in the way, Problem where the service
    cannot answer or does not let the caller.
    """
    opened = _charter_of(connection)
    change = _charter_change(folder.charter, opened)
    uses = {row["use"]: row for row in connection.get("/v1/uses")["uses"]}
    names = _name_changes(folder.names(), uses)
    versions = list(_new_versions(folder.policies, uses, connection))
    if opened is None:
        reasons = [r for version in versions for r in _refused_at_launch(version, change)]
    else:
        reasons = list(_too_short(versions, change))
        versions = list(_tried_out(versions, connection, reasons))
    if reasons:
        raise PlanRefused(dict.fromkeys(reasons))
    mine = {policy.use for policy in folder.policies}
    elsewhere = [use for use, row in uses.items() if row["latest_version"] and use not in mine]
    return Plan(change, names, versions, elsewhere)


def carry_out(plan: Plan, connection: Connection) -> Iterator[str]:
    """Write a plan, step by step, and say so after each step.

    Raises Problem where the service refuses a step after all, somebody having been quicker, say:
    the steps before it stand, and a new plan shows the rest.
    """
    if plan.charter:
        yield _write_charter(plan.charter, connection)
    for name in plan.names:
        path, body = f"/v1/uses/{name.node}", {"names": dict(name.names)}
        connection.write("PUT", path, body)
        yield f"{name.node}: named {', '.join(name.names.values())}"
    for version in plan.versions:
        path = f"/v1/uses/{version.policy.use}/policies"
        body = version.body()
        answer = connection.write("POST", path, body, key=_key(path, body))
        recipients = ", ".join(answer["recipients"]) or "nobody"
        mark = ", editorial" if answer["editorial"] else ""
        number, mode = answer["version"], answer["mode"]
        yield f"{version.policy.use}: version {number}, {mode} for {recipients}{mark}"


def _key(path: str, body: Json) -> str:
    """The same version after the same one is the same write, whoever repeats it."""
    return sha256(f"{path}\n{json.dumps(body, sort_keys=True)}".encode()).hexdigest()


def _write_charter(change: CharterChange, connection: Connection) -> str:
    least = change.charter.min_notice_period
    if change.was is None:
        connection.write("POST", "/v1/charter", change.charter.model_dump())
        return f"charter: opened for {change.charter.platform}, no window is shorter than {least}"
    connection.write("PATCH", "/v1/charter", {"min_notice_period": least})
    return f"charter: no later window is shorter than {least}"


def _charter_of(connection: Connection) -> Json | None:
    try:
        return connection.get("/v1/charter")
    except Problem as problem:
        if problem.status == _NOT_FOUND:
            return None
        raise


def _charter_change(wanted: Charter | None, opened: Json | None) -> CharterChange | None:
    """What has to happen to the charter. Raises PlanRefused for what cannot."""
    if opened is None:
        if wanted is None:
            raise PlanRefused([f"{CHARTER}: is missing, and the service has no charter yet"])
        return CharterChange(wanted, None)
    if wanted is None:
        return None
    reasons = []
    least = opened["min_notice_period"]
    if wanted.platform != opened["platform"]:
        reasons.append(f"{CHARTER}: platform: it is {opened['platform']} for good")
    if parse_duration(wanted.min_notice_period) < parse_duration(least):
        reasons.append(f"{CHARTER}: min_notice_period: it is {least} and can only be raised (R6)")
    if reasons:
        raise PlanRefused(reasons)
    return None if wanted.min_notice_period == least else CharterChange(wanted, least)


def _name_changes(names: Mapping[str, Names], uses: Mapping[str, Json]) -> list[NameChange]:
    was = {node: uses[node]["names"] if node in uses else {} for node in names}
    return [
        NameChange(node, was[node], called) for node, called in names.items() if called != was[node]
    ]


def _new_versions(
    policies: Iterable[UsePolicy], uses: Mapping[str, Json], connection: Connection
) -> Iterator[NewVersion]:
    for policy in policies:
        number = uses.get(policy.use, {}).get("latest_version")
        latest = connection.get(f"/v1/uses/{policy.use}/policies/{number}") if number else None
        if latest is None:
            yield NewVersion(policy, None, editorial=False)
            continue
        changed = terms_changed(policy, latest)
        if changed or dict(policy.texts) != words_of(latest):
            marked = policy.editorial is True or policy.editorial == number
            yield NewVersion(policy, latest, editorial=marked and not changed)


def _too_short(versions: Iterable[NewVersion], change: CharterChange | None) -> Iterator[str]:
    """Windows shorter than a charter promises that only this plan brings about."""
    if change is None:
        return
    least = change.charter.min_notice_period
    for version in versions:
        if parse_duration(version.policy.notice_period) < parse_duration(least):
            yield (
                f"{version.policy.label}: notice_period: the window may not be shorter than "
                f"{least}, the minimum in {CHARTER} (R6)"
            )


def _refused_at_launch(version: NewVersion, change: CharterChange | None) -> Iterator[str]:
    """What the rules say to a first version while the ledger is not opened to ask it."""
    policy = version.policy
    draft = PolicyDraft(
        use=policy.use,
        mode=policy.mode,
        recipients=frozenset(policy.recipients),
        notice_period=parse_duration(policy.notice_period),
        texts=policy.texts,
    )
    least = parse_duration(change.charter.min_notice_period) if change else 0
    for refusal in refuse_policy(draft, frozenset(), [], launch=True, min_notice_period=least):
        yield f"{policy.label}: {refusal.field}: {refusal.message}"


def _tried_out(
    versions: Iterable[NewVersion], connection: Connection, reasons: list[str]
) -> Iterator[NewVersion]:
    """Ask the service about each version; its refusals are added to the reasons."""
    for version in versions:
        policy = version.policy
        path = f"/v1/uses/{policy.use}/policies"
        try:
            preview = connection.write("POST", path, version.body(), dry_run="true")
        except Problem as problem:
            if problem.status not in REFUSALS:
                raise
            said = [f"{error['field']}: {error['message']}" for error in problem.errors]
            reasons.extend(f"{policy.label}: {one}" for one in said or [str(problem)])
            continue
        yield NewVersion(policy, version.latest, version.editorial, preview)
