"""On what ground each content was permitted: that of its weakest permit, of the weakest in that.

    permitted(n, content, decision, ground, policy_version, position, permits)
    rested(…)      the rows of `judged` that are of that permit

Every permit counts. A pipeline that asked while a rightsholder was silent may have used the content
under that silence; that it asked again after their yes gives it none for the first time. So of all
`permits` the one of the weakest ground is shown, the last one of these. And in it the rightsholder
whose permission is weakest decides: a yes counts as one only where everybody said it.
"""

from enum import StrEnum
from typing import Final

from service.evidence.scratch import Scratch


class Ground(StrEnum):
    """Why content was permitted, the weakest first. This order is the only one there is.

    `not_confirmed`: what the ledger holds does not bear out what was answered, so there may be no
    permission at all. `open`: nobody was asked, and nobody could have said no. `window_closed`: the
    rightsholder could have said no, and said nothing. `artist_erased`: what they said is gone with
    them; it may have been a yes, and nobody can tell. `opted_in`: they said yes, and it is there.
    """

    NOT_CONFIRMED = "not_confirmed"
    OPEN = "open"
    WINDOW_CLOSED = "window_closed"
    ARTIST_ERASED = "artist_erased"
    OPTED_IN = "opted_in"


WEAKEST_FIRST: Final = tuple(Ground)

# A place within one permit, the weakest first: the ground, then the rightsholder's own place.
_STRENGTH: Final = f"""
CASE
    WHEN agrees IS FALSE THEN {WEAKEST_FIRST.index(Ground.NOT_CONFIRMED)}
    WHEN basis = 'open' THEN {WEAKEST_FIRST.index(Ground.OPEN)}
    WHEN basis = 'window_closed' THEN {WEAKEST_FIRST.index(Ground.WINDOW_CLOSED)}
    WHEN basis = 'opted_in' THEN {WEAKEST_FIRST.index(Ground.OPTED_IN)}
    ELSE {WEAKEST_FIRST.index(Ground.ARTIST_ERASED)}
END
"""
_NAMES: Final = ", ".join(f"'{ground.value}'" for ground in WEAKEST_FIRST)
_LAY_OUT: Final = (
    f"""
CREATE TABLE permitted AS
SELECT n, content, decision, [{_NAMES}][strength + 1] AS ground,
    weakest.version AS policy_version, weakest.position AS position, permits
FROM (
    SELECT *, row_number() OVER (PARTITION BY n ORDER BY strength, decision DESC) AS place,
        sum(number) OVER (PARTITION BY n)::BIGINT AS permits
    FROM (
        SELECT n, content, decision, any_value(permits) AS number, min(strength) AS strength,
            arg_min({{'version': policy_version, 'position': position}},
                strength::BIGINT << 32 | coalesce(position, 0)) AS weakest
        FROM (SELECT *, {_STRENGTH} AS strength FROM judged)
        GROUP BY n, content, decision
    )
) WHERE place = 1
""",  # noqa: S608 - constants of this file
    """
CREATE TABLE rested AS
SELECT j.* EXCLUDE (decision, permits) FROM judged AS j JOIN permitted AS p USING (n, decision)
ORDER BY j.n, j.position
""",
    "DROP TABLE judged",
)


async def lay_out_grounds(scratch: Scratch) -> None:
    """Fill `permitted` and `rested` from `judged`, which is gone then."""
    for statement in _LAY_OUT:
        await scratch.do(statement)
