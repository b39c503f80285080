-- What: which files are copies of other servers', and when they were last used.
-- Why:  copies are kept within a budget and an age: the longest unused go first, and can be fetched again.
-- Cost: a constant default, no rewrite; the index is over copies only. Old processes may run beside it.

ALTER TABLE media ADD COLUMN is_remote boolean NOT NULL DEFAULT false;
ALTER TABLE media ADD COLUMN used_ms bigint NOT NULL DEFAULT 0;
CREATE INDEX media_remote_idx ON media (used_ms) INCLUDE (size_bytes) WHERE is_remote;
COMMENT ON COLUMN media.is_remote IS 'a copy of another server''s file; its content has a name in the store of its own';
COMMENT ON COLUMN media.used_ms IS 'of copies: the day when somebody last wanted it';
