-- What: how long a pusher's pause was to last, besides when it ends.
-- Why:  its end is a time of the wall clock. Once that is set back nobody could tell a long pause from one that the clock made long, and users
--       heard nothing until it was there again.
-- Cost: builds an index over pushers for which something waits (few). Old processes may run beside it: a pause of theirs may end early, once.

ALTER TABLE pushers ADD COLUMN try_pause_ms bigint;
COMMENT ON COLUMN pushers.try_pause_ms IS 'so long before next_try_ms that was decided; NULL: not known';
CREATE INDEX pushers_set_back_idx ON pushers ((next_try_ms - try_pause_ms - try_pause_ms / 5)) WHERE next_try_ms IS NOT NULL;
