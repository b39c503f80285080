-- What: for each writer (process) the number of its last committed transaction.
-- Why:  when the connection breaks at a COMMIT, this says whether it happened. The transaction's own number cannot: after a
--       crash PostgreSQL may give it to another one.
-- Cost: none. Old processes may run beside it; they ask in their own way.

CREATE TABLE writer_marks (
	writer_id bigint NOT NULL,
	serial bigint NOT NULL,
	at_ms bigint NOT NULL,
	CONSTRAINT writer_marks_pkey PRIMARY KEY (writer_id)
) WITH (fillfactor = 10);
COMMENT ON TABLE writer_marks IS 'The last committed transaction of each writer; updated in every group commit';
COMMENT ON COLUMN writer_marks.writer_id IS 'random number of one run of a server';
COMMENT ON COLUMN writer_marks.serial IS 'how many transactions the writer had begun by then';
COMMENT ON COLUMN writer_marks.at_ms IS 'when';
