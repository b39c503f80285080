-- name: secret_insert
-- One row: kind, hash, user, data, expiry.
INSERT INTO account_secrets (kind, secret_hash, user_id, data, expires_at_ms) VALUES ($1, $2, $3, $4, $5);

-- name: secret_find hot
-- At most one row: kind, hash, now. Index: account_secrets_pkey.
SELECT user_id, data, expires_at_ms FROM account_secrets
WHERE kind = $1 AND secret_hash = $2 AND expires_at_ms > $3;

-- name: secret_take
-- At most one row, for whoever is first: kind, hash, now. Index: account_secrets_pkey.
DELETE FROM account_secrets WHERE kind = $1 AND secret_hash = $2 AND expires_at_ms > $3
RETURNING user_id, data, expires_at_ms;

-- name: secret_delete_user
-- All of a user, with what they allowed to devices without a browser, and the mails by which their password could be reset. Indexes:
-- account_secrets_user_idx, oauth_device_grants_user_idx, threepids_user_idx, email_validations_attempt_key.
WITH device AS (DELETE FROM oauth_device_grants WHERE user_id = $1),
reset AS (DELETE FROM email_validations WHERE purpose = 'password'
	AND address = ANY (ARRAY (SELECT address FROM threepids WHERE user_id = $1 AND medium = 'email')))
DELETE FROM account_secrets WHERE user_id = $1 AND user_id <> '';

-- name: secret_delete_old
-- Those that ended before a time. Index: account_secrets_expires_idx.
DELETE FROM account_secrets WHERE expires_at_ms < $1;
