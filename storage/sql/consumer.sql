-- name: consumer_lease
-- One row: whether this connection has the consumer's lease (it may have had it before). It ends with the connection.
SELECT pg_try_advisory_lock(hashtextextended('consumer ' || $1::text, 0));

-- name: consumer_position
-- One row: where the consumer is; one that is not known begins at $2. Index: consumers_pkey.
WITH made AS (
	INSERT INTO consumers (name, position) VALUES ($1, $2) ON CONFLICT (name) DO NOTHING RETURNING position
)
SELECT position FROM made UNION ALL SELECT position FROM consumers WHERE name = $1 LIMIT 1;

-- name: consumer_reset
-- One row. Index: consumers_pkey.
UPDATE consumers SET position = $2 WHERE name = $1;
