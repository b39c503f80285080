-- name: server_notice_insert
-- One row: user, text, time.
INSERT INTO server_notices (user_id, body, created_at_ms) VALUES ($1, $2, $3);

-- name: server_notice_waiting hot
-- The oldest $1 that wait. Index: server_notices_pkey.
SELECT notice_id, user_id, body, created_at_ms FROM server_notices ORDER BY notice_id LIMIT $1;

-- name: server_notice_delete
-- At most one row. Index: server_notices_pkey.
DELETE FROM server_notices WHERE notice_id = $1;

-- name: server_notice_room_find hot
-- At most one row. Index: notice_rooms_pkey.
SELECT room_nid FROM notice_rooms WHERE user_id = $1;
