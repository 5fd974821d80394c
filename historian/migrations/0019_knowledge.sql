-- What a judgement rests on, what people say of findings, and the limit that made an alarm, as it was then.

alter table machine_condition
    add column held_since timestamptz;           -- when the oldest value was measured that health rests on; null: now

alter table finding
    add column verdict text check (verdict in ('confirmed', 'other_fault', 'nothing_found')),
    add column found_mode text,                  -- the failure mode that was found instead
    add column verdict_note text,
    add column verdict_by text,
    add column verdict_at timestamptz,
    add check ((verdict is null) = (verdict_at is null));
grant update (verdict, found_mode, verdict_note, verdict_by, verdict_at) on finding to brain_api;
-- How often findings were right is counted over those that were answered.
create index finding_answered on finding (tenant_id, failure_mode) where verdict is not null;

alter table alarm
    add column limit_row jsonb not null default '{}';   -- the template's row, resolved; empty for alarms of before
