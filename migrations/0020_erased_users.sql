-- What: when in the stream a user was erased.
-- Why:  who could see the user's events before goes on seeing them, others get them redacted.
-- Cost: one pass over accounts. Old processes may run beside it, but accounts erased by them are not hidden.

ALTER TABLE accounts ADD COLUMN erased_position bigint;
COMMENT ON COLUMN accounts.erased_position IS 'newest stream position when the user was erased; NULL: was not';
UPDATE accounts SET erased_position = (SELECT position FROM stream_head) WHERE is_erased;
CREATE INDEX accounts_erased_idx ON accounts (user_id) INCLUDE (erased_position) WHERE erased_position IS NOT NULL;
