-- What: the one-time keys of a batch as one value of entries of one size, in place of two arrays of texts.
-- Why:  50 keys were 11 KB in arrays that PostgreSQL took apart and put together at each upload and at each claim; now they are 5.5 KB that it does
--       not look into, and a claim reads the entry that it gives out.
-- Cost: reads the table of one-time keys once and writes it anew: 15 s for a million keys uploaded by fifties, 99 s for a million uploaded one by one, on a
--       busy machine. Old processes may not run beside it: they know the arrays alone, so that uploads and claims of keys fail there.

ALTER TABLE one_time_key_batches RENAME TO one_time_key_arrays;
ALTER TABLE one_time_key_arrays DROP CONSTRAINT one_time_key_batches_pkey, DROP CONSTRAINT one_time_key_batches_device_fkey;
DROP INDEX one_time_key_batches_free_idx, one_time_key_batches_ids_idx;

CREATE TABLE one_time_key_batches (
	user_id text NOT NULL,
	device_id text NOT NULL,
	algorithm text NOT NULL,
	seq bigint NOT NULL,
	first_id text COLLATE "C" NOT NULL,
	last_id text COLLATE "C" NOT NULL,
	keys bytea NOT NULL,
	total integer NOT NULL,
	given integer NOT NULL DEFAULT 0,
	is_spent boolean NOT NULL DEFAULT false,
	CONSTRAINT one_time_key_batches_pkey PRIMARY KEY (user_id, device_id, seq),
	CONSTRAINT one_time_key_batches_device_fkey FOREIGN KEY (user_id, device_id)
		REFERENCES devices (user_id, device_id) ON DELETE CASCADE
) WITH (fillfactor = 70, toast_tuple_target = 256);
-- Signatures and public keys do not get shorter, and of what is not compressed a part can be read. What lies outside of the row is not written again
-- when keys are given out.
ALTER TABLE one_time_key_batches ALTER COLUMN keys SET STORAGE EXTERNAL;
COMMENT ON TABLE one_time_key_batches IS 'One-time keys; those that were given out stay for a while, so that none uploaded again is given out again';
COMMENT ON COLUMN one_time_key_batches.user_id IS 'whose';
COMMENT ON COLUMN one_time_key_batches.device_id IS 'of which device';
COMMENT ON COLUMN one_time_key_batches.algorithm IS 'signed_curve25519, …';
COMMENT ON COLUMN one_time_key_batches.seq IS 'how many keys the device had uploaded before';
COMMENT ON COLUMN one_time_key_batches.first_id IS 'the least id, by bytes';
COMMENT ON COLUMN one_time_key_batches.last_id IS 'the greatest id, by bytes';
COMMENT ON COLUMN one_time_key_batches.keys IS
	'in the order in which they are given out, each with as many bytes: length of the id (1), of the text (2; 0: 32 of the key and 64 of the signature follow), id, text, zeroes';
COMMENT ON COLUMN one_time_key_batches.total IS 'keys of the batch';
COMMENT ON COLUMN one_time_key_batches.given IS 'how many of them, from the first, were given to somebody';
COMMENT ON COLUMN one_time_key_batches.is_spent IS 'all were; what indexes ask, so that most claims change none';

-- What is there stays the text that it is, until it has been given out.
INSERT INTO one_time_key_batches (user_id, device_id, algorithm, seq, first_id, last_id, keys, total, given, is_spent)
SELECT o.user_id, o.device_id, o.algorithm, o.seq, o.first_id, o.last_id, e.keys, o.total, o.given, o.is_spent
FROM one_time_key_arrays o CROSS JOIN LATERAL (
	SELECT string_agg(t.entry || decode(repeat('00', t.most - octet_length(t.entry)), 'hex'), '' ORDER BY t.n) AS keys FROM (
		SELECT u.n, r.entry, max(octet_length(r.entry)) OVER () AS most
		FROM unnest(o.key_ids, o.keys) WITH ORDINALITY AS u(key_id, key, n) CROSS JOIN LATERAL (
			SELECT substring(int2send(octet_length(u.key_id)::int2), 2) || substring(int4send(octet_length(u.key)), 3)
				|| convert_to(u.key_id, 'UTF8') || convert_to(u.key, 'UTF8') AS entry
		) AS r
	) AS t
) AS e;
DROP TABLE one_time_key_arrays;

CREATE INDEX one_time_key_batches_free_idx ON one_time_key_batches (user_id, device_id, algorithm, seq) WHERE NOT is_spent;
-- Ids count upwards with most clients: of what was there before hardly one is as great as the least of a new batch.
CREATE INDEX one_time_key_batches_ids_idx ON one_time_key_batches (algorithm, user_id, device_id, last_id, first_id);
