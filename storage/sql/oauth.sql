-- name: oauth_client_register
-- One row: id, metadata, since when it counts as used, and before when that is moved on. The same metadata is the same row. Index: oauth_clients_pkey.
INSERT INTO oauth_clients (client_id, metadata, last_used_ms) VALUES ($1, $2, $3)
ON CONFLICT (client_id) DO UPDATE SET last_used_ms = excluded.last_used_ms WHERE oauth_clients.last_used_ms < $4;

-- name: oauth_client_find hot
-- At most one row. Index: oauth_clients_pkey.
SELECT metadata FROM oauth_clients WHERE client_id = $1;

-- name: oauth_client_delete_old
-- Clients that nobody used since a time, when no device and no log-in is theirs. Index: oauth_clients_used_idx, oauth_sessions_client_idx. Rare: once in a while.
DELETE FROM oauth_clients c WHERE c.last_used_ms < $1
	AND NOT EXISTS (SELECT 1 FROM oauth_sessions s WHERE s.client_id = c.client_id OFFSET 0)
	AND NOT EXISTS (SELECT 1 FROM oauth_device_grants g WHERE g.client_id = c.client_id);

-- name: oauth_session_insert
-- One row: user, device, client, hash of the family, scope, now. Its device is held, and had none (token_delete_device). That the client was used is
-- noted when that was before $7. Index: oauth_clients_pkey.
WITH used AS (UPDATE oauth_clients SET last_used_ms = $6 WHERE client_id = $3 AND last_used_ms < $7)
INSERT INTO oauth_sessions (user_id, device_id, client_id, family_hash, scope) VALUES ($1, $2, $3, $4, $5);

-- name: oauth_session_find hot
-- At most one row. Index: oauth_sessions_pkey.
SELECT user_id, device_id, client_id FROM oauth_sessions WHERE user_id = $1 AND device_id = $2;

-- name: oauth_session_by_family hot
-- At most one row: hash of the family. Index: oauth_sessions_family_idx.
SELECT user_id, device_id, client_id FROM oauth_sessions WHERE family_hash = $1;

-- name: oauth_token_find hot
-- At most one row: the device of an access or refresh token by its hash; the client is NULL for the legacy API. Index: access_tokens_pkey,
-- refresh_tokens_pkey, oauth_sessions_pkey.
SELECT t.user_id, t.device_id, s.client_id
FROM (
	SELECT user_id, device_id FROM access_tokens WHERE token_hash = $1
	UNION ALL
	SELECT user_id, device_id FROM refresh_tokens WHERE token_hash = $1
) AS t
LEFT JOIN oauth_sessions s ON s.user_id = t.user_id AND s.device_id = t.device_id;

-- name: oauth_consent_spend
-- A row for whoever is first: user, hash of a code or of a device code, now. The code stays, so that a second use of it is known.
-- Index: account_secrets_pkey, oauth_device_grants_pkey.
WITH code AS (
	UPDATE account_secrets SET kind = 'oauth_used'
	WHERE kind = 'oauth_code' AND secret_hash = $2 AND user_id = $1 AND expires_at_ms > $3
	RETURNING secret_hash
), device AS (
	DELETE FROM oauth_device_grants
	WHERE device_code_hash = $2 AND state = 'approved' AND user_id = $1 AND expires_at_ms > $3
	RETURNING device_code_hash
)
SELECT secret_hash FROM code UNION ALL SELECT device_code_hash FROM device;

-- name: oauth_device_grant_insert
-- One row, or none where the user code is taken: hash of the device code, user code, client, scope, end.
INSERT INTO oauth_device_grants (device_code_hash, user_code, client_id, scope, state, expires_at_ms, polled_at_ms)
VALUES ($1, $2, $3, $4, 'pending', $5, 0)
ON CONFLICT (user_code) DO NOTHING;

-- name: oauth_device_grant_poll
-- At most one row, with when it was asked for before: hash of the device code, now. Index: oauth_device_grants_pkey.
WITH before AS (
	SELECT device_code_hash, polled_at_ms FROM oauth_device_grants WHERE device_code_hash = $1 FOR UPDATE
)
UPDATE oauth_device_grants g SET polled_at_ms = $2 FROM before b WHERE g.device_code_hash = b.device_code_hash
RETURNING g.client_id, g.scope, g.state, g.user_id, g.expires_at_ms, b.polled_at_ms;

-- name: oauth_device_grant_find hot
-- At most one row, which waits for an answer: user code, now. Index: oauth_device_grants_user_code_idx.
SELECT client_id, scope FROM oauth_device_grants WHERE user_code = $1 AND state = 'pending' AND expires_at_ms > $2;

-- name: oauth_device_grant_decide
-- One row for whoever answers first: user code, user, state, now. Index: oauth_device_grants_user_code_idx.
UPDATE oauth_device_grants SET user_id = $2, state = $3
WHERE user_code = $1 AND state = 'pending' AND expires_at_ms > $4 RETURNING user_code;

-- name: oauth_device_grant_delete_old
-- Those that ended before a time. Index: oauth_device_grants_expires_idx.
DELETE FROM oauth_device_grants WHERE expires_at_ms < $1;
