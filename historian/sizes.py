"""What readings take on disk."""

from datetime import datetime

from historian.database import Connection, Edition, detect_edition

# Rows, their indexes and compressed chunks; and blocks (catalogue and file sizes).
PARTITIONED = """
select coalesce(sum(pg_total_relation_size(relid)), 0)::bigint from pg_partition_tree('reading') where isleaf
"""
HYPERTABLE = "select coalesce(hypertable_size('reading'), 0)::bigint"
BLOCKS = "select pg_total_relation_size('reading_block')"
COMPRESS = """
select count(compress_chunk(chunk, if_not_compressed => true))
from show_chunks('reading', older_than => $1::timestamptz) chunk
"""


async def reading_bytes(connection: Connection) -> int:
    """Bytes of all readings with their indexes, as rows, blocks or compressed chunks."""
    has_hypertables = (await detect_edition(connection)).has_hypertables
    rows = await connection.fetchval(HYPERTABLE if has_hypertables else PARTITIONED)
    return int(rows) + int(await connection.fetchval(BLOCKS))


async def compress_now(connection: Connection, older_than: datetime) -> int:
    """Compress chunks that ended before a moment without waiting for the policy; 0 on other editions."""
    if await detect_edition(connection) is not Edition.TIMESCALE_COMMUNITY:
        return 0
    return int(await connection.fetchval(COMPRESS, older_than))
