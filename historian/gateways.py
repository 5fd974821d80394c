"""Edge gateways: one-time tokens, credentials at the broker, and who may send for which site."""

import hashlib
import hmac
import secrets
from base64 import b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from historian.database import Connection

# Held to the end of a transaction by whoever changes gateways: the broker is told of all of them, one after the other.
LOCK = "select pg_advisory_xact_lock(hashtext('edge_gateway'))"
SITE = "select id from site where tenant_id = $1 and key = $2"
ISSUE = """
insert into edge_token (selector, digest, tenant_id, site_id, label, expires_at) values ($1, $2, $3, $4, $5, $6)
"""
FORGET_EXPIRED = "delete from edge_token where expires_at < now() - interval '30 days'"
# A token by its public half (primary key edge_token.selector); locked, so that of two who use it one is first.
BY_SELECTOR = """
select edge_token.selector, digest, edge_token.tenant_id, site_id, site.key as site, used_at is not null as used,
    expires_at <= now() as expired
from edge_token join site on site.id = site_id where selector = $1 for update of edge_token
"""
USE = "update edge_token set used_at = now() where selector = $1"
ADD = """
insert into edge_gateway (tenant_id, site_id, key, name, broker_hash) values ($1, $2, $3, $4, $5)
"""
OF_TENANT = """
select edge_gateway.key, site.key as site, edge_gateway.name, enrolled_at, revoked_at
from edge_gateway join site on site.id = site_id where edge_gateway.tenant_id = $1 order by edge_gateway.id
"""
# What the broker must know, of all tenants: it is one broker.
AT_BROKER = "select key, broker_hash from edge_gateway where revoked_at is null order by id"
REVOKE = """
update edge_gateway set revoked_at = now() where tenant_id = $1 and key = $2 and revoked_at is null returning key
"""

# mosquitto reads the count from the file. Passwords are 256 random bits, which no number of rounds makes stronger;
# more would only cost the broker time with every connection.
_ITERATIONS = 101
_NOTHING = bytes(32)


class EnrolmentRefused(Exception):
    """The token is unknown, used or expired; the message says no more than that."""


@dataclass(frozen=True, slots=True)
class Gateway:
    """A gateway as people see it."""

    key: str
    site: str
    name: str
    enrolled_at: datetime
    revoked_at: datetime | None


@dataclass(frozen=True, slots=True)
class Enrolled:
    """A new gateway with its password, which is known only now."""

    key: str
    site: str
    password: str


async def issue_edge_token(
    connection: Connection, tenant_id: int, site: str, lifetime: timedelta, label: str = ""
) -> str:
    """A token that lets one gateway of a site in, once. ``KeyError`` for a site that the tenant does not have."""
    site_id = await connection.fetchval(SITE, tenant_id, site)
    if site_id is None:
        raise KeyError(site)
    selector, secret = secrets.token_hex(8), secrets.token_urlsafe(32)
    await connection.execute(FORGET_EXPIRED)
    expires = datetime.now(UTC) + lifetime
    await connection.execute(ISSUE, selector, _digest(secret), tenant_id, site_id, label, expires)
    return f"{selector}.{secret}"


async def enrol_gateway(connection: Connection, token: str, name: str = "") -> Enrolled:
    """Use a token up for a new gateway. Raises :class:`EnrolmentRefused`."""
    selector, _, secret = token.partition(".")
    async with connection.transaction():
        await connection.execute(LOCK)
        row = await connection.fetchrow(BY_SELECTOR, selector)
        # Compared in any case, and in constant time: the time of an answer tells nothing.
        right = hmac.compare_digest(row["digest"] if row else _NOTHING, _digest(secret))
        if row is None or not right or row["used"] or row["expired"]:
            raise EnrolmentRefused("the token is unknown, has been used or has expired")
        await connection.execute(USE, selector)
        return await _add(connection, row["tenant_id"], row["site_id"], row["site"], name)


async def add_gateway(connection: Connection, tenant_id: int, site: str, name: str = "") -> Enrolled:
    """A gateway whose credential is carried there by hand. ``KeyError`` for a site that the tenant does not have."""
    site_id = await connection.fetchval(SITE, tenant_id, site)
    if site_id is None:
        raise KeyError(site)
    async with connection.transaction():
        await connection.execute(LOCK)
        return await _add(connection, tenant_id, site_id, site, name)


async def _add(connection: Connection, tenant_id: int, site_id: int, site: str, name: str) -> Enrolled:
    enrolled = Enrolled(f"gw-{secrets.token_hex(6)}", site, secrets.token_urlsafe(32))
    await connection.execute(ADD, tenant_id, site_id, enrolled.key, name, broker_hash(enrolled.password))
    return enrolled


async def list_gateways(connection: Connection, tenant_id: int) -> list[Gateway]:
    """Gateways of a tenant, oldest first, revoked ones too."""
    return [Gateway(*row.values()) for row in await connection.fetch(OF_TENANT, tenant_id)]


async def revoke_gateway(connection: Connection, tenant_id: int, key: str) -> bool:
    """Shut a gateway out; False where there is none that is not revoked yet. The broker must be told, too."""
    async with connection.transaction():
        await connection.execute(LOCK)
        return await connection.fetchval(REVOKE, tenant_id, key) is not None


async def broker_accounts(connection: Connection) -> Sequence[tuple[str, str]]:
    """(user, hash) of every gateway that may log in to the broker, of all tenants.

    In a transaction, at whose end others may tell the broker.
    """
    await connection.execute(LOCK)
    return [(row["key"], row["broker_hash"]) for row in await connection.fetch(AT_BROKER)]


def broker_hash(password: str) -> str:
    """As mosquitto 2 stores it: ``$7$<rounds>$<salt>$<PBKDF2-HMAC-SHA512>``, both in base64 (mosquitto_passwd(1))."""
    salt = secrets.token_bytes(12)
    derived = hashlib.pbkdf2_hmac("sha512", password.encode(), salt, _ITERATIONS, 64)
    return f"$7${_ITERATIONS}${b64encode(salt).decode()}${b64encode(derived).decode()}"


def _digest(secret: str) -> bytes:
    return hashlib.sha256(secret.encode()).digest()
