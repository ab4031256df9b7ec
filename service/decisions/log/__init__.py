"""The log of decisions: every answer is durable before it leaves, and can be found again."""

from service.decisions.log.name import RANDOM_BYTES, name_decision
from service.decisions.log.row import LoggedDecision, LogUnavailable
from service.decisions.log.writer import DecisionLog

__all__ = ["RANDOM_BYTES", "DecisionLog", "LogUnavailable", "LoggedDecision", "name_decision"]
