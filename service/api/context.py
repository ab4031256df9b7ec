"""What every door works with: one process's services, made by `create_app`."""

from dataclasses import dataclass, field
from typing import Annotated

from fastapi import Depends
from starlette.requests import HTTPConnection

from service.auth.verifier import TokenVerifier
from service.clock import Clock
from service.db.engine import Database
from service.decisions.capacity import Capacity
from service.decisions.changes.reading import Changes
from service.decisions.check import Checker
from service.decisions.evaluate import Evaluator
from service.decisions.follower import Follower
from service.decisions.index import Index
from service.decisions.log import DecisionLog
from service.decisions.search import Searcher
from service.exports.opened import Exports
from service.ledger.append import Appender
from service.ledger.head import HeadReader
from service.ledger.vault import RandomBytes
from service.replay.sheets import Sheets
from service.rights.chores import Chores
from service.rights.receipts import Receipts
from service.sealing.find import SealedLog
from service.settings import Settings
from service.telemetry import Telemetry
from service.transparency.publication import Publication
from service.transparency.signer import Signer


@dataclass(frozen=True, slots=True)
class Services:
    """Everything that runs in one process."""

    settings: Settings
    clock: Clock
    database: Database
    appender: Appender
    index: Index
    follower: Follower
    heads: HeadReader
    checker: Checker
    evaluator: Evaluator
    searcher: Searcher
    log: DecisionLog
    changes: Changes
    verifier: TokenVerifier
    telemetry: Telemetry
    random_bytes: RandomBytes
    signer: Signer
    publication: Publication
    sealed: SealedLog
    repeated_writes: bytes
    chores: Chores
    receipts: Receipts
    exports: Exports
    sheets: Sheets
    capacity: Capacity = field(default_factory=Capacity)


def services_of(connection: HTTPConnection) -> Services:
    """Return the services of the app that serves this request."""
    found: Services = connection.app.state.services
    return found


TheServices = Annotated[Services, Depends(services_of)]
