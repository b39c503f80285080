-- name: account_insert
-- One row when the name was free, else none. Who is no guest is called by the local part until another name is chosen.
-- Index: accounts_pkey.
WITH made AS (
	INSERT INTO accounts (user_id, password_hash, is_admin, is_guest, created_at_ms)
	VALUES ($1, $2, $3, $4, $5)
	ON CONFLICT (user_id) DO NOTHING
	RETURNING user_id, is_guest
), named AS (
	INSERT INTO profiles (user_id, field, value)
	SELECT user_id, 'displayname', to_json(substring(user_id FROM '^@([^:]*)'))::text FROM made WHERE NOT is_guest
	ON CONFLICT ON CONSTRAINT profiles_pkey DO NOTHING
)
SELECT user_id FROM made;

-- name: account_end_guesthood
-- One row if there is a guest of that id who is not locked, who is a user with a password from then on. Index: accounts_pkey.
UPDATE accounts SET is_guest = false, password_hash = $2
WHERE user_id = $1 AND is_guest AND state = 'active' RETURNING user_id;

-- name: account_find hot
-- At most one row. Index: accounts_pkey.
SELECT user_id, password_hash, state, is_admin, is_guest, is_erased, created_at_ms, is_suspended
FROM accounts WHERE user_id = $1;

-- name: account_lock
-- At most one row, which nobody else changes until the transaction ends. Index: accounts_pkey.
SELECT user_id, password_hash, state, is_admin, is_guest, is_erased, created_at_ms, is_suspended
FROM accounts WHERE user_id = $1 FOR NO KEY UPDATE;

-- name: account_list
-- At most $2 rows, those after a user id. Index: accounts_pkey.
SELECT user_id, password_hash, state, is_admin, is_guest, is_erased, created_at_ms, is_suspended
FROM accounts WHERE user_id > $1 ORDER BY user_id LIMIT $2;

-- name: account_set_password
-- One row unless there is no such account or it is deactivated. Index: accounts_pkey.
UPDATE accounts SET password_hash = $2 WHERE user_id = $1 AND state <> 'deactivated' RETURNING user_id;

-- name: account_set_state
-- active and locked; deactivation is final. One row unless there is none to change. Index: accounts_pkey.
UPDATE accounts SET state = $2 WHERE user_id = $1 AND state <> 'deactivated' RETURNING user_id;

-- name: account_set_suspended
-- One row unless there is no such account or it is deactivated. Index: accounts_pkey.
UPDATE accounts SET is_suspended = $2 WHERE user_id = $1 AND state <> 'deactivated' RETURNING user_id;

-- name: account_deactivate
-- One row unless there is no such account. Index: accounts_pkey.
UPDATE accounts SET state = 'deactivated', password_hash = NULL, is_admin = false, is_leaving = true,
	is_erased = is_erased OR $2::boolean,
	erased_position = coalesce(erased_position, CASE WHEN $2::boolean THEN (SELECT position FROM stream_head) END)
WHERE user_id = $1 RETURNING user_id;

-- name: account_erased
-- Every user who is erased. Index: accounts_erased_idx.
SELECT user_id, erased_position FROM accounts WHERE erased_position IS NOT NULL;

-- name: account_set_admin
-- One row unless there is no such account or it is deactivated. Index: accounts_pkey.
UPDATE accounts SET is_admin = $2 WHERE user_id = $1 AND state <> 'deactivated' RETURNING user_id;

-- name: account_guests hot
-- Which of some users are guests. Index: accounts_pkey.
SELECT user_id FROM accounts WHERE user_id = ANY ($1::text[]) AND is_guest ORDER BY user_id;

-- name: account_leaving hot
-- At most $2 rows, behind $1. Index: accounts_leaving_idx.
SELECT user_id FROM accounts WHERE is_leaving AND user_id > $1 ORDER BY user_id LIMIT $2;

-- name: account_left
-- One row. Index: accounts_pkey.
UPDATE accounts SET is_leaving = false WHERE user_id = $1;

-- name: session_epoch_get
-- One row.
SELECT epoch FROM session_epoch;

-- name: session_epoch_next
-- One row.
UPDATE session_epoch SET epoch = epoch + 1;
