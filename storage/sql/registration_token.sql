-- name: registration_token_insert
-- One row when the token is new, else none: token, uses allowed, expiry, now. Index: registration_tokens_pkey.
INSERT INTO registration_tokens (token, uses_allowed, expires_at_ms, created_at_ms)
VALUES ($1, $2, $3, $4)
ON CONFLICT (token) DO NOTHING;

-- name: registration_token_list
-- All of them: tens.
SELECT token, uses_allowed, use_count, expires_at_ms, created_at_ms
FROM registration_tokens ORDER BY created_at_ms, token;

-- name: registration_token_find hot
-- At most one row. Index: registration_tokens_pkey.
SELECT token, uses_allowed, use_count, expires_at_ms, created_at_ms
FROM registration_tokens WHERE token = $1;

-- name: registration_token_use
-- One row when it was good for one account more: token, now. Index: registration_tokens_pkey.
UPDATE registration_tokens SET use_count = use_count + 1
WHERE token = $1 AND (uses_allowed IS NULL OR use_count < uses_allowed)
	AND (expires_at_ms = 0 OR expires_at_ms > $2)
RETURNING token;

-- name: registration_token_delete
-- One row unless there is no such token. Index: registration_tokens_pkey.
DELETE FROM registration_tokens WHERE token = $1;
