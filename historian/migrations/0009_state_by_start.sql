-- What a machine did in a week is found without reading the years before.
create index machine_state_by_start on machine_state (started_at);
