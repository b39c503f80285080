-- name: remote_list_find hot
-- Lists of users as far as they are known, and whether they are up to date and may be relied on: user, stream id, master key,
-- self-signing key, stale. Index: remote_device_lists_pkey.
SELECT user_id, stream_id, master_key, self_signing_key, is_stale FROM remote_device_lists
WHERE user_id = ANY($1::text[]);

-- name: remote_device_find hot
-- Devices of users, sorted: user, device, keys, name. Index: remote_devices_pkey.
SELECT user_id, device_id, keys, display_name FROM remote_devices
WHERE user_id = ANY($1::text[]) ORDER BY user_id, device_id;

-- name: remote_user_shares hot
-- Those of the users who share a room with somebody here. Index: members_pkey, members_local_idx.
SELECT DISTINCT m.user_id FROM members m JOIN LATERAL (
	SELECT 1 FROM members h WHERE h.room_nid >= m.room_nid AND h.room_nid <= m.room_nid AND h.is_local AND h.membership = 'join'
	ORDER BY h.room_nid LIMIT 1
) AS here ON true
WHERE m.user_id = ANY($1::text[]) AND m.membership = 'join';
