-- name: consumer_lease
-- One row: whether this connection has the consumer's lease (it may have had it before). It ends with the connection.
SELECT pg_try_advisory_lock(hashtextextended('consumer ' || $1::text, 0));

-- name: consumer_give
-- One row: whether this connection had the lease, which others may have now.
SELECT pg_advisory_unlock(hashtextextended('consumer ' || $1::text, 0));

-- name: consumer_position
-- Where the consumer is; one that is not known begins at $2. No row: another has made it meanwhile. Index: consumers_pkey.
WITH made AS (
	INSERT INTO consumers (name, position) VALUES ($1, $2) ON CONFLICT (name) DO NOTHING RETURNING position
)
SELECT position FROM made UNION ALL SELECT position FROM consumers WHERE name = $1 LIMIT 1;

-- name: consumer_skip
-- Moves a consumer from $2 to $3 without a flush. One that does not stand at $2 divides by zero. Index: consumers_pkey.
WITH unflushed AS MATERIALIZED (
	SELECT set_config('synchronous_commit', 'off', true) AS value
), moved AS (
	UPDATE consumers SET position = $3 FROM unflushed u
	WHERE name = $1 AND position = $2 AND u.value IS NOT NULL RETURNING 1
)
SELECT 1 / count(*) FROM moved;
