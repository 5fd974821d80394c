"""Who asks: log-in, bearer tokens and roles."""

import asyncio
import time
from collections import OrderedDict
from datetime import timedelta
from typing import Annotated

from fastapi import APIRouter, Depends, Form, Request
from fastapi.security import OAuth2PasswordBearer
from pydantic import BaseModel

from api.problems import Problem
from historian import Database, accounts
from historian.accounts import User

router = APIRouter(tags=["identity"])

_scheme = OAuth2PasswordBearer(tokenUrl="/api/v1/token", auto_error=False)
_RANK = {"viewer": 0, "engineer": 1, "administrator": 2}
_CHALLENGE = {"WWW-Authenticate": "Bearer"}


class Throttle:
    """Slows guessing down: after five failures each further try must wait, twice as long each time."""

    _FREE = 5
    _LONGEST_S = 300.0
    _REMEMBERED = 10_000

    def __init__(self) -> None:
        self._failures: OrderedDict[str, tuple[int, float]] = OrderedDict()

    def wait_s(self, key: str) -> float:
        """Seconds until this key may try again."""
        count, last = self._failures.get(key, (0, 0.0))
        if count < self._FREE:
            return 0.0
        return max(0.0, last + min(2.0 ** (count - self._FREE), self._LONGEST_S) - time.monotonic())

    def failed(self, key: str) -> None:
        """Note a failure."""
        count, _ = self._failures.pop(key, (0, 0.0))
        self._failures[key] = (count + 1, time.monotonic())
        while len(self._failures) > self._REMEMBERED:
            self._failures.popitem(last=False)

    def succeeded(self, key: str) -> None:
        """Forget the failures of a key."""
        self._failures.pop(key, None)


class Token(BaseModel):
    """A bearer token."""

    access_token: str
    token_type: str = "bearer"
    expires_in: int


async def check_password(database: Database, throttle: Throttle, name: str, password: str, address: str) -> User:
    """The account of a name and its password; raises :class:`Problem` 401 or 429."""
    key = f"{name}\n{address}"
    if (wait := throttle.wait_s(key)) > 0:
        raise Problem(429, f"Too many wrong passwords: try again in {wait:.0f} s.", {"Retry-After": str(int(wait) + 1)})
    async with database.connection() as connection:
        found = await accounts.password_hash_of(connection, name)
    # Hashing takes tens of milliseconds of pure computation: not on the event loop.
    right = await asyncio.to_thread(accounts.password_matches, found[1] if found else None, password)
    if not right or found is None:
        throttle.failed(key)
        raise Problem(401, "Name or password is wrong.", _CHALLENGE)
    throttle.succeeded(key)
    return found[0]


@router.post("/token")
async def log_in(request: Request, username: Annotated[str, Form()], password: Annotated[str, Form()]) -> Token:
    """A bearer token for a name and a password (OAuth2 password form)."""
    state = request.app.state
    address = request.client.host if request.client else ""
    user = await check_password(state.database, state.throttle, username, password, address)
    lifetime = timedelta(hours=state.settings.token_hours)
    async with state.database.connection() as connection:
        token = await accounts.issue_token(connection, user.name, lifetime, "log-in")
    return Token(access_token=token, expires_in=int(lifetime.total_seconds()))


async def _current_user(request: Request, token: Annotated[str | None, Depends(_scheme)]) -> User:
    if not token:
        raise Problem(401, "A bearer token is needed: POST /api/v1/token gives one.", _CHALLENGE)
    async with request.app.state.database.connection() as connection:
        user = await accounts.authenticate(connection, token)
    if user is None:
        raise Problem(401, "The token is unknown or has expired: log in again.", _CHALLENGE)
    return user


Viewer = Annotated[User, Depends(_current_user)]
"""Anybody who is logged in."""


async def _engineer(user: Viewer) -> User:
    if not may_change(user):
        raise Problem(403, f"Your role is {user.role}; this needs engineer.")
    return user


Engineer = Annotated[User, Depends(_engineer)]
"""Somebody who may change things."""


def may_change(user: User) -> bool:
    """Whether an account may acknowledge, order work and the like."""
    return _RANK[user.role] >= _RANK["engineer"]
