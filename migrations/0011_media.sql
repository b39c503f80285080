-- What: the content repository: files of this server and cached ones of others, thumbnails.
-- Why:  a file lies in the store under the hash of its bytes; who gave it, and under which id it is known, stands here.
-- Cost: none on an empty database. Old processes may run beside it.

CREATE TABLE media (
	origin text NOT NULL,
	media_id text NOT NULL,
	user_id text,
	content_type text,
	file_name text,
	size_bytes bigint,
	sha256 bytea,
	created_ms bigint NOT NULL,
	expires_ms bigint NOT NULL,
	is_open boolean NOT NULL,
	is_quarantined boolean NOT NULL DEFAULT false,
	CONSTRAINT media_pkey PRIMARY KEY (origin, media_id)
);
CREATE INDEX media_user_idx ON media (user_id, created_ms);
CREATE INDEX media_sha256_idx ON media (sha256);
CREATE INDEX media_expires_idx ON media (expires_ms) WHERE sha256 IS NULL;
COMMENT ON TABLE media IS 'Files by their mxc:// URI; several may share one content';
COMMENT ON COLUMN media.origin IS 'server name of the URI';
COMMENT ON COLUMN media.media_id IS 'media id of the URI';
COMMENT ON COLUMN media.user_id IS 'who uploaded it here; null for files of other servers and for images of previews';
COMMENT ON COLUMN media.content_type IS 'as given at the upload; null: none';
COMMENT ON COLUMN media.file_name IS 'as given at the upload; null: none';
COMMENT ON COLUMN media.size_bytes IS 'null: not yet uploaded';
COMMENT ON COLUMN media.sha256 IS 'of the content, and its name in the store; null: not yet uploaded';
COMMENT ON COLUMN media.created_ms IS 'when the id was made';
COMMENT ON COLUMN media.expires_ms IS 'when an id without content ends';
COMMENT ON COLUMN media.is_open IS 'the endpoints without authentication give it too';
COMMENT ON COLUMN media.is_quarantined IS 'nobody gets it';

CREATE TABLE media_thumbnails (
	source bytea NOT NULL,
	variant text NOT NULL,
	content_type text,
	size_bytes bigint NOT NULL,
	sha256 bytea,
	CONSTRAINT media_thumbnails_pkey PRIMARY KEY (source, variant)
);
COMMENT ON TABLE media_thumbnails IS 'Thumbnails that were made, by the content that they show';
COMMENT ON COLUMN media_thumbnails.source IS 'SHA-256 of the image';
COMMENT ON COLUMN media_thumbnails.variant IS 'WIDTHxHEIGHT-method, and -animated';
COMMENT ON COLUMN media_thumbnails.content_type IS 'type; null where sha256 is';
COMMENT ON COLUMN media_thumbnails.size_bytes IS 'of the thumbnail';
COMMENT ON COLUMN media_thumbnails.sha256 IS 'of the thumbnail, and its name in the store; null: it cannot be made';
