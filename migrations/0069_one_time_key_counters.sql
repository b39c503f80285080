-- What: one-time keys inside of rows that never change, and a row for each device and algorithm that counts those uploaded and those given out.
-- Why:  a third of what the statement of an upload cost was pieces of keys outside of the row with their index, two more indexes, the look at whether the device is
--       there, and counting. An upload and a claim move a counter now; keys are found by its number.
-- How:  no key is given out but by way of the counter, which ends with its device and takes its keys along. Who uploads holds it until the commit, so that
--       nothing comes behind its end, and a device of the same name has another one.
-- Cost: reads the table of one-time keys once and writes it anew: 2 s for a million keys uploaded by fifties, 3.4 s for 300,000 uploaded one by one, without a flush. Old processes may not run beside it: they know the
--       former columns alone, so that uploads and claims of keys fail there.

CREATE TABLE one_time_key_counters (
	user_id text NOT NULL,
	device_id text NOT NULL,
	algorithm text NOT NULL,
	counter_nid bigint GENERATED ALWAYS AS IDENTITY,
	total bigint NOT NULL DEFAULT 0,
	given bigint NOT NULL DEFAULT 0,
	last_rank text COLLATE "C" NOT NULL DEFAULT '',
	CONSTRAINT one_time_key_counters_pkey PRIMARY KEY (user_id, device_id, algorithm),
	CONSTRAINT one_time_key_counters_device_fkey FOREIGN KEY (user_id, device_id)
		REFERENCES devices (user_id, device_id) ON DELETE CASCADE
) WITH (fillfactor = 70);
COMMENT ON TABLE one_time_key_counters IS 'One-time keys of a device, by algorithm: how many were uploaded and given out, in the same order';
COMMENT ON COLUMN one_time_key_counters.user_id IS 'whose';
COMMENT ON COLUMN one_time_key_counters.device_id IS 'of which device';
COMMENT ON COLUMN one_time_key_counters.algorithm IS 'signed_curve25519, …';
COMMENT ON COLUMN one_time_key_counters.counter_nid IS 'what its batches are found by';
COMMENT ON COLUMN one_time_key_counters.total IS 'keys uploaded so far';
COMMENT ON COLUMN one_time_key_counters.given IS 'how many of them, from the first, were given to somebody';
COMMENT ON COLUMN one_time_key_counters.last_rank IS 'the greatest rank of an id so far, by bytes';

ALTER TABLE one_time_key_batches RENAME TO one_time_key_rows;
ALTER TABLE one_time_key_rows DROP CONSTRAINT one_time_key_batches_pkey, DROP CONSTRAINT one_time_key_batches_device_fkey;
DROP INDEX one_time_key_batches_free_idx, one_time_key_batches_ids_idx;

CREATE TABLE one_time_key_batches (
	counter_nid bigint NOT NULL,
	seq bigint NOT NULL,
	total bigint NOT NULL,
	first_rank text COLLATE "C" NOT NULL,
	last_rank text COLLATE "C" NOT NULL,
	keys bytea NOT NULL,
	CONSTRAINT one_time_key_batches_pkey PRIMARY KEY (counter_nid, seq)
) WITH (toast_tuple_target = 8160);
-- Signatures and public keys do not get shorter, and of what is not compressed a part can be read. Only what does not fit into a page lies outside of the row.
ALTER TABLE one_time_key_batches ALTER COLUMN keys SET STORAGE EXTERNAL;
COMMENT ON TABLE one_time_key_batches IS 'One-time keys; those that were given out stay for a while, so that none uploaded again is given out again';
COMMENT ON COLUMN one_time_key_batches.counter_nid IS 'of which device and algorithm';
COMMENT ON COLUMN one_time_key_batches.seq IS 'how many keys of the algorithm the device had uploaded before';
COMMENT ON COLUMN one_time_key_batches.total IS 'keys of the batch';
COMMENT ON COLUMN one_time_key_batches.first_rank IS 'the least rank of an id (matrix/key_entry.h), by bytes';
COMMENT ON COLUMN one_time_key_batches.last_rank IS 'the greatest rank of an id, by bytes';
COMMENT ON COLUMN one_time_key_batches.keys IS
	'in the order in which they are given out, each with as many bytes: length of the id (1), of the text (2; 0: 32 of the key and 64 of the signature follow), id, text, zeroes';

-- A foreign key would look at the counter with each upload, which holds it already.
CREATE FUNCTION one_time_key_counter_end() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	DELETE FROM one_time_key_batches WHERE counter_nid = OLD.counter_nid;
	RETURN NULL;
END
$$;
COMMENT ON FUNCTION one_time_key_counter_end() IS 'Ends the batches of a counter that has ended';
CREATE TRIGGER one_time_key_counters_end AFTER DELETE ON one_time_key_counters
	FOR EACH ROW EXECUTE FUNCTION one_time_key_counter_end();

-- Batches were given out in the order of their numbers, so that what was given of an algorithm is the first of it.
INSERT INTO one_time_key_counters (user_id, device_id, algorithm, total, given, last_rank)
SELECT user_id, device_id, algorithm, sum(total), sum(given), max(last_rank) FROM one_time_key_rows GROUP BY user_id, device_id, algorithm;
INSERT INTO one_time_key_batches (counter_nid, seq, total, first_rank, last_rank, keys)
SELECT c.counter_nid, sum(o.total) OVER (PARTITION BY c.counter_nid ORDER BY o.is_spent DESC, o.given = 0, o.seq) - o.total,
	o.total, o.first_rank, o.last_rank, o.keys
FROM one_time_key_rows o JOIN one_time_key_counters c USING (user_id, device_id, algorithm);
DROP TABLE one_time_key_rows;
