"""Bulk checks over HTTP, in both forms and many sizes, and the peers on the same work."""

from collections.abc import Sequence
from typing import Final

from bench.figures import Curve, Figure, Found, Line, table
from bench.part import Run
from bench.peers import casbin, cedar, cerbos, sql
from bench.peers.variant import Variant, fastest
from bench.prepared import WARM_SECONDS, LogHeld, Questions, kept, loaded, world_of
from bench.profiles import of_service
from bench.questions import Form
from bench.serving import Service
from bench.world import World, batches

FIGURES: Final = (
    "http_bulk_json_checks_per_s",
    "http_bulk_arrow_checks_per_s",
    "ratio_best_peer",
    "ratio_sql",
)
SIZE: Final = 10_000
"""Content a request."""

CONNECTIONS: Final = 4
_DIFFERENT: Final = 20
"""Different requests, so that no answer is the last one again."""

_SIZES: Final = {
    Form.JSON: (1, 10, 100, 1_000, 10_000, 100_000),
    Form.ARROW: (10, 100, 1_000, 10_000, 100_000, 1_000_000),
}
_NAMED: Final = {Form.JSON: "JSON", Form.ARROW: "Arrow"}
_LARGE: Final = 100_000
_MANY: Final = 10_000_000
"""Bytes of requests of one size that are made beforehand, about."""

_BIT_OF_TIME: Final = 0.25


def measure(run: Run) -> Found:
    """Measure ourselves, then the peers, on the same world."""
    found = Found()
    world = world_of(run)
    with loaded(world) as service:
        log, answered = LogHeld(service), 0
        for form in Form:
            answered += _bulk(service, world, form, run, found)
        for form in Form:
            answered += _by_size(service, world, form, run, found)
        found.notes.append(log.hold(answered))
    _compare(found, world, run)
    return found


def explain(run: Run, missed: Sequence[str]) -> str:
    """Return what the service's time goes into in the form whose figure is missed."""
    form = Form.JSON if "http_bulk_json_checks_per_s" in missed else Form.ARROW
    world = world_of(run)

    def ask(service: Service) -> None:
        _questions(service, world, form, SIZE).ask(2 * run.seconds)

    with kept(world) as folder:
        return of_service(folder, ask)


def _questions(service: Service, world: World, form: Form, size: int) -> Questions:
    number = max(1, min(_DIFFERENT, _MANY // (size * 16)))
    # A service takes two of the largest requests at once, and refuses a third.
    connections = CONNECTIONS if size <= _LARGE else 2
    return Questions.make(
        service, world, form=form, size=size, number=number, connections=connections
    )


def _bulk(service: Service, world: World, form: Form, run: Run, found: Found) -> int:
    questions = _questions(service, world, form, SIZE)
    held = questions.verify()
    questions.ask(WARM_SECONDS)
    rates = [questions.ask(run.seconds).per_second(SIZE) for _ in range(run.runs)]
    found.say(f"http_bulk_{form.value}_checks_per_s", rates)
    found.notes.append(f"{_NAMED[form]}: {held:,} answers were held against the world, all right.")
    return questions.answered


def _by_size(service: Service, world: World, form: Form, run: Run, found: Found) -> int:
    """Measure requests of every size for a short while each."""
    points, answered = [], 0
    for size in _SIZES[form]:
        questions = _questions(service, world, form, run.size(size, min(size, 1_000)))
        questions.verify()
        asked = questions.ask(_BIT_OF_TIME * run.seconds)
        points.append((float(size), asked.per_second(len(questions.batches[0][1]))))
        answered += questions.answered
    curve = found.curves.setdefault(
        "bulk_by_size",
        Curve(
            "Checks a second over HTTP, by content a request",
            "content a request",
            "checks/s",
            [],
            y_logarithmic=True,
        ),
    )
    curve.lines.append(Line(_NAMED[form], points))
    return answered


def _compare(found: Found, world: World, run: Run) -> None:
    """Measure the peers on the same world and hold them against what we managed."""
    asked = batches(world, SIZE, 10)
    engines = [
        variant for peer in (cerbos, cedar, casbin) for variant in peer.measure(world, asked, run)
    ]
    statements = sql.measure(world, asked, run)
    best = {name: _of(engines, name) for name in ("Cerbos", "Cedar", "Casbin")}
    logged, bare = fastest(statements), sql.unlogged(statements)
    for name, variant in best.items():
        found.say(f"peer_{name.lower()}_checks_per_s", variant.rates)
    found.say("peer_sql_checks_per_s", logged.rates)
    found.say("peer_sql_unlogged_checks_per_s", bare.rates)
    json, arrow = (found.figures[f"http_bulk_{form.value}_checks_per_s"] for form in Form)
    ours, peer = max(json, arrow, key=lambda one: one.value), fastest(engines)
    for name, mine, theirs in (
        ("ratio_best_peer", ours, peer),
        ("ratio_best_peer_json", json, peer),
        ("ratio_sql", ours, logged),
        ("ratio_sql_json", json, logged),
        ("ratio_sql_unlogged", ours, bare),
    ):
        found.figures[name] = _ratio(name, mine, theirs)
    rows = [
        (one.peer, one.how, one.rate, min(one.rates), max(one.rates), one.aside)
        for one in (*engines, *statements)
    ]
    head = ("peer", "asked how", "checks/s", "least", "most", "set aside, because")
    said = (
        f"The fastest engine: {peer.peer}, {peer.how}; the fastest query that logs: {logged.how}. "
        f"Cerbos is {cerbos.version()}. Every peer permitted and denied what we do in "
        f"{len(asked) * SIZE:,} checks."
    )
    found.notes += [said, table(head, rows, texts=2)]


def _of(variants: Sequence[Variant], peer: str) -> Variant:
    return fastest([one for one in variants if one.peer == peer])


def _ratio(name: str, ours: Figure, theirs: Variant) -> Figure:
    """Return the ratio of the medians, and between which bounds the runs leave it."""
    value = Figure.of(name, [ours.value / theirs.rate])
    least = Figure.of(name, [ours.min / max(theirs.rates)]).value
    most = Figure.of(name, [ours.max / min(theirs.rates)]).value
    return Figure(value.value, value.unit, least, most, ours.runs)
