-- What: short-lived secrets of accounts: OpenID tokens, login tokens, sign-ins by an identity provider under way.
-- Why:  one table for whatever is a hash, an owner, some text and an end; each kind is looked up by its hash only.
-- Cost: none. Old processes may run beside it.

CREATE TABLE account_secrets (
	kind text NOT NULL,
	secret_hash bytea NOT NULL,
	user_id text NOT NULL,
	data text NOT NULL DEFAULT '',
	expires_at_ms bigint NOT NULL,
	CONSTRAINT account_secrets_pkey PRIMARY KEY (secret_hash, kind)
);
CREATE INDEX account_secrets_expires_idx ON account_secrets (expires_at_ms);
CREATE INDEX account_secrets_user_idx ON account_secrets (user_id) WHERE user_id <> '';
COMMENT ON TABLE account_secrets IS 'Secrets that end soon by themselves';
COMMENT ON COLUMN account_secrets.kind IS 'what it is good for: openid, login, sso';
COMMENT ON COLUMN account_secrets.secret_hash IS 'SHA-256 of the secret';
COMMENT ON COLUMN account_secrets.user_id IS 'whose; empty: nobody yet';
COMMENT ON COLUMN account_secrets.data IS 'what has to be remembered with it, by kind';
COMMENT ON COLUMN account_secrets.expires_at_ms IS 'when it ends';
