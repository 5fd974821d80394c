-- What the drop-downs above a dashboard offer.

-- name: variables.tenant
-- One row, whoever asks: the policy on tenant shows a role its own alone.
select name from tenant

-- name: variables.site
select key as __value, name as __text from site order by name

-- name: variables.machine
-- Machines of the chosen sites (unique key of site and code).
select machine.id as __value, machine.code || ' · ' || machine.name as __text
from machine join site on site.id = machine.site_id
where site.key in (${site:sqlstring}) order by machine.code

-- name: variables.signal
-- Signals of the chosen machine (unique key of machine and signal).
select key from signal where machine_id = nullif(${machine:sqlstring}, '')::int order by id
