"""One look at the whole installation: what was stored, how the machines are. For the terminal."""

from dataclasses import dataclass
from typing import Any

# Sums over spool lanes (a handful of rows).
COUNTS = """
select coalesce(sum(stored_readings), 0)::bigint as stored, coalesce(sum(quarantined), 0)::bigint as quarantined
from spool_position
"""

# Machines by state (one row a machine; no index needed).
STATES = "select state, count(*) as machines from machine_condition group by state"

# Machines with an open finding, worst first (partial unique index finding_open_once).
WORST = """
select machine.code, finding.failure_mode, finding.probability
from finding join machine on machine.id = finding.machine_id
left join machine_condition on machine_condition.machine_id = machine.id
where finding.closed_at is null
order by machine_condition.risk desc nulls last, finding.probability desc
limit $1
"""

OPEN_FINDINGS = "select count(*) from finding where closed_at is null"


@dataclass(frozen=True, slots=True)
class Overview:
    """Counts since the installation began, and the state of now.

    worst: (machine code, failure mode, probability), riskiest first
    """

    stored: int
    quarantined: int
    states: dict[str, int]
    open_findings: int
    worst: list[tuple[str, str, float]]


async def read_overview(connection: Any, worst: int = 5) -> Overview:
    """The overview over all tenants (service role)."""
    counts = await connection.fetchrow(COUNTS)
    states = await connection.fetch(STATES)
    rows = await connection.fetch(WORST, worst)
    return Overview(
        stored=counts["stored"],
        quarantined=counts["quarantined"],
        states={row["state"]: row["machines"] for row in states},
        open_findings=await connection.fetchval(OPEN_FINDINGS),
        worst=[(row["code"], row["failure_mode"], row["probability"]) for row in rows],
    )
