-- What: which account a user of an identity provider has.
-- Why:  a provider's subject is what stays when names and addresses change.
-- Cost: none on an existing database. Old processes may run beside it.

CREATE TABLE sso_identities (
	provider text NOT NULL,
	subject text NOT NULL,
	user_id text NOT NULL,
	created_at_ms bigint NOT NULL,
	CONSTRAINT sso_identities_pkey PRIMARY KEY (provider, subject),
	CONSTRAINT sso_identities_user_fkey FOREIGN KEY (user_id) REFERENCES accounts (user_id) ON DELETE CASCADE
);
COMMENT ON TABLE sso_identities IS 'Accounts of users of identity providers';
COMMENT ON COLUMN sso_identities.provider IS 'id of the provider: the name of its file';
COMMENT ON COLUMN sso_identities.subject IS 'whom the provider means (sub)';
COMMENT ON COLUMN sso_identities.user_id IS 'account';
COMMENT ON COLUMN sso_identities.created_at_ms IS 'first sign-in';
