"""Whether an explanation is the reason for its answer, and not just a story beside it."""

from typing import Any, Final

PERMITS: Final = {"open", "window_closed", "opted_in"}
_ALWAYS: Final = "9999"


def agrees(result: dict[str, Any]) -> None:
    """Hold one result against its own explanation, from what both say on the wire."""
    told = result["explanation"]
    assert result["permitted"] == (result["reason"] in PERMITS)
    if told["refused_outright"] is not None:
        assert result["reason"] == told["refused_outright"]
        assert told["rightsholders"] == []
        assert result["permitted_from"] is result["valid_until"] is None
        return
    holders = told["rightsholders"]
    denying = [one for one in holders if one["reason"] not in PERMITS]
    decisive = (denying or holders)[0]
    assert result["reason"] == decisive["reason"]
    policy = decisive["policy"]
    assert result["policy_version"] == (policy and policy["version"])
    assert (result["permitted_from"], result["valid_until"]) == _intersection(holders)
    for holder in holders:
        _records_agree(holder)


def _intersection(holders: list[dict[str, Any]]) -> tuple[str | None, str | None]:
    starts = [one["permitted_from"] for one in holders]
    if None in starts:
        return None, None
    until = min((one["valid_until"] or _ALWAYS) for one in holders)
    if until <= max(starts):
        return None, None
    return max(starts), None if until == _ALWAYS else until


def _records_agree(holder: dict[str, Any]) -> None:
    """The records named are enough to see why this rightsholder's reason is what it is."""
    revisions = [record["revision"] for record in holder["records"]]
    assert revisions == sorted(revisions)
    lifters = {r["revision"] for r in holder["records"] if r["standing"] == "valid_yes"}
    assert all(r["lifted_by"] in {None, *lifters} for r in holder["records"])
    standing = {r["standing"] for r in holder["records"] if r["lifted_by"] is None}
    needed = {
        "opted_out": "no",
        "opt_in_expired": "expired_yes",
        "opted_in": "valid_yes",
    }.get(holder["reason"])
    assert needed is None or needed in standing
    if holder["reason"] in {"window_closed", "opted_in"}:
        assert not standing & {"no", "expired_yes"}
