-- name: partial_join_due hot
-- Ids of up to $2 rooms whose missing members may be asked for at $1; also of those that wait for their first time, or for longer than
-- their pause may last, the first of which is $3, the longest $4: the clock has been set back. Index: partial_joins_retry_idx, twice, rooms_pkey.
SELECT r.room_id FROM (
	(SELECT room_nid FROM partial_joins WHERE retry_at_ms <= $1 ORDER BY retry_at_ms LIMIT $2)
	UNION ALL (SELECT room_nid FROM partial_joins WHERE retry_at_ms > $1
		AND (attempts = 0 OR retry_at_ms - $1 > least($3::bigint << least(attempts - 1, 20)::integer, $4)) LIMIT $2)
) AS p JOIN rooms r ON r.room_nid = p.room_nid LIMIT $2;

-- name: partial_join_find hot
-- At most one row: the join, servers, attempts, when they are asked again. Index: partial_joins_pkey.
SELECT join_event_id, servers, attempts, retry_at_ms FROM partial_joins WHERE room_nid = $1;

-- name: partial_join_defer hot
-- One more attempt has failed than $3; the next one is at $2. Nothing if another process has failed meanwhile. Index: partial_joins_pkey.
UPDATE partial_joins SET attempts = attempts + 1, retry_at_ms = $2 WHERE room_nid = $1 AND attempts = $3;

-- name: partial_join_stored hot
-- The members are stored: which servers are in the room, they tell from now on. Index: partial_joins_pkey.
UPDATE partial_joins SET servers = '[]' WHERE room_nid = $1;
