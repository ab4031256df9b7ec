"""Statements of people who have just looked: a yes is given to what stands at that moment."""

from service.consents.admission import Statement
from service.consents.authority import Actor, artist_named
from service.consents.precondition import Seen, state_of
from service.consents.records import record_consent
from service.ledger.append import Write
from service.ledger.events import Json
from service.ledger.transaction import Transaction


def record_seeing(artist_id: str, statement: Statement, actor: Actor) -> Write:
    """Record what is said by somebody who sees the state that it is recorded in."""

    async def write(transaction: Transaction) -> Json:
        artist = await artist_named(transaction.session, artist_id)
        state = await state_of(transaction.session, [artist.subject])
        seen = Seen(frozenset({state.tag}))
        return await record_consent(artist_id, statement, actor, seen)(transaction)

    return write
