-- What: what web pages said of themselves, for clients that show links.
-- Why:  a link in a room is asked for by all its members; the page is asked once.
-- Cost: none on an empty database. Old processes may run beside it.

CREATE TABLE url_previews (
	url_sha256 bytea NOT NULL,
	answer text,
	expires_ms bigint NOT NULL,
	CONSTRAINT url_previews_pkey PRIMARY KEY (url_sha256)
);
CREATE INDEX url_previews_expires_idx ON url_previews (expires_ms);
COMMENT ON TABLE url_previews IS 'Previews of web pages, for a while';
COMMENT ON COLUMN url_previews.url_sha256 IS 'SHA-256 of the URL that was asked for';
COMMENT ON COLUMN url_previews.answer IS 'JSON object for clients; null: the page could not be fetched';
COMMENT ON COLUMN url_previews.expires_ms IS 'when it is asked for anew';
