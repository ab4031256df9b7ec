"""Section 8, the Search APIs: who may, what may be used, and for what; page by page."""

import json
from typing import Any, Final

import pytest

from service.api.authzen.page_token import PageToken, digest
from service.decisions.search import Searcher
from tests.api.authzen.asking import EVALUATION, MUSIIO, PIPE, SEARCHES, USE, Pep, track, without
from tests.api.people import PLATFORM
from tests.api.story import MUSIC, ONLY_ASKS, RECOMMENDATION, VOICE, Story

RESOURCES: Final[dict[str, Any]] = {"subject": PIPE, "action": USE, "resource": {"type": "track"}}
SUBJECTS: Final[dict[str, Any]] = {
    "subject": {"type": "partner"},
    "action": USE,
    "resource": track("song"),
}
ACTIONS: Final[dict[str, Any]] = {"subject": PIPE, "resource": track("song")}
ASKED: Final = {"subject": SUBJECTS, "resource": RESOURCES, "action": ACTIONS}


async def put_many(story: Story, number: int, artist: str = "ana") -> list[str]:
    """Put so many tracks of an artist at once, and return their ids."""
    ids = [f"track-{n:05}" for n in range(number)]
    rows = [{"content": one, "rightsholders": [artist]} for one in ids]
    await story.door.done("POST", "/v1/content", {"content": rows}, by=PLATFORM)
    return ids


def ids_of(results: list[Any]) -> list[str]:
    """Return the ids alone."""
    return [result["id"] for result in results]


# What is found


async def test_8_1_what_is_found_is_what_evaluation_permits(partnered: Story, pep: Pep) -> None:
    """Every result is a permit when it is asked about, and nothing permitted is missing."""
    await partnered.say("ben", "opt_out", RECOMMENDATION)
    await partnered.put("lost", "ana", status="disputed")
    assert ids_of(await pep.found("resource", **RESOURCES)) == ["song"]
    for one in ("song", "tune", "duet", "lost"):
        assert (await pep.decision(one))["decision"] is (one == "song")


async def test_8_5_resources_come_under_the_type_asked_for(partnered: Story, pep: Pep) -> None:
    """Of the type that was searched for and of no other, in the order in which they were put."""
    await partnered.put("song", "ana", "ben")
    for kind in ("track", "upload"):
        found = await pep.found("resource", **RESOURCES | {"resource": {"type": kind}})
        assert found == [{"type": kind, "id": one} for one in ("song", "tune", "duet")]


async def test_8_5_artists_can_be_searched_for(partnered: Story, pep: Pep) -> None:
    """Whose voice may they use? By the platform's own ids, in the order of registration."""
    await partnered.say("ana", "opt_in", VOICE)
    of_artists: dict[str, Any] = {
        "subject": PIPE,
        "action": {"name": VOICE},
        "resource": {"type": "artist"},
    }
    assert await pep.found("resource", **of_artists) == [{"type": "artist", "id": "ana"}]


async def test_8_4_subjects_are_recipients_that_a_policy_names(partnered: Story, pep: Pep) -> None:
    """Those of the type asked for, in the order of their names."""
    await partnered.publish("radio", "opt_in", "partner:z", "partner:a:b", "label:z", "internal")
    radio = SUBJECTS | {"action": {"name": "radio"}}
    assert await pep.found("subject", **radio) == []
    await partnered.say("ana", "opt_in", "radio")
    assert await pep.found("subject", **radio) == [
        {"type": "partner", "id": "a:b"},
        {"type": "partner", "id": "z"},
    ]
    await partnered.say("ana", "opt_out", "radio", recipient="partner:z")
    assert await pep.found("subject", **radio) == [{"type": "partner", "id": "a:b"}]
    labels = radio | {"subject": {"type": "label"}}
    assert await pep.found("subject", **labels) == [{"type": "label", "id": "z"}]


@ONLY_ASKS
async def test_8_4_one_pipeline_stands_for_all(standing_pep: Pep) -> None:
    """What `internal` may, any pipeline may; the one that is named can be asked about."""
    (found,) = await standing_pep.found("subject", **SUBJECTS | {"subject": {"type": "pipeline"}})
    assert found == {"type": "pipeline", "id": "internal"}
    assert (await standing_pep.decision("song", subject=found))["decision"]


