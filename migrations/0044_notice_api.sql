-- What: tokens for webhooks beside those for the API; what a repeated request said the first time.
-- Why:  a hook's token stands in an address, which more people see, so it can do less; two requests under one key are told apart.
-- Cost: none. Old processes may run beside it: to them a hook is a token like others, which they do not look at yet.

ALTER TABLE notice_tokens
	ADD COLUMN is_hook boolean NOT NULL DEFAULT false,
	ADD COLUMN is_signed boolean NOT NULL DEFAULT false;
COMMENT ON COLUMN notice_tokens.is_hook IS 'stands in the address of a webhook, and is good for nothing else';
COMMENT ON COLUMN notice_tokens.is_signed IS 'what comes to the hook has to be signed, with a secret made of the token';

ALTER TABLE notices ADD COLUMN request_hash bytea;
COMMENT ON COLUMN notices.request_hash IS 'SHA-256 of what the request with that key said; null: no key';
