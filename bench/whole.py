"""A whole check in this process: from a request's bytes to the answer's, its log row included.

Everything that the service does for a bulk check but the network, the token, the ledger's head and
the commit.
"""

from dataclasses import dataclass

from service.api.check_arrow import read_stream, write_stream
from service.api.check_results import write_answer
from service.api.check_wire import read_check
from service.decisions.compiled.index import CompiledIndex
from service.decisions.log.packing import pack
from service.decisions.question import Answer
from service.domain.instant import Instant


@dataclass(frozen=True, slots=True)
class Whole:
    """Answers requests from one index, at one instant."""

    index: CompiledIndex
    now: Instant

    def in_json(self, body: bytes) -> int:
        """Answer a request in JSON; return how many bytes that makes, answer and log together."""
        return self._answer(body, arrow=False)

    def in_arrow(self, body: bytes) -> int:
        """Answer a request in Arrow."""
        return self._answer(body, arrow=True)

    def _answer(self, body: bytes, *, arrow: bool) -> int:
        asked = read_stream(body) if arrow else read_check(body)
        check = asked.check
        contents = self.index.contents.find_all(check.ids)
        answers = self.index.decide_many(
            check.use, check.recipient, contents=contents, now=self.now
        )
        logged = pack(check.ids, answers)
        answer = Answer("dec_" + "0" * 32, self.index.revision, self.now, check, answers, None)
        if arrow:
            return len(logged) + len(memoryview(write_stream(answer, asked.ids)))
        return len(logged) + len(write_answer(answer, asked.ids, asked.shape))


def body_of(request: bytes) -> bytes:
    """Return the body of a request."""
    return request.partition(b"\r\n\r\n")[2]
