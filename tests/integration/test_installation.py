"""The first administrator: a password that is set or generated, never a default, and kept where it is known."""

from datetime import timedelta
from pathlib import Path

import pytest

from brain.installation import ensure_administrator, install
from brain.settings import Settings
from historian import Database, accounts
from plant import MachineSpec

pytestmark = pytest.mark.integration


async def test_generated_once_and_remembered_for_its_owner_alone(database_url: str, tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path)
    password = await ensure_administrator(settings, database_url)
    assert password is not None
    assert len(password) >= 12
    assert await ensure_administrator(settings, database_url) == password
    assert (tmp_path / "admin-password").stat().st_mode & 0o077 == 0
    async with Database.open(database_url) as database, database.connection() as connection:
        assert await accounts.verify(connection, "admin", password) is not None
        await accounts.set_password(connection, "admin", "changed by somebody")
    assert await ensure_administrator(settings, database_url) is None


async def test_set_password_counts_and_setting_it_again_keeps_tokens(database_url: str, tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path, admin_password="from-the-environment")
    await ensure_administrator(settings, database_url)
    async with Database.open(database_url) as database, database.connection() as connection:
        token = await accounts.issue_token(connection, "admin", timedelta(hours=1))
        await ensure_administrator(settings, database_url)
        assert await accounts.authenticate(connection, token) is not None
        await ensure_administrator(Settings(data_dir=tmp_path, admin_password="another one"), database_url)
        assert await accounts.authenticate(connection, token) is None


async def test_installing_again_changes_nothing(database_url: str, tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path)
    machines = [MachineSpec("s", "l", "M1", "Motor", "motor")]
    first = await install(settings, database_url, machines)
    second = await install(settings, database_url, machines)
    assert first.to_json() == second.to_json()
