-- What: files of notices, which follow their texts into each room.
-- Why:  a letter to the guardians has its form to be filled in (docs/notices.md).
-- Cost: none. Old processes may run beside it: they leave the files waiting.

CREATE TABLE notice_attachments (
	notice_id bigint NOT NULL,
	ordinal bigint NOT NULL,
	media_id text NOT NULL,
	CONSTRAINT notice_attachments_pkey PRIMARY KEY (notice_id, ordinal),
	CONSTRAINT notice_attachments_notice_fkey FOREIGN KEY (notice_id) REFERENCES notices (notice_id) ON DELETE CASCADE
);
COMMENT ON TABLE notice_attachments IS 'Files of notices';
COMMENT ON COLUMN notice_attachments.notice_id IS 'notice';
COMMENT ON COLUMN notice_attachments.ordinal IS 'order in which they were given, from 1';
COMMENT ON COLUMN notice_attachments.media_id IS 'upload of the sender on this server';

ALTER TABLE notice_follow_ups
	ADD COLUMN sealed text,
	DROP CONSTRAINT notice_follow_ups_kind_check,
	ADD CONSTRAINT notice_follow_ups_kind_check CHECK (kind IN ('edit', 'amend', 'pin', 'unpin', 'file'));
COMMENT ON COLUMN notice_follow_ups.kind IS 'edit: the newest texts, and people are told; amend: without telling; pin; unpin; file';
COMMENT ON COLUMN notice_follow_ups.ordinal IS 'of edits: how many there were; of files: theirs; else 0';
COMMENT ON COLUMN notice_follow_ups.sealed IS 'of files in encrypted rooms: where their ciphertext is, and its key, sealed; null: not made';
