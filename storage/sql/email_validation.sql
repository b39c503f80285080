-- name: email_validation_mails hot
-- One row: mails to an address since a time. Index: email_validations_attempt_key.
SELECT coalesce(sum(mails_sent), 0)::bigint FROM email_validations WHERE address = $1 AND created_at_ms > $2;

-- name: email_validation_begin
-- One row when a mail is to be sent: id, purpose, address, hashes of client secret and token, refused, attempt, next
-- link, now, expiry. Index: email_validations_attempt_key.
INSERT INTO email_validations (sid, purpose, address, client_secret_hash, token_hash, is_refused, send_attempt,
	mails_sent, next_link, created_at_ms, expires_at_ms)
VALUES ($1, $2, $3, $4, $5, $6, $7, 1, $8, $9, $10)
ON CONFLICT (address, client_secret_hash, purpose) DO UPDATE SET token_hash = excluded.token_hash,
	is_refused = excluded.is_refused, send_attempt = excluded.send_attempt, next_link = excluded.next_link,
	mails_sent = email_validations.mails_sent + 1, expires_at_ms = excluded.expires_at_ms, validated_at_ms = 0
WHERE (email_validations.send_attempt < excluded.send_attempt AND email_validations.validated_at_ms = 0)
	OR email_validations.expires_at_ms <= excluded.created_at_ms
RETURNING sid;

-- name: email_validation_sid hot
-- At most one row: address, hash of the client secret, purpose. Index: email_validations_attempt_key.
SELECT sid FROM email_validations WHERE address = $1 AND client_secret_hash = $2 AND purpose = $3;

-- name: email_validation_unsent
-- One row unless another attempt came meanwhile. Index: email_validations_pkey.
UPDATE email_validations SET send_attempt = send_attempt - 1, mails_sent = mails_sent - 1
WHERE sid = $1 AND send_attempt = $2;

-- name: email_validation_peek hot
-- At most one row: id, hash of the token, now. Index: email_validations_pkey.
SELECT address, purpose, next_link FROM email_validations
WHERE sid = $1 AND token_hash = $2 AND NOT is_refused AND expires_at_ms > $3;

-- name: email_validation_confirm
-- One row when the token is good: id, hash of the token, now, expiry. Index: email_validations_pkey.
UPDATE email_validations SET validated_at_ms = CASE WHEN validated_at_ms > 0 THEN validated_at_ms ELSE $3 END,
	expires_at_ms = greatest(expires_at_ms, $4)
WHERE sid = $1 AND token_hash = $2 AND NOT is_refused AND expires_at_ms > $3;

-- name: email_validation_find hot
-- At most one row, as email_validation_take would take it. Index: email_validations_pkey.
SELECT address, validated_at_ms FROM email_validations
WHERE purpose = $1 AND sid = $2 AND client_secret_hash = $3 AND validated_at_ms > 0 AND expires_at_ms > $4;

-- name: email_validation_take
-- One row for whoever is first: purpose, id, hash of the client secret, now. Index: email_validations_pkey.
DELETE FROM email_validations
WHERE purpose = $1 AND sid = $2 AND client_secret_hash = $3 AND validated_at_ms > 0 AND expires_at_ms > $4
RETURNING address, validated_at_ms;

-- name: email_validation_take_link
-- One row for whoever is first: purpose, id, hash of the token, now. Index: email_validations_pkey.
DELETE FROM email_validations
WHERE purpose = $1 AND sid = $2 AND token_hash = $3 AND NOT is_refused AND expires_at_ms > $4
RETURNING address, $4::bigint;

-- name: email_validation_delete_old
-- Those that ended before a time. Index: email_validations_expires_idx.
DELETE FROM email_validations WHERE expires_at_ms < $1;
