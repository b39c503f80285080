-- name: account_data_get hot
-- At most one row. Index: account_data_pkey.
SELECT room_nid, type, content, position FROM account_data
WHERE user_id = $1 AND room_nid = $2 AND type = $3;

-- name: account_data_of_room hot
-- A room's (or, for 0, the account's) that changed in a span of positions. Index: account_data_pkey.
SELECT room_nid, type, content, position FROM account_data
WHERE user_id = $1 AND room_nid = $2 AND position > $3 AND position <= $4 ORDER BY position;

-- name: account_data_of_rooms hot
-- Of all rooms, changed in a span of positions. Index: account_data_position_idx.
SELECT room_nid, type, content, position FROM account_data
WHERE user_id = $1 AND room_nid > 0 AND position > $2 AND position <= $3 ORDER BY position;

-- name: account_data_position hot
-- Newest change of a user's account data, and the content of m.invite_permission_config, NULL: none; one row.
-- Index: account_data_position_idx, one entry; account_data_pkey.
SELECT coalesce(max(position), 0), (SELECT d.content FROM account_data d
	WHERE d.user_id = $1 AND d.room_nid = 0 AND d.type = 'm.invite_permission_config')
FROM account_data WHERE user_id = $1;

-- name: account_data_erase
-- All of a user who wished to be erased; of others none. Index: account_data_pkey.
DELETE FROM account_data d USING accounts a
WHERE d.user_id = $1 AND a.user_id = d.user_id AND a.is_erased;
