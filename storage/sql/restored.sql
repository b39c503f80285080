-- name: restored
-- A database that came back from a backup goes on behind all that it can have given out since, $1 positions further, and forgets the
-- one-time keys, of which devices may have used some up since. One row: the newest position. Walks over all counters of one-time keys, which take these along.
WITH forgotten AS (
	DELETE FROM one_time_key_counters
)
UPDATE stream_head SET position = position + $1 RETURNING position;
