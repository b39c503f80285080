-- name: appservice_version_find
-- One row: the version.
SELECT version FROM appservice_version;

-- name: appservice_version_next
-- The row, locked until the transaction ends, so that changes come one after the other.
UPDATE appservice_version SET version = version + 1;

-- name: appservice_list
-- All rows, in order, up to a number. Index: appservices_pkey.
SELECT id, as_token_hash, hs_token, registration, added_ms, changed_ms FROM appservices ORDER BY id LIMIT $1;

-- name: appservice_put
-- One row, new or changed: id, hash of its token, our token, registration, now; a new one hears of what comes from now on.
-- Index: appservices_pkey, appservice_deliveries_pkey.
WITH put AS (
	INSERT INTO appservices (id, as_token_hash, hs_token, registration, added_ms, changed_ms)
	VALUES ($1, $2, $3, $4, $5, $5)
	ON CONFLICT ON CONSTRAINT appservices_pkey DO UPDATE SET as_token_hash = excluded.as_token_hash,
		hs_token = excluded.hs_token, registration = excluded.registration, changed_ms = excluded.changed_ms
	RETURNING id
)
INSERT INTO appservice_deliveries (appservice_id, since_position) SELECT id, position FROM put, stream_head
ON CONFLICT (appservice_id) DO NOTHING;

-- name: appservice_account_set
-- An account ($1) is of the service ($2) that made it. Index: accounts_pkey.
UPDATE accounts SET appservice_id = $2 WHERE user_id = $1;

-- name: appservice_delete
-- At most one row, and the version grows: id. Returns the version when there was one. Index: appservices_pkey.
WITH gone AS (DELETE FROM appservices WHERE id = $1 RETURNING id),
	rooms_gone AS (DELETE FROM network_rooms WHERE appservice_id = $1)
UPDATE appservice_version SET version = version + 1 WHERE EXISTS (SELECT 1 FROM gone) RETURNING version;