async def test_8_6_actions_are_the_uses_permitted(partnered: Story, pep: Pep) -> None:
    """For what may they use it? An `action` in the request is not looked at."""
    await partnered.say("ana", "opt_in", VOICE)
    expected = [{"name": RECOMMENDATION}, {"name": VOICE}]
    assert await pep.found("action", **ACTIONS) == expected
    assert await pep.found("action", **ACTIONS, action={"name": MUSIC}) == expected
    assert await pep.found("action", **ACTIONS, action=7) == expected
    assert await pep.found("action", **ACTIONS | {"subject": MUSIIO}) == [{"name": RECOMMENDATION}]


@pytest.mark.parametrize("searched", ["subject", "resource"])
@pytest.mark.parametrize("one", ["musiio", "", None, 7, {}])
@ONLY_ASKS
async def test_8_4_1_and_8_5_1_the_id_of_what_is_searched_is_ignored(
    standing_pep: Pep, searched: str, one: Any
) -> None:
    """Whatever it is."""
    body = ASKED[searched]
    with_id = body | {searched: body[searched] | {"id": one}}
    assert await standing_pep.found(searched, **with_id) == await standing_pep.found(
        searched, **body
    )


@pytest.mark.parametrize(
    ("searched", "change"),
    [
        ("subject", {"subject": {"type": "spaceship"}}),
        ("subject", {"action": {"name": "nothing"}}),
        ("subject", {"resource": track("nowhere")}),
        ("subject", {"resource": {"type": "spaceship", "id": "song"}}),
        ("resource", {"resource": {"type": "spaceship"}}),
        ("resource", {"subject": {"type": "user", "id": "nobody"}}),
        ("resource", {"subject": {"type": "partner:musiio", "id": ""}}),
        ("resource", {"action": {"name": "nothing"}}),
        ("action", {"subject": {"type": "user", "id": "nobody"}}),
        ("action", {"resource": track("nowhere")}),
        ("action", {"resource": {"type": "spaceship", "id": "song"}}),
        ("action", {"resource": {"type": "artist", "id": "nobody"}}),
    ],
)
@ONLY_ASKS
async def test_unknown_things_find_nothing(standing_pep: Pep, searched: str, change: Any) -> None:
    """An empty list and the end of it, never an error."""
    answer = await standing_pep.search(searched, **ASKED[searched] | change)
    assert answer["results"] == []
    assert answer["page"]["next_token"] == ""


@pytest.mark.parametrize(
    ("searched", "name", "inner"),
    [
        ("subject", "subject", "type"),
        ("subject", "action", "name"),
        ("subject", "resource", "type"),
        ("subject", "resource", "id"),
        ("resource", "subject", "type"),
        ("resource", "subject", "id"),
        ("resource", "action", "name"),
        ("resource", "resource", "type"),
        ("action", "subject", "type"),
        ("action", "subject", "id"),
        ("action", "resource", "type"),
        ("action", "resource", "id"),
    ],
)
@ONLY_ASKS
async def test_8_4_1_to_8_6_1_what_is_required(
    standing_pep: Pep, searched: str, name: str, inner: str
) -> None:
    """Missing, null, of the wrong type, or lacking its own required key: 400 that names it."""
    body = ASKED[searched]
    for wrong in (
        without(body, name),
        body | {name: None},
        body | {name: "song"},
        body | {name: without(body[name], inner)},
        body | {name: body[name] | {inner: None}},
        body | {name: body[name] | {inner: 7}},
    ):
        response = await standing_pep.send(SEARCHES[searched], wrong)
        assert response.status_code == 400, wrong
        assert name in response.json()["detail"]


async def test_searches_take_the_context(partnered: Story, pep: Pep) -> None:
    """The least version counts, and the consistency is understood or refused."""
    texts = {"en": "More than we said."}
    await partnered.publish(RECOMMENDATION, "opt_out", "internal", texts=texts)
    for searched, body in ASKED.items():
        asked = body | {"subject": {"type": "pipeline", "id": "x"}}
        for context, number in (({}, 1), ({"min_policy_version": 2}, 0), ({"time": "now"}, 1)):
            found = await pep.found(searched, **asked, context=context)
            assert (len(found) > 0) == bool(number)
        at_least = {"consistency": {"at_least": await partnered.revision()}}
        assert await pep.found(searched, **asked, context=at_least)
        wrong = asked | {"context": {"consistency": "weak"}}
        assert (await pep.send(SEARCHES[searched], wrong)).status_code == 400


# Pages


