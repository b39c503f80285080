-- What: who holds the stream's head, and the number of its newest transaction.
-- Why:  a writer that is alone marks its transactions (0012) in the row that it updates anyway: one row less in each.
-- Cost: none. Old processes may run beside it: they mark in writer_marks, where the mark of one that holds the head goes before another takes it.

ALTER TABLE stream_head ADD COLUMN writer_id bigint NOT NULL DEFAULT 0, ADD COLUMN serial bigint NOT NULL DEFAULT 0;
COMMENT ON COLUMN stream_head.writer_id IS 'writer whose mark is here and not in writer_marks; 0: none';
COMMENT ON COLUMN stream_head.serial IS 'as in writer_marks';
COMMENT ON TABLE writer_marks IS 'The last committed transaction of each writer that has not marked it in stream_head';
