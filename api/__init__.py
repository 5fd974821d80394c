"""Hands what is known to programs and people: REST, live events, exports, and the console.

Takes in requests with a bearer token or a console session; hands out only what the tenant of who asks may
see, because every query runs in a database role that row-level security binds.
"""

from api.app import create_app
from api.problems import Problem
from api.settings import ApiSettings, Enrolment

__all__ = ["ApiSettings", "Enrolment", "Problem", "create_app"]
