-- What: pushers that send mails of missed messages.
-- Why:  a mail waits until its messages have been unread for a while, and the next one longer; so it is known since when they wait,
--       and when the last mail went.
-- Cost: small tables; the constraint is checked in moments. Old processes may run beside it, but must not deliver: they would
--       take an address for a gateway, and fail.

ALTER TABLE pushers DROP CONSTRAINT pushers_kind_known;
ALTER TABLE pushers ADD CONSTRAINT pushers_kind_known CHECK (kind IN ('http', 'email'));
ALTER TABLE pushers ADD COLUMN unsubscribe_token text;
ALTER TABLE pushers ADD COLUMN mailed_at_ms bigint NOT NULL DEFAULT 0;
ALTER TABLE pushers ADD COLUMN mail_pause_ms bigint NOT NULL DEFAULT 0;
COMMENT ON COLUMN pushers.kind IS 'http: a push gateway; email: mails to the address that is the pushkey';
COMMENT ON COLUMN pushers.unsubscribe_token IS 'stands in mails; who has it can end this pusher; NULL: not of kind email';
COMMENT ON COLUMN pushers.mailed_at_ms IS 'when the last mail was sent; 0: none yet';
COMMENT ON COLUMN pushers.mail_pause_ms IS 'how long after it none is sent; 0 once the user has read something';

ALTER TABLE push_queue ADD COLUMN queued_at_ms bigint NOT NULL DEFAULT 0;
COMMENT ON COLUMN push_queue.queued_at_ms IS 'since when it waits';
