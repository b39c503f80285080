-- name: filter_find hot
-- At most one row. Index: filters_pkey.
SELECT definition FROM filters WHERE user_id = $1 AND filter_id = $2;

-- name: filter_find_same hot
-- The id of an equal filter: at most one row. Index: filters_definition_key.
SELECT filter_id FROM filters WHERE user_id = $1 AND definition_hash = $2;

-- name: filter_insert hot
-- One row, the new id; a unique violation when somebody was first. Index: filters_pkey.
INSERT INTO filters (user_id, filter_id, definition, definition_hash)
SELECT $1, coalesce(max(filter_id), 0) + 1, $2, $3 FROM filters WHERE user_id = $1
RETURNING filter_id;
