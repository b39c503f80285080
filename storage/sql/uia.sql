-- name: uia_insert
-- One row: hash of the session id, user, binding, completed stages, registration token, expiry, sealed body, e-mail
-- address, terms. One of that id that has ended, and was not forgotten yet, begins anew: some ids follow from the request.
INSERT INTO uia_sessions (session_hash, user_id, binding, completed, registration_token, expires_at_ms, body,
	email, terms)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
ON CONFLICT (session_hash) DO UPDATE SET completed = excluded.completed, expires_at_ms = excluded.expires_at_ms, body = excluded.body;

-- name: uia_find hot
-- At most one row. Index: uia_sessions_pkey.
SELECT user_id, binding, completed, registration_token, expires_at_ms, body, email, terms
FROM uia_sessions WHERE session_hash = $1;

-- name: uia_set_completed
-- One row unless the session is gone or moved on meanwhile: hash, completed before, completed after, registration
-- token, e-mail address, terms. Index: uia_sessions_pkey.
UPDATE uia_sessions SET completed = $3, registration_token = $4, email = $5, terms = $6
WHERE session_hash = $1 AND completed = $2;

-- name: uia_delete
-- One row for whoever is first. Index: uia_sessions_pkey.
DELETE FROM uia_sessions WHERE session_hash = $1;

-- name: uia_delete_old
-- Sessions that ended before a time. Index: uia_sessions_expires_idx.
DELETE FROM uia_sessions WHERE expires_at_ms < $1;
