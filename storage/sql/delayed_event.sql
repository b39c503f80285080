-- name: delayed_event_insert
-- One row, unless the user $2 has $11, or the transaction $10 (NULL: none) is known, which leads to it from now on. Index:
-- delayed_events_user_idx, transactions_pkey, delayed_events_pkey.
WITH has_room AS (
	SELECT 1 FROM delayed_events WHERE user_id = $2 HAVING count(*) < $11
), noted AS (
	INSERT INTO transactions (key, event_id, created_at_ms)
	SELECT $10::bytea, $1, $9::bigint FROM has_room WHERE $10::bytea IS NOT NULL
	ON CONFLICT DO NOTHING RETURNING 1
)
INSERT INTO delayed_events (delay_id, user_id, room_id, type, state_key, content, origin_server_ts, delay_ms, running_since_ms, due_at_ms)
SELECT $1, $2, $3, $4, $5, $6, $7::bigint, $8::bigint, $9::bigint, $9::bigint + $8::bigint
FROM has_room WHERE $10::bytea IS NULL OR EXISTS (SELECT 1 FROM noted);

-- name: delayed_event_find hot
-- At most one row. Index: delayed_events_pkey.
SELECT delay_id, user_id, room_id, type, state_key, content, origin_server_ts, delay_ms, running_since_ms, due_at_ms
FROM delayed_events WHERE delay_id = $1;

-- name: delayed_event_list hot
-- Those of a user, as many as one may have. Index: delayed_events_user_idx.
SELECT delay_id, user_id, room_id, type, state_key, content, origin_server_ts, delay_ms, running_since_ms, due_at_ms
FROM delayed_events WHERE user_id = $1 ORDER BY due_at_ms;

-- name: delayed_event_next_of_user hot
-- One row: when the next one of a user is due; NULL: there is none. Index: delayed_events_user_idx.
SELECT min(due_at_ms) FROM delayed_events WHERE user_id = $1;

-- name: delayed_event_restart hot
-- At most one row. Every few seconds for each member of a meeting. Index: delayed_events_pkey.
UPDATE delayed_events SET running_since_ms = $2, due_at_ms = $2::bigint + delay_ms WHERE delay_id = $1;

-- name: delayed_event_cancel
-- At most one row. Index: delayed_events_pkey.
DELETE FROM delayed_events WHERE delay_id = $1;

-- name: delayed_event_due hot
-- Up to $2 that are due at $1, in order. Index: delayed_events_due_idx.
SELECT delay_id, user_id, room_id, type, state_key, content, origin_server_ts, delay_ms, running_since_ms, due_at_ms
FROM delayed_events WHERE due_at_ms <= $1 ORDER BY due_at_ms LIMIT $2;

-- name: delayed_event_next hot
-- One row: when the next one is due; NULL: there is none. Index: delayed_events_due_idx.
SELECT (SELECT due_at_ms FROM delayed_events ORDER BY due_at_ms LIMIT 1);

-- name: delayed_event_drop
-- At most one row. Index: delayed_events_pkey.
DELETE FROM delayed_events WHERE delay_id = $1 AND due_at_ms + 0 = $2;

-- name: delayed_event_postpone
-- At most one row. Index: delayed_events_pkey.
UPDATE delayed_events SET due_at_ms = $3 WHERE delay_id = $1 AND due_at_ms + 0 = $2;

-- name: delayed_event_delete_user
-- Those of a user. Index: delayed_events_user_idx.
DELETE FROM delayed_events WHERE user_id = $1;
