"""Every rule and every worked example, told as cases a lawyer can read, is what `decide` says."""

import ast
import inspect
from collections.abc import Iterator

import pytest
import yaml

from service.domain import consent, policy
from service.domain.assessment import Reason
from tests.cases.play import Play
from tests.cases.schema import Case, Chapter, Check, Step, Write, chapters, read_chapter

CHAPTERS = dict(chapters())
CASES = [
    pytest.param(case, id=f"{name}: {case.case}")
    for name, chapter in CHAPTERS.items()
    for case in chapter.cases
]


def _steps() -> Iterator[Step]:
    return (step for chapter in CHAPTERS.values() for case in chapter.cases for step in case.told())


@pytest.mark.parametrize("case", CASES)
def test_case(case: Case) -> None:
    """The story's every check is answered as the case says, and its writes taken or refused."""
    Play().run(case.told())


def test_every_rule_has_its_cases() -> None:
    """R1 to R10 and the worked examples 1 to 8 are each told at least once."""
    assert [chapter.rule for chapter in CHAPTERS.values()] == [
        *(f"R{number}" for number in range(1, 11)),
        "worked examples",
    ]
    told = {case.case.split(".")[0] for case in CHAPTERS["worked_examples"].cases}
    assert told == {str(number) for number in range(1, 9)}


def test_every_case_has_a_name_of_its_own() -> None:
    """No two cases of a file share their name, and each asks or tries something."""
    for chapter in CHAPTERS.values():
        names = [case.case for case in chapter.cases]
        assert len(set(names)) == len(names)
        for case in chapter.cases:
            assert any(isinstance(step, Check) or _tried(step) for step in case.told()), case.case


def test_every_reason_is_reached() -> None:
    """There is no reason in the enum that no case shows."""
    reached = {step.expect.reason for step in _steps() if isinstance(step, Check)}
    assert reached == set(Reason)


def test_every_refusal_is_reached() -> None:
    """There is no refusal in the rules that no case shows."""
    reached = {code for step in _steps() for code in _tried(step)}
    assert reached == {*_codes(inspect.getsource(policy)), *_codes(inspect.getsource(consent))}


def _tried(step: Step) -> tuple[str, ...]:
    return step.refused if isinstance(step, Write) else ()


def _codes(source: str) -> Iterator[str]:
    """Return every code that a module's refusals can carry: their second argument."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "Refusal":
            for inner in ast.walk(node.args[1]):
                if isinstance(inner, ast.Constant) and isinstance(inner.value, str):
                    yield inner.value


def _chapter(steps: str) -> Chapter:
    return read_chapter(f"{{rule: R1, says: so, cases: [{{case: one, steps: {steps}}}]}}")


@pytest.mark.parametrize(
    "steps",
    [
        "[{register: [ana], on_day: 3}]",
        "[{check: play, content: one, expect: {permitted: no, reason: opted_out, untill: day 3}}]",
        "[{check: play, content: one, expect: {permitted: no, reason: bad_weather}}]",
        "[{check: play, content: one, expect: {permitted: no}}]",
        "[{day: 3}]",
        "[{register: [ana], erase: ana}]",
        "[{register: [ana], day: three}]",
    ],
)
def test_a_slip_of_the_pen_is_an_error(steps: str) -> None:
    """Unknown words, missing answers and steps without one clear verb are refused."""
    with pytest.raises(ValueError, match=r".+"):
        _chapter(steps)


def test_a_key_given_twice_is_an_error() -> None:
    """YAML would quietly keep the last one."""
    with pytest.raises(yaml.YAMLError, match="said twice"):
        _chapter("[{register: [ana], register: [ben]}]")


def test_a_wrong_answer_fails_its_case() -> None:
    """The runner notices a case that expects what the rules do not say."""
    chapter = _chapter(
        "[{check: play, content: one, expect: {permitted: no, reason: unknown_content}}]"
    )
    with pytest.raises(AssertionError, match="unknown_use"):
        Play().run(chapter.cases[0].told())


def test_a_refusal_that_does_not_come_fails_its_case() -> None:
    """The runner notices a write that is taken although the case says it is refused."""
    chapter = _chapter(
        "[{publish: play, mode: opt_in, text: So be it., refused: [open_not_possible]}]"
    )
    with pytest.raises(AssertionError, match="open_not_possible"):
        Play().run(chapter.cases[0].told())


def test_a_story_told_out_of_order_fails() -> None:
    """A step earlier than the one before it is a mistake in the story."""
    chapter = _chapter("[{day: 3, register: [ana]}, {day: 2, register: [ben]}]")
    with pytest.raises(AssertionError, match="order of time"):
        Play().run(chapter.cases[0].told())