@pytest.mark.parametrize("searched", list(ASKED))
@ONLY_ASKS
async def test_8_2_2_and_8_3_the_page_comes_first(standing_pep: Pep, searched: str) -> None:
    """Then the context, then the results; an empty token is the end, and always there."""
    answer = await standing_pep.search(searched, **ASKED[searched])
    assert list(answer) == ["page", "context", "results"]
    assert answer["page"]["next_token"] == ""
    assert answer["page"]["count"] == len(answer["results"]) > 0
    context = answer["context"]
    assert len(context["decisions"]) == len(answer["results"])
    assert all(one["reason"] == "window_closed" for one in context["decisions"])


@pytest.mark.parametrize("limit", [1, 2, 3, 100])
async def test_8_2_pages_add_up(partnered: Story, pep: Pep, limit: int) -> None:
    """Whatever their size, together they are everything, once, and the last is not empty."""
    for use in ("radio.a", "radio.b", "radio.c"):
        await partnered.publish(use, "opt_in", "partner:a", "partner:b", "internal")
    await partnered.say("ana", "opt_in", "radio")
    asked = {
        "subject": SUBJECTS | {"action": {"name": "radio.a"}},
        "resource": RESOURCES,
        "action": ACTIONS,
    }
    for searched, body in asked.items():
        whole = (await pep.search(searched, **body))["results"]
        pages = await pep.all_pages(searched, limit, **body)
        assert [result for page in pages for result in page["results"]] == whole
        assert all(page["page"]["count"] == limit for page in pages[:-1])
        assert all(page["results"] for page in pages)


@ONLY_ASKS
async def test_8_2_1_the_limit_is_any_number_from_zero(standing_pep: Pep) -> None:
    """Zero gives nothing and leaves off nowhere; far too many gives what there is."""
    for searched, body in ASKED.items():
        nothing = await standing_pep.search(searched, **body, page={"limit": 0})
        assert (nothing["results"], nothing["page"]["count"]) == ([], 0)
        assert nothing["page"]["next_token"]
        assert await standing_pep.found(searched, 10**30, **body)
        wrong: Any
        for wrong in (-1, "1", 1.5, [], True):
            response = await standing_pep.send(
                SEARCHES[searched], body | {"page": {"limit": wrong}}
            )
            assert response.status_code == 400
        for absent in (None, {}, {"limit": None, "token": None}, {"token": ""}, {"later": 1}):
            assert (await standing_pep.search(searched, **body, page=absent))["page"][
                "next_token"
            ] == ""


@ONLY_ASKS
async def test_8_2_between_pages_only_the_token_changes(standing_pep: Pep) -> None:
    """Anything else that changes is an error: the pages would be those of two searches."""
    first = await standing_pep.search("resource", **RESOURCES, page={"limit": 1})
    page = {"limit": 1, "token": first["page"]["next_token"]}
    change: dict[str, Any]
    for change in (
        {"subject": PIPE | {"id": "another"}},
        {"action": {"name": MUSIC}},
        {"resource": {"type": "upload"}},
        {"resource": {"type": "track", "properties": {}}},
        {"context": {}},
        {"page": page | {"limit": 2}},
        {"page": page | {"properties": {"sort": "id"}}},
    ):
        body: dict[str, Any] = RESOURCES | {"page": page} | change
        response = await standing_pep.send(SEARCHES["resource"], body)
        assert response.status_code == 400
        assert "8.2" in response.json()["detail"]
    other = {"subject": PIPE, "action": USE, "resource": track("song"), "page": page}
    assert (await standing_pep.send(SEARCHES["action"], other)).status_code == 400
    again = await standing_pep.search("resource", **RESOURCES, page=page, unknown=1)
    assert ids_of(again["results"]) == ["tune"]


@ONLY_ASKS
async def test_8_2_3_the_limit_may_be_left_out_on_later_pages(standing_pep: Pep) -> None:
    """The standard's own example does; the limit is then the first page's."""
    first = await standing_pep.search("resource", **RESOURCES, page={"limit": 1})
    token = first["page"]["next_token"]
    second = await standing_pep.search("resource", **RESOURCES, page={"token": token})
    assert ids_of(second["results"]) == ["tune"]
    assert second["page"]["next_token"]


@pytest.mark.parametrize("token", ["x", "....", "é", "AAAA", "kw", "x" * 100_000, "\0"])
@ONLY_ASKS
async def test_8_2_a_token_is_ours_or_an_error(standing_pep: Pep, token: str) -> None:
    """What we did not give out names no page."""
    for searched, body in ASKED.items():
        response = await standing_pep.send(SEARCHES[searched], body | {"page": {"token": token}})
        assert response.status_code == 400
        assert "page.token" in response.json()["detail"]


