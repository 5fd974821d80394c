"""What Grafana asks the historian, by name: SQL in Grafana's dialect, with its macros and variables left in.

It runs as the role that ``sql_role`` binds to a tenant. Texts are in ``*.sql`` beside this file; a statement begins
with a comment ``-- name: ...`` and what follows it up to the next one is sent as it is, comments left out.
"""

import re
from functools import cache
from importlib.resources import files

_NAME = re.compile(r"^-- name: ([a-z_.]+)\n", re.MULTILINE)
_COMMENT = re.compile(r"^ *--.*\n", re.MULTILINE)


@cache
def grafana_queries() -> dict[str, str]:
    """Every statement by its name, ``<file>.<what it answers>``."""
    found: dict[str, str] = {}
    for entry in sorted(files("historian").joinpath("grafana").iterdir(), key=lambda entry: entry.name):
        if entry.name.endswith(".sql"):
            _, *parts = _NAME.split(entry.read_text(encoding="utf-8"))
            statements = (_COMMENT.sub("", text).strip() for text in parts[1::2])
            found.update(zip(parts[::2], statements, strict=True))
    return found
