-- What: content of media that nobody refers to any more, until it is removed from the store.
-- Why:  a file is removed only when nothing else has the same content, and an upload of it at the same moment must not lose it: both take
--       the row here.
-- Cost: an index over the thumbnails. Old processes may run beside it as long as nobody deletes media.

CREATE TABLE media_garbage (
	sha256 bytea NOT NULL,
	since_ms bigint NOT NULL,
	is_removed boolean NOT NULL DEFAULT false,
	CONSTRAINT media_garbage_pkey PRIMARY KEY (sha256)
);
CREATE INDEX media_garbage_since_idx ON media_garbage (is_removed, since_ms);
CREATE INDEX media_thumbnails_sha256_idx ON media_thumbnails (sha256);
COMMENT ON TABLE media_garbage IS 'Content that may be wanted no more';
COMMENT ON COLUMN media_garbage.sha256 IS 'its name in the store';
COMMENT ON COLUMN media_garbage.since_ms IS 'when the last that referred to it was deleted, or it was removed';
COMMENT ON COLUMN media_garbage.is_removed IS 'it is gone from the store: who has just stored it looks again';
