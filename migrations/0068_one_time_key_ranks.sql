-- What: the least and the greatest id of a batch of one-time keys by rank (key_id_rank() in matrix/key_entry.h) in place of bytes.
-- Why:  clients call their keys by numbers in Base64, in which digits come after letters, by bytes before them: so most uploads seemed to hold ids that lie
--       among those of an older batch, and were compared with it in a round trip of its own.
-- Cost: reads the table of one-time keys once and writes its rows anew, without what lies outside of them: 14 s for a million keys uploaded by fifties, 28 s
--       for 300,000 uploaded one by one, on a busy machine. Old processes may not run beside it: they know the columns by their former names alone, so that
--       uploads of keys fail there.

-- Every id has its rank, whether it was given to somebody or not.
UPDATE one_time_key_batches b SET (first_id, last_id) = (
	SELECT min(r.rank), max(r.rank)
	FROM generate_series(0, b.total - 1) AS i
	CROSS JOIN LATERAL (
		SELECT substring(b.keys, i * (octet_length(b.keys) / b.total) + 1, octet_length(b.keys) / b.total) AS entry OFFSET 0
	) AS e
	CROSS JOIN LATERAL (
		SELECT translate(convert_from(substring(e.entry, 4, get_byte(e.entry, 0)), 'UTF8'),
			'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/',
			'+/0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz') COLLATE "C" AS rank
	) AS r
);
ALTER TABLE one_time_key_batches RENAME COLUMN first_id TO first_rank;
ALTER TABLE one_time_key_batches RENAME COLUMN last_id TO last_rank;
COMMENT ON COLUMN one_time_key_batches.first_rank IS 'the least rank of an id (matrix/key_entry.h), by bytes';
COMMENT ON COLUMN one_time_key_batches.last_rank IS 'the greatest rank of an id, by bytes';
