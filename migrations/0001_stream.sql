-- What: the one stream position of this database.
-- Why:  everything a client can be told about takes its position from here; the row's lock orders commits of all processes.
-- Cost: none. Old processes may run beside it: there are none.
CREATE TABLE stream_head (
	only_row boolean NOT NULL DEFAULT true,
	position bigint NOT NULL,
	CONSTRAINT stream_head_pkey PRIMARY KEY (only_row),
	CONSTRAINT stream_head_one_row CHECK (only_row)
) WITH (fillfactor = 10);
COMMENT ON TABLE stream_head IS 'The newest stream position; one row, updated first in every group commit';
COMMENT ON COLUMN stream_head.only_row IS 'always true';
COMMENT ON COLUMN stream_head.position IS 'newest position given out; becomes visible with its commit';
INSERT INTO stream_head (position) VALUES (0);
