-- What: edits of notices that are for what is still to come alone.
-- Why:  "from next week on, bring your gym shoes" must not change what this week's notice said (docs/notices.md).
-- Cost: none. Old processes may run beside it: they edit what was sent, too.

ALTER TABLE notice_edits ADD COLUMN is_later boolean NOT NULL DEFAULT false;
COMMENT ON COLUMN notice_edits.is_later IS 'what replaced these texts is for what had not gone out by then; what had gone out says them still';
