-- name: device_list_changed hot
-- Users whose keys changed after a position ($2), as far as a user ($1) joined to rooms ($3) may know.
-- Index: device_list_changes_position_idx, members_pkey.
SELECT DISTINCT c.user_id FROM device_list_changes c
WHERE c.position > $2 AND (c.seen_by = $1 OR (c.seen_by = '' AND (c.user_id = $1 OR EXISTS (
	SELECT 1 FROM members m WHERE m.user_id = c.user_id AND m.room_nid = ANY($3::bigint[]) AND m.membership = 'join'))));

-- name: device_list_sharing hot
-- Those of the users ($1) who are joined to one of the rooms ($2). Index: members_pkey.
SELECT DISTINCT m.user_id FROM members m
WHERE m.user_id = ANY($1::text[]) AND m.room_nid = ANY($2::bigint[]) AND m.membership = 'join';

-- name: device_list_position hot
-- When a user's keys last changed for everybody: one row at the most. Index: device_list_changes_pkey.
SELECT position FROM device_list_changes WHERE user_id = $1 AND seen_by = '';

-- name: device_list_pending
-- Users whose devices changed beside the writer: few or none. Index: device_list_pending_pkey.
SELECT user_id FROM device_list_pending ORDER BY user_id LIMIT $1;

-- name: device_list_is_pending hot
-- One row if the user's devices changed beside the writer. Index: device_list_pending_pkey.
SELECT 1 FROM device_list_pending WHERE user_id = $1;
