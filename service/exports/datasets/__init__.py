"""What can be exported: one declaration a dataset.

DATASETS["consents"].columns
"""

from collections.abc import Mapping
from typing import Final

from service.exports.dataset import Dataset
from service.exports.datasets.artists import ARTISTS
from service.exports.datasets.consents import CONSENTS
from service.exports.datasets.content import CONTENT
from service.exports.datasets.decisions import DECISIONS
from service.exports.datasets.events import EVENTS
from service.exports.datasets.policies import POLICIES
from service.exports.datasets.runs import RUNS
from service.exports.datasets.telling import BOUNCES, DELIVERIES, NOTICES

_ALL: Final[tuple[Dataset, ...]] = (
    CONSENTS,
    ARTISTS,
    CONTENT,
    POLICIES,
    NOTICES,
    DELIVERIES,
    BOUNCES,
    DECISIONS,
    RUNS,
    EVENTS,
)

DATASETS: Final[Mapping[str, Dataset]] = {one.name: one for one in _ALL}
"""Every dataset by its name, in the order in which bundles have them."""
