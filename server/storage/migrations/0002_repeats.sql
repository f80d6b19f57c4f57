-- How often an event came again after it was stored; such copies have no place in the log.
CREATE TABLE repeats (
  site_id $int NOT NULL,
  seq $int NOT NULL,
  count $int NOT NULL,
  PRIMARY KEY (site_id, seq)
) $clustered;

-- They were counted by the hour before, which tells neither browser nor page.
DELETE FROM refusals WHERE reason = 'duplicate';
