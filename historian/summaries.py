"""Keeps the block range (BRIN) indexes on time honest while rows pour in.

PostgreSQL summarizes new blocks when it vacuums. Until then every search by time reads them all, and what asks
for the newest seconds reads the whole day.
"""

from historian.database import Connection

# BRIN indexes of the partitions or chunks of readings and minutes, and how large their tables are.
BLOCK_RANGES = """
select index.indexrelid::oid as id, pg_relation_size(index.indrelid) as bytes
from pg_inherits child
join pg_index index on index.indrelid = child.inhrelid
join pg_class on pg_class.oid = index.indexrelid
join pg_am on pg_am.oid = pg_class.relam and pg_am.amname = 'brin'
where child.inhparent in ('reading'::regclass, 'reading_1min'::regclass)
"""
SUMMARIZE = "select brin_summarize_new_values($1::oid::regclass)"


class BlockSummaries:
    """Remembers how large each table was, so that only those that have grown are looked at."""

    def __init__(self) -> None:
        self._bytes: dict[int, int] = {}

    async def keep_up(self, connection: Connection) -> int:
        """Summarize what is new; how many tables had grown."""
        grown = 0
        for row in await connection.fetch(BLOCK_RANGES):
            if self._bytes.get(row["id"]) == row["bytes"]:
                continue
            await connection.execute(SUMMARIZE, row["id"])
            self._bytes[row["id"]] = row["bytes"]
            grown += 1
        return grown
