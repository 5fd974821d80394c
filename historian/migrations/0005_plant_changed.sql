-- Who keeps the list of sites, machines and signals hears of changes instead of asking for all of it again.
-- Notifications of one transaction that say the same are sent once, when it commits.

create function tell_plant_changed() returns trigger language plpgsql as $$
begin
    notify plant_changed;
    return null;
end $$;

create trigger site_changed after insert or update or delete on site
    for each statement execute function tell_plant_changed();
create trigger machine_changed after insert or update or delete on machine
    for each statement execute function tell_plant_changed();
create trigger signal_changed after insert or update or delete on signal
    for each statement execute function tell_plant_changed();
