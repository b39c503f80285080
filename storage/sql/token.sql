-- name: token_find hot
-- At most one row: hash, and policies that have to be accepted (ids $2, versions $3). Whether one of them is not is the last column but
-- three, then the user's room for notices in that case, then whether the device logged in by OAuth, and when it came. Index: access_tokens_pkey, accounts_pkey,
-- devices_pkey, terms_accepted_pkey, notice_rooms_pkey, rooms_pkey, oauth_sessions_pkey.
SELECT t.user_id, t.device_id, t.refresh_hash, t.is_confirmed, t.expires_at_ms, a.state, a.is_admin,
	a.is_guest, a.is_suspended, lacking.is_one,
	CASE WHEN lacking.is_one THEN (SELECT r.room_id FROM notice_rooms AS n JOIN rooms AS r ON r.room_nid = n.room_nid
		WHERE n.user_id = a.user_id) END,
	EXISTS (SELECT 1 FROM oauth_sessions AS s WHERE s.user_id = t.user_id AND s.device_id = t.device_id OFFSET 0),
	d.created_at_ms
FROM access_tokens t JOIN accounts a ON a.user_id = t.user_id
JOIN devices d ON d.user_id = t.user_id AND d.device_id = t.device_id
CROSS JOIN LATERAL (SELECT EXISTS (
	SELECT 1 FROM unnest($2::text[], $3::text[]) AS u(policy_id, version) WHERE NOT EXISTS (
		SELECT 1 FROM terms_accepted AS c
		WHERE c.user_id = a.user_id AND c.policy_id = u.policy_id AND c.version = u.version))
) AS lacking(is_one)
WHERE t.token_hash = $1;

-- name: token_insert
-- One row: hash, user, device, hash of the refresh token, confirmed, expiry, now.
INSERT INTO access_tokens (token_hash, user_id, device_id, refresh_hash, is_confirmed, expires_at_ms,
	created_at_ms)
VALUES ($1, $2, $3, $4, $5, $6, $7);

-- name: token_delete_device
-- All tokens of a device, of both kinds, and whose client it is. Index: access_tokens_device_idx, refresh_tokens_device_idx, oauth_sessions_pkey.
WITH refresh AS (DELETE FROM refresh_tokens WHERE user_id = $1 AND device_id = $2),
	session AS (DELETE FROM oauth_sessions WHERE user_id = $1 AND device_id = $2)
DELETE FROM access_tokens WHERE user_id = $1 AND device_id = $2;

-- name: token_delete_old
-- Access tokens that ended before a time, when their refresh token is gone too. Rare: once in a while.
DELETE FROM access_tokens t WHERE t.expires_at_ms > 0 AND t.expires_at_ms < $1
	AND NOT EXISTS (SELECT 1 FROM refresh_tokens r WHERE r.token_hash = t.refresh_hash);

-- name: refresh_token_insert
-- One row: hash, user, device, confirmed, expiry, now.
INSERT INTO refresh_tokens (token_hash, user_id, device_id, is_confirmed, expires_at_ms, created_at_ms)
VALUES ($1, $2, $3, $4, $5, $6);

-- name: refresh_token_lock
-- At most one row, locked with its device; client and scope are those of a device that logged in by OAuth. Index: refresh_tokens_pkey,
-- devices_pkey, accounts_pkey, oauth_sessions_pkey.
SELECT r.user_id, r.device_id, r.is_confirmed, r.expires_at_ms, a.state, s.client_id, s.scope
FROM devices d
JOIN refresh_tokens r ON r.user_id = d.user_id AND r.device_id = d.device_id
JOIN accounts a ON a.user_id = d.user_id
LEFT JOIN oauth_sessions s ON s.user_id = d.user_id AND s.device_id = d.device_id
WHERE r.token_hash = $1
FOR UPDATE OF d, r;

-- name: token_pair_confirm
-- A pair is used for the first time: user, device, hash of its refresh token. One row unless the pair is gone.
-- Index: access_tokens_device_idx, refresh_tokens_device_idx.
UPDATE refresh_tokens SET is_confirmed = true
WHERE user_id = $1 AND device_id = $2 AND token_hash = $3
RETURNING token_hash;

-- name: token_pair_only
-- All tokens of the device but those of this pair end; its access token is confirmed.
-- Index: access_tokens_device_idx, refresh_tokens_device_idx.
WITH refresh AS (
	DELETE FROM refresh_tokens WHERE user_id = $1 AND device_id = $2 AND token_hash <> $3
), access AS (
	DELETE FROM access_tokens WHERE user_id = $1 AND device_id = $2
		AND refresh_hash IS DISTINCT FROM $3::bytea
)
UPDATE access_tokens SET is_confirmed = true
WHERE user_id = $1 AND device_id = $2 AND refresh_hash = $3;
