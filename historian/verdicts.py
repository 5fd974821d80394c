"""What people say of findings: right, another fault, nothing found. On a tenant's connection."""

from dataclasses import dataclass

from historian.database import Connection

# What was said of each finding last, on the finding itself or by the job that answered it (indexes finding_answered,
# work_order_by_finding).
_SAID = """
with said as (
    select id as finding_id, verdict, verdict_at as at from finding where verdict is not null
    union all
    select finding_id, verdict, closed_at from work_order
    where finding_id is not null and state in ('done', 'closed') and verdict is not null
), newest as (
    select distinct on (finding_id) finding_id, verdict from said order by finding_id, at desc nulls last
)
"""
BY_MODE = (
    _SAID
    + """
select failure_mode, count(*) filter (where newest.verdict = 'confirmed')::int as confirmed,
    count(*) filter (where newest.verdict = 'other_fault')::int as other_fault,
    count(*) filter (where newest.verdict = 'nothing_found')::int as nothing_found
from newest join finding on finding.id = newest.finding_id group by 1 order by 1
"""
)
# The same for each symptom that spoke for the finding.
BY_SYMPTOM = (
    _SAID
    + """
select failure_mode, symptom ->> 'indicator' as indicator,
    count(*) filter (where newest.verdict = 'confirmed')::int as confirmed, count(*)::int as answered
from newest join finding on finding.id = newest.finding_id
cross join lateral jsonb_array_elements(evidence) as symptom
where symptom ->> 'direction' = 'for' and (symptom ->> 'weight')::float8 > 0
group by 1, 2 order by 1, 2
"""
)
ANSWER = """
update finding set verdict = $2, found_mode = $3, verdict_note = $4, verdict_by = $5, verdict_at = now()
where id = $1 returning id
"""


@dataclass(frozen=True, slots=True)
class ModeAnswers:
    """What people found where a failure mode had been said."""

    failure_mode: str
    confirmed: int
    other_fault: int
    nothing_found: int

    @property
    def answered(self) -> int:
        """How many findings of the mode somebody has answered."""
        return self.confirmed + self.other_fault + self.nothing_found


@dataclass(frozen=True, slots=True)
class SymptomAnswers:
    """How often findings of a mode that a symptom spoke for were right."""

    failure_mode: str
    indicator: str
    confirmed: int
    answered: int


async def answers_by_mode(connection: Connection) -> list[ModeAnswers]:
    """What was found where findings were answered, by failure mode."""
    return [ModeAnswers(*row.values()) for row in await connection.fetch(BY_MODE)]


async def answers_by_symptom(connection: Connection) -> list[SymptomAnswers]:
    """The same, by failure mode and each symptom that spoke for it."""
    return [SymptomAnswers(*row.values()) for row in await connection.fetch(BY_SYMPTOM)]


async def answer_finding(
    connection: Connection, finding_id: int, verdict: str, found_mode: str | None, note: str | None, user: str
) -> bool:
    """Keep what a person says of a finding; a later word replaces an earlier one. False where there is none."""
    return await connection.fetchval(ANSWER, finding_id, verdict, found_mode, note, user) is not None
