-- What: the counter of what is never stored (typing, presence), for several processes on one database.
-- Why:  a sync token of one process has to mean the same to the others (docs/scaling.md).
-- Cost: none. Old processes may run beside it: they tell nobody who types.

CREATE UNLOGGED TABLE ephemeral_head (
	only_row boolean NOT NULL DEFAULT true,
	serial bigint NOT NULL,
	CONSTRAINT ephemeral_head_pkey PRIMARY KEY (only_row),
	CONSTRAINT ephemeral_head_only_row_check CHECK (only_row)
);
COMMENT ON TABLE ephemeral_head IS 'The newest serial of what is never stored; one row, or none after a crash';
COMMENT ON COLUMN ephemeral_head.only_row IS 'always true';
COMMENT ON COLUMN ephemeral_head.serial IS 'the newest that any process has given out while there were several';
