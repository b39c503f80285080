-- What: a row for the one-time keys of one algorithm that a device uploaded together, in place of a row for each key.
-- Why:  50 keys were 50 rows with their indexes and 50 looks at whether the device is there: four fifths of what an upload cost.
-- Cost: reads the table of one-time keys once and writes it anew. Old processes may not run beside it: they know the other table alone, so
--       that uploads and claims of keys fail there.

CREATE TABLE one_time_key_batches (
	user_id text NOT NULL,
	device_id text NOT NULL,
	algorithm text NOT NULL,
	seq bigint NOT NULL,
	first_id text COLLATE "C" NOT NULL,
	last_id text COLLATE "C" NOT NULL,
	key_ids text[] NOT NULL,
	keys text[] NOT NULL,
	total integer NOT NULL,
	given integer NOT NULL DEFAULT 0,
	is_spent boolean NOT NULL DEFAULT false,
	CONSTRAINT one_time_key_batches_pkey PRIMARY KEY (user_id, device_id, seq),
	CONSTRAINT one_time_key_batches_device_fkey FOREIGN KEY (user_id, device_id)
		REFERENCES devices (user_id, device_id) ON DELETE CASCADE,
	CONSTRAINT one_time_key_batches_given_check CHECK (given BETWEEN 0 AND total AND is_spent = (given = total))
) WITH (fillfactor = 70, toast_tuple_target = 256);
-- Signatures and public keys do not get shorter. What lies outside of the row is not written again when keys are given out.
ALTER TABLE one_time_key_batches ALTER COLUMN key_ids SET STORAGE EXTERNAL, ALTER COLUMN keys SET STORAGE EXTERNAL;
COMMENT ON TABLE one_time_key_batches IS 'One-time keys; those that were given out stay for a while, so that none uploaded again is given out again';
COMMENT ON COLUMN one_time_key_batches.user_id IS 'whose';
COMMENT ON COLUMN one_time_key_batches.device_id IS 'of which device';
COMMENT ON COLUMN one_time_key_batches.algorithm IS 'signed_curve25519, …';
COMMENT ON COLUMN one_time_key_batches.seq IS 'how many keys the device had uploaded before';
COMMENT ON COLUMN one_time_key_batches.first_id IS 'the least of key_ids, by bytes';
COMMENT ON COLUMN one_time_key_batches.last_id IS 'the greatest of key_ids, by bytes';
COMMENT ON COLUMN one_time_key_batches.key_ids IS 'chosen by the device; in the order in which they are given out';
COMMENT ON COLUMN one_time_key_batches.keys IS 'canonical JSON of each';
COMMENT ON COLUMN one_time_key_batches.total IS 'keys of the batch';
COMMENT ON COLUMN one_time_key_batches.given IS 'how many of them, from the first, were given to somebody';
COMMENT ON COLUMN one_time_key_batches.is_spent IS 'all were; what indexes ask, so that most claims change none';

-- What is left of a device before the next: a batch for each hundred keys of an algorithm.
WITH numbered AS (
	SELECT *, row_number() OVER (PARTITION BY user_id, device_id, algorithm, is_claimed ORDER BY seq) - 1 AS n FROM one_time_keys
), grouped AS (
	SELECT user_id, device_id, algorithm, is_claimed, min(seq) AS first_seq, count(*) AS total, min(key_id COLLATE "C") AS first_id,
		max(key_id COLLATE "C") AS last_id, array_agg(key_id ORDER BY seq) AS key_ids, array_agg(key ORDER BY seq) AS keys
	FROM numbered GROUP BY user_id, device_id, algorithm, is_claimed, n / 100
)
INSERT INTO one_time_key_batches (user_id, device_id, algorithm, seq, first_id, last_id, key_ids, keys, total, given, is_spent)
SELECT user_id, device_id, algorithm,
	sum(total) OVER (PARTITION BY user_id, device_id ORDER BY is_claimed DESC, first_seq) - total,
	first_id, last_id, key_ids, keys, total, CASE WHEN is_claimed THEN total ELSE 0 END, is_claimed
FROM grouped;
DROP TABLE one_time_keys;

CREATE INDEX one_time_key_batches_free_idx ON one_time_key_batches (user_id, device_id, algorithm, seq) WHERE NOT is_spent;
-- Ids count upwards with most clients: of what was there before hardly one is as great as the least of a new batch.
CREATE INDEX one_time_key_batches_ids_idx ON one_time_key_batches (algorithm, user_id, device_id, last_id, first_id);
