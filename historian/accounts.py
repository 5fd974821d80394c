"""Accounts and access tokens. Service role only: the API's own role has no right on these tables."""

import hashlib
import secrets
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerifyMismatchError

from historian.database import Connection

CREATE = "insert into user_account (tenant_id, name, password_hash, role) values ($1, $2, $3, $4) returning id"
BY_NAME = "select id, tenant_id, name, password_hash, role, created_at, disabled_at from user_account where name = $1"
BY_TENANT = """
select id, tenant_id, name, password_hash, role, created_at, disabled_at
from user_account where tenant_id = $1 order by name
"""
SET_PASSWORD = "update user_account set password_hash = $2 where name = $1"
DISABLE = "update user_account set disabled_at = coalesce(disabled_at, now()) where name = $1"
VOID_TOKENS = "delete from access_token using user_account where access_token.user_id = user_account.id and name = $1"
ISSUE = "insert into access_token (digest, tenant_id, user_id, label, expires_at) values ($1, $2, $3, $4, $5)"
REVOKE = "delete from access_token where digest = $1"
FORGET_EXPIRED = "delete from access_token where expires_at < now()"
# Who a token stands for (primary key access_token.digest).
AUTHENTICATE = """
select user_account.id, user_account.tenant_id, user_account.name, user_account.role
from access_token join user_account on user_account.id = access_token.user_id
where digest = $1 and expires_at > now() and disabled_at is null
"""

# argon2id with the library's defaults (RFC 9106, second recommended option).
_hasher = PasswordHasher()
# Work done for a name that does not exist, so that an answer's time does not tell which names do.
_NOBODY = _hasher.hash(secrets.token_urlsafe(16))


@dataclass(frozen=True, slots=True)
class User:
    """Who is at work; role is ``administrator``, ``engineer`` or ``viewer``."""

    id: int
    tenant_id: int
    name: str
    role: str
    created_at: datetime | None = None
    disabled_at: datetime | None = None


async def user_exists(connection: Connection, name: str) -> bool:
    """Whether there is an account of this name."""
    return await connection.fetchrow(BY_NAME, name) is not None


async def create_user(connection: Connection, tenant_id: int, name: str, password: str, role: str) -> int:
    """Make an account; its id."""
    user_id: int = await connection.fetchval(CREATE, tenant_id, name, _hasher.hash(password), role)
    return user_id


async def list_users(connection: Connection, tenant_id: int) -> list[User]:
    """Accounts of a tenant, by name."""
    rows = await connection.fetch(BY_TENANT, tenant_id)
    return [
        User(row["id"], row["tenant_id"], row["name"], row["role"], row["created_at"], row["disabled_at"])
        for row in rows
    ]


async def set_password(connection: Connection, name: str, password: str) -> None:
    """Change a password; the account's tokens are void from then on."""
    async with connection.transaction():
        await connection.execute(SET_PASSWORD, name, _hasher.hash(password))
        await connection.execute(VOID_TOKENS, name)


async def disable(connection: Connection, name: str) -> None:
    """Shut an account out; what it did stays on record."""
    async with connection.transaction():
        await connection.execute(DISABLE, name)
        await connection.execute(VOID_TOKENS, name)


def password_matches(password_hash: str | None, password: str) -> bool:
    """Whether a password fits; takes as long for None (no such account) as for a real hash. Blocks ~50 ms."""
    try:
        _hasher.verify(password_hash or _NOBODY, password)
    except (VerifyMismatchError, InvalidHashError):
        return False
    return password_hash is not None


async def password_hash_of(connection: Connection, name: str) -> tuple[User, str] | None:
    """Account and hash of a name that may log in."""
    row = await connection.fetchrow(BY_NAME, name)
    if row is None or row["disabled_at"] is not None:
        return None
    return User(row["id"], row["tenant_id"], row["name"], row["role"]), row["password_hash"]


async def verify(connection: Connection, name: str, password: str) -> User | None:
    """The account of a name and its right password, else None. Blocks the loop for ~50 ms."""
    found = await password_hash_of(connection, name)
    if not password_matches(found[1] if found else None, password) or found is None:
        return None
    return found[0]


async def issue_token(connection: Connection, name: str, lifetime: timedelta, label: str = "") -> str:
    """A new bearer token of an account; only its digest is kept. ``KeyError`` for an unknown account."""
    found = await password_hash_of(connection, name)
    if found is None:
        raise KeyError(name)
    token = secrets.token_urlsafe(32)
    user = found[0]
    await connection.execute(FORGET_EXPIRED)
    await connection.execute(ISSUE, _digest(token), user.tenant_id, user.id, label, datetime.now(UTC) + lifetime)
    return token


async def revoke_token(connection: Connection, token: str) -> None:
    """Make a token void."""
    await connection.execute(REVOKE, _digest(token))


async def authenticate(connection: Connection, token: str) -> User | None:
    """Who a bearer token stands for, None for an unknown, expired or shut-out one."""
    row = await connection.fetchrow(AUTHENTICATE, _digest(token))
    return User(row["id"], row["tenant_id"], row["name"], row["role"]) if row is not None else None


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()
