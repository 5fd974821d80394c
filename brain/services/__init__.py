"""The bodies of the long-running processes: one coroutine each, ended by SIGTERM, SIGINT or a lost parent."""

from brain.services.lifetime import run_until_told, until_told_to_stop

__all__ = ["run_until_told", "until_told_to_stop"]
