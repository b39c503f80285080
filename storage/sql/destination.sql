-- name: destination_trouble
-- Destinations that fail, or whose last transaction is open: server, failures, interval, next try, since when, whether one is open, cause.
-- Once a start, and when an administrator wants some tried at once: then few.
SELECT server, failures, interval_ms, retry_at_ms, failing_since_ms,
	cardinality(open_positions) > 0 OR cardinality(open_edus) > 0, cause
FROM destinations WHERE failures > 0 OR cardinality(open_positions) > 0 OR cardinality(open_edus) > 0;

-- name: destination_open hot
-- The open transaction of a destination: rooms and positions side by side, one row each; of EDUs: room 0 and the number.
-- Index: destinations_pkey.
SELECT u.room_nid, u.position FROM destinations d, unnest(d.open_rooms, d.open_positions) AS u(room_nid, position)
WHERE d.server = $1
UNION ALL
SELECT 0, e.edu_id FROM destinations d, unnest(d.open_edus) AS e(edu_id) WHERE d.server = $1;

-- name: destination_failed
-- A transaction failed: server, interval, next try, time, cause, its events' rooms and positions, its EDUs. One row.
-- Index: destinations_pkey.
INSERT INTO destinations (server, failures, interval_ms, retry_at_ms, failing_since_ms, cause, open_rooms, open_positions, open_edus)
VALUES ($1, 1, $2, $3, $4, $5, $6::bigint[], $7::bigint[], $8::bigint[])
ON CONFLICT (server) DO UPDATE SET failures = destinations.failures + 1, interval_ms = excluded.interval_ms,
	retry_at_ms = excluded.retry_at_ms,
	failing_since_ms = CASE WHEN destinations.failing_since_ms = 0 THEN excluded.failing_since_ms ELSE destinations.failing_since_ms END,
	cause = excluded.cause, open_rooms = excluded.open_rooms, open_positions = excluded.open_positions,
	open_edus = excluded.open_edus;

-- name: destination_reached
-- A transaction was taken at a time: nothing is open and nothing fails any more. One row. Index: destinations_pkey.
INSERT INTO destinations (server, reached_at_ms) VALUES ($1, $2)
ON CONFLICT (server) DO UPDATE SET failures = 0, interval_ms = 0, retry_at_ms = 0, failing_since_ms = 0, cause = '',
	reached_at_ms = excluded.reached_at_ms, open_rooms = '{}', open_positions = '{}', open_edus = '{}';

-- name: destination_retry
-- Failing destinations ($1; NULL: all) are tried at once. Index: destinations_pkey.
UPDATE destinations SET retry_at_ms = 0 WHERE failures > 0 AND ($1::text IS NULL OR server = $1);

-- name: destination_list
-- All destinations by name, from $1 on, up to $2: server, failures, next try, since when, last reached, cause, EDUs that wait (counted up
-- to 1,000), rooms missed, events of an open transaction. Index: destinations_pkey, outbox_edus_pkey, outbox_missed_pkey.
SELECT d.server, d.failures, d.retry_at_ms, d.failing_since_ms, d.reached_at_ms, d.cause,
	(SELECT count(*) FROM (SELECT 1 FROM outbox_edus e WHERE e.server = d.server LIMIT 1000) AS waiting),
	(SELECT count(*) FROM outbox_missed m WHERE m.server = d.server), cardinality(d.open_positions)
FROM destinations d WHERE d.server >= $1 ORDER BY d.server LIMIT $2;
