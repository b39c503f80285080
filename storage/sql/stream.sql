-- The one stream of positions.

-- name: stream_position hot
-- One row: the newest position that any process has given out. Index: stream_head_pkey (one row).
SELECT position FROM stream_head WHERE only_row;

-- name: stream_settle
-- At the start of a connection: the newest position, which is at least $1 from here on. One row: that, and what it was before. Writes, so
-- that a synchronous standby has all that is before it: what a server that recovers shows could be lost with it. Index: stream_head_pkey (one row).
WITH found AS (
	SELECT position FROM stream_head WHERE only_row FOR UPDATE
)
UPDATE stream_head SET position = greatest(found.position, $1::bigint) FROM found WHERE only_row
RETURNING stream_head.position, found.position;

-- name: stream_say
-- Tells all processes something that is no commit (storage/news.h).
SELECT pg_notify('belfry', $1::text);

-- name: stream_tell
-- Gives out $2 serials behind $1 and behind all that were given out, and tells all processes (storage/news.h): the newest of them, and the
-- text $3. The row's lock orders the serials as the notifications. Flushes nothing: the table is unlogged. One row: the newest serial.
-- Index: ephemeral_head_pkey.
INSERT INTO ephemeral_head AS h (serial) VALUES ($1::bigint + $2::bigint)
ON CONFLICT (only_row) DO UPDATE SET serial = greatest(h.serial, $1) + $2
RETURNING h.serial, pg_notify('belfry', h.serial::text || ' tell ' || $3::text);
