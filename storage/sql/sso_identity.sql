-- name: sso_identity_find hot
-- At most one row: provider, subject. Index: sso_identities_pkey.
SELECT user_id FROM sso_identities WHERE provider = $1 AND subject = $2;

-- name: sso_identity_insert
-- One row unless the subject has an account: provider, subject, user, now. Index: sso_identities_pkey.
INSERT INTO sso_identities (provider, subject, user_id, created_at_ms) VALUES ($1, $2, $3, $4)
ON CONFLICT (provider, subject) DO NOTHING
RETURNING user_id;
