"""An independent reader, to find out whether anything was changed behind the ledger's back.

It shares no code with whoever writes: the tree's two hash functions and the rules of the domain are
all that it imports, so a mistake of the writer's is not a mistake of its own. Numbered, it shows:

 1. every event is there, once, in order, later than the one before, in its one spelling
 2. what the service keeps beside an event says the same as the event: kind, time, batch, hash
 3. what artists said is what the ledger commits to, and is gone where they were erased
 4. events add up to the head, to every tile and to every checkpoint, published or kept outside
 5. checkpoints, cosignatures and statements are signed by whom they have to be
 6. every derived row follows from an event, and every event has its rows
 7. policies and yeses are such as the rules admit
 8. sealed decisions are the files that the ledger names

`database` reads a database, `published` a public log, `bundle` an export, of which it shows as much
as its own entries do. What could not be looked at is said, never passed over.
"""