@pytest.mark.parametrize("after", [0, 3, 10**9, 2**63 - 1, "z"])
@ONLY_ASKS
async def test_a_token_that_was_made_up_shows_nothing_else(
    standing_pep: Pep, after: int | str
) -> None:
    """Whatever it says, each page holds what is permitted now, and no more."""
    for searched, body in ASKED.items():
        whole = (await standing_pep.search(searched, **body))["results"]
        mark = digest(searched, json.dumps(body).encode())
        token = PageToken(mark, limit=1_000, after=after).text()
        page = await standing_pep.search(searched, **body, page={"token": token})
        assert all(result in whole for result in page["results"])


async def test_pages_say_that_they_show_one_revision(partnered: Story, pep: Pep) -> None:
    """As long as nobody writes, every page is of the first one's revision."""
    pages = await pep.all_pages("resource", 1, **RESOURCES)
    revision = await partnered.revision()
    assert [page["page"]["properties"] for page in pages] == [
        {"revision": revision, "first_revision": revision, "same_revision": True}
    ] * 3


async def test_pages_say_when_they_cannot(partnered: Story, pep: Pep) -> None:
    """A no between two pages counts on the second, which says that it is of a later revision.

    What was put in between comes at the end; nothing comes twice, and nothing else is missing.
    """
    body = RESOURCES | {"page": {"limit": 1}}
    first = await pep.search("resource", **body)
    before = first["context"]["revision"]
    said = await partnered.say("ben", "opt_out", RECOMMENDATION)
    await partnered.put("song", "ana")
    put = await partnered.put("new", "ana")
    token = first["page"]["next_token"]
    second = await pep.search("resource", **RESOURCES, page={"limit": 1, "token": token})
    assert ids_of(first["results"] + second["results"]) == ["song", "new"]
    assert said["revision"] < put["revision"] == second["context"]["revision"]
    assert second["page"]["properties"] == {
        "revision": put["revision"],
        "first_revision": before,
        "same_revision": False,
    }


async def test_a_page_is_never_older_than_the_one_before(partnered: Story, pep: Pep) -> None:
    """Even with a weak consistency: a token holds the revision that it was found at."""
    weak = RESOURCES | {"context": {"consistency": {"max_staleness_ms": 60_000}}}
    first = await pep.search("resource", **weak, page={"limit": 1})
    token = first["page"]["next_token"]
    second = await pep.search("resource", **weak, page={"limit": 1, "token": token})
    assert second["context"]["revision"] >= first["context"]["revision"]


async def test_trap_no_list_is_cut_off_in_silence(partnered: Story, pep: Pep) -> None:
    """OpenFGA (#2828) stops at 1,000 results or 3 s and says nothing: here a token goes on."""
    ids = await put_many(partnered, 2_500)
    pages = await pep.all_pages("resource", **RESOURCES)
    assert [page["page"]["count"] for page in pages] == [1_000, 1_000, 503]
    found = [one for page in pages for one in ids_of(page["results"])]
    assert found == ["song", "tune", "duet", *ids]


async def test_trap_a_page_that_looked_at_enough_says_so(partnered: Story, pep: Pep) -> None:
    """However few are permitted, a page takes no longer: it ends early, with a token."""
    services = partnered.door.services
    small = Searcher(services.evaluator, services.index, scan=2)
    object.__setattr__(services, "searcher", small)
    await put_many(partnered, 7, artist="ben")
    await partnered.say("ben", "opt_out", RECOMMENDATION)
    await partnered.put("last", "ana")
    pages = await pep.all_pages("resource", **RESOURCES)
    assert [ids_of(page["results"]) for page in pages] == [["song"], [], [], [], [], ["last"]]


async def test_an_evaluation_of_everything_agrees(partnered: Story, pep: Pep) -> None:
    """What the context says of each result is what evaluation says."""
    await partnered.say("ana", "opt_in", RECOMMENDATION)
    answer = await pep.search("resource", **RESOURCES)
    for result, said in zip(answer["results"], answer["context"]["decisions"], strict=True):
        evaluated = await pep.answer(
            EVALUATION, {"subject": PIPE, "action": USE, "resource": result}
        )
        own = ("decision_id", "revision", "evaluated_at")
        assert without(said, *own) == without(evaluated["context"], *own)
