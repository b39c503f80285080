-- name: federation_policy_find
-- One row: policy (NULL: as configured), version.
SELECT policy, version FROM federation_policy;

-- name: federation_policy_set
-- The row: policy or NULL.
UPDATE federation_policy SET policy = $1, version = version + 1;

-- name: federation_server_list
-- All rows, in order. Index: federation_servers_pkey.
SELECT pattern, is_allowed FROM federation_servers ORDER BY pattern LIMIT $1;

-- name: federation_server_put
-- One row, new or changed, unless there are too many; and the version grows: pattern, whether allowed, most. Returns the version.
WITH put AS (
	INSERT INTO federation_servers (pattern, is_allowed)
	SELECT $1, $2 WHERE (SELECT count(*) FROM federation_servers) < $3
		OR EXISTS (SELECT 1 FROM federation_servers WHERE pattern = $1)
	ON CONFLICT ON CONSTRAINT federation_servers_pkey DO UPDATE SET is_allowed = excluded.is_allowed
	RETURNING pattern)
UPDATE federation_policy SET version = version + 1 WHERE EXISTS (SELECT 1 FROM put) RETURNING version;

-- name: federation_server_delete
-- At most one row, and the version grows: pattern. Returns the version when there was one.
WITH gone AS (DELETE FROM federation_servers WHERE pattern = $1 RETURNING pattern)
UPDATE federation_policy SET version = version + 1 WHERE EXISTS (SELECT 1 FROM gone) RETURNING version;
