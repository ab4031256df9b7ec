"""On what ground each content was permitted: that of the rightsholder whose permission is weakest.

    permitted(n, content, ground, policy_version, position)

A yes counts as one only where every rightsholder said it; where one of them was silent the content
stands under that silence, whatever the others said.
"""

from enum import StrEnum
from typing import Final

from service.evidence.scratch import Scratch


class Ground(StrEnum):
    """Why content was permitted, the weakest first.

    `not_confirmed`: what the ledger holds does not bear out what was answered. `artist_erased`:
    what a rightsholder said is gone with them, and nobody else's permission is weaker than a yes.
    """

    NOT_CONFIRMED = "not_confirmed"
    OPEN = "open"
    WINDOW_CLOSED = "window_closed"
    ARTIST_ERASED = "artist_erased"
    OPTED_IN = "opted_in"


_WEAKEST_FIRST: Final = tuple(Ground)

# A place within one content, the weakest first: the ground, then the rightsholder's own place.
_STRENGTH: Final = f"""
CASE
    WHEN agrees IS FALSE THEN {_WEAKEST_FIRST.index(Ground.NOT_CONFIRMED)}
    WHEN basis = 'open' THEN {_WEAKEST_FIRST.index(Ground.OPEN)}
    WHEN basis = 'window_closed' THEN {_WEAKEST_FIRST.index(Ground.WINDOW_CLOSED)}
    WHEN basis = 'opted_in' THEN {_WEAKEST_FIRST.index(Ground.OPTED_IN)}
    ELSE {_WEAKEST_FIRST.index(Ground.ARTIST_ERASED)}
END
"""
_NAMES: Final = ", ".join(f"'{ground.value}'" for ground in _WEAKEST_FIRST)
_PERMITTED: Final = f"""
CREATE TABLE permitted AS
SELECT n, content, [{_NAMES}][strength + 1] AS ground, weakest.version AS policy_version,
    weakest.position AS position
FROM (
    SELECT n, content, min(strength) AS strength,
        arg_min({{'version': policy_version, 'position': position}},
            strength::BIGINT << 32 | coalesce(position, 0)) AS weakest
    FROM (SELECT *, {_STRENGTH} AS strength FROM rested)
    GROUP BY n, content
)
"""  # noqa: S608 - constants of this file


async def lay_out_grounds(scratch: Scratch) -> None:
    """Fill `permitted` from `rested`."""
    await scratch.do(_PERMITTED)
