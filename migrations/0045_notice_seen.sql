-- What: how far each device has synced, and who has confirmed a notice by a link.
-- Why:  offices ask who has seen a notice (docs/notices.md).
-- Cost: none: a column with a constant default is no rewrite. Old processes may run beside it: they leave the position as it is.

ALTER TABLE devices ADD COLUMN synced_position bigint NOT NULL DEFAULT 0;
COMMENT ON COLUMN devices.synced_position IS 'stream position up to which its client has all; somewhat behind; 0: not known';

CREATE TABLE notice_confirmations (
	notice_id bigint NOT NULL,
	due_at_ms bigint NOT NULL,
	user_id text NOT NULL,
	confirmed_at_ms bigint NOT NULL,
	CONSTRAINT notice_confirmations_pkey PRIMARY KEY (notice_id, due_at_ms, user_id),
	CONSTRAINT notice_confirmations_notice_fkey FOREIGN KEY (notice_id) REFERENCES notices (notice_id) ON DELETE CASCADE
);
COMMENT ON TABLE notice_confirmations IS 'Who has confirmed an occurrence of a notice by the link in a mail';
COMMENT ON COLUMN notice_confirmations.notice_id IS 'notice';
COMMENT ON COLUMN notice_confirmations.due_at_ms IS 'when the occurrence was due';
COMMENT ON COLUMN notice_confirmations.user_id IS 'person';
COMMENT ON COLUMN notice_confirmations.confirmed_at_ms IS 'when the first time';
