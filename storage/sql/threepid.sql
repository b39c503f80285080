-- name: threepid_find hot
-- At most one row. Index: threepids_pkey.
SELECT medium, address, user_id, validated_at_ms, added_at_ms
FROM threepids WHERE medium = $1 AND address = $2;

-- name: threepid_insert
-- One row unless it is another user's: medium, address, user, validated, added. Index: threepids_pkey.
INSERT INTO threepids (medium, address, user_id, validated_at_ms, added_at_ms) VALUES ($1, $2, $3, $4, $5)
ON CONFLICT (medium, address) DO UPDATE SET validated_at_ms = excluded.validated_at_ms
WHERE threepids.user_id = excluded.user_id
RETURNING address;

-- name: threepid_list hot
-- All of a user. Index: threepids_user_idx.
SELECT medium, address, user_id, validated_at_ms, added_at_ms
FROM threepids WHERE user_id = $1 ORDER BY added_at_ms, address;

-- name: threepid_delete
-- At most one row: user, medium, address; mails to it end. Index: threepids_pkey, pushers_device_idx.
WITH pushed AS (
	DELETE FROM pushers WHERE user_id = $1 AND kind = $2 AND lower(pushkey) = $3
)
DELETE FROM threepids WHERE user_id = $1 AND medium = $2 AND address = $3;

-- name: threepid_delete_user
-- All of a user; mails to them end. Index: threepids_user_idx, pushers_device_idx.
WITH pushed AS (
	DELETE FROM pushers WHERE user_id = $1 AND kind = 'email'
)
DELETE FROM threepids WHERE user_id = $1;

-- name: threepid_bind_insert
-- At most one row: user, medium, address, identity server.
INSERT INTO threepid_binds (user_id, medium, address, id_server) VALUES ($1, $2, $3, $4)
ON CONFLICT DO NOTHING;

-- name: threepid_bind_list hot
-- All of a user. Index: threepid_binds_pkey.
SELECT medium, address, id_server FROM threepid_binds WHERE user_id = $1 ORDER BY medium, address, id_server;

-- name: threepid_bind_delete
-- One row for each spelling of the identity server's name: user, medium, address, identity server. Index: threepid_binds_pkey.
DELETE FROM threepid_binds WHERE user_id = $1 AND medium = $2 AND address = $3 AND lower(id_server) = lower($4);
