-- What: e-mail addresses of accounts, their validation by mail, and what identity servers were told.
-- Why:  registration, password reset and log-in by address. Of client secrets and tokens only the SHA-256 is kept.
-- Cost: none on an existing database. Old processes may run beside it.

CREATE TABLE threepids (
	medium text NOT NULL,
	address text NOT NULL,
	user_id text NOT NULL,
	validated_at_ms bigint NOT NULL,
	added_at_ms bigint NOT NULL,
	CONSTRAINT threepids_pkey PRIMARY KEY (medium, address),
	CONSTRAINT threepids_user_fkey FOREIGN KEY (user_id) REFERENCES accounts (user_id) ON DELETE CASCADE
);
CREATE INDEX threepids_user_idx ON threepids (user_id);
COMMENT ON TABLE threepids IS 'Third-party identifiers of accounts; one belongs to at most one account';
COMMENT ON COLUMN threepids.medium IS 'email';
COMMENT ON COLUMN threepids.address IS 'in lower case';
COMMENT ON COLUMN threepids.user_id IS 'whose';
COMMENT ON COLUMN threepids.validated_at_ms IS 'when its owner confirmed it';
COMMENT ON COLUMN threepids.added_at_ms IS 'when it became the account''s';

CREATE TABLE threepid_binds (
	user_id text NOT NULL,
	medium text NOT NULL,
	address text NOT NULL,
	id_server text NOT NULL,
	CONSTRAINT threepid_binds_pkey PRIMARY KEY (user_id, medium, address, id_server),
	CONSTRAINT threepid_binds_user_fkey FOREIGN KEY (user_id) REFERENCES accounts (user_id) ON DELETE CASCADE
);
COMMENT ON TABLE threepid_binds IS 'What identity servers publish of users by our doing, so that it can be taken back';
COMMENT ON COLUMN threepid_binds.user_id IS 'whose';
COMMENT ON COLUMN threepid_binds.medium IS 'as the identity server calls it';
COMMENT ON COLUMN threepid_binds.address IS 'as the identity server has it';
COMMENT ON COLUMN threepid_binds.id_server IS 'name of the identity server';

CREATE TABLE email_validations (
	sid text NOT NULL,
	purpose text NOT NULL,
	address text NOT NULL,
	client_secret_hash bytea NOT NULL,
	token_hash bytea NOT NULL,
	is_refused boolean NOT NULL,
	send_attempt bigint NOT NULL,
	mails_sent bigint NOT NULL,
	next_link text NOT NULL,
	validated_at_ms bigint NOT NULL DEFAULT 0,
	created_at_ms bigint NOT NULL,
	expires_at_ms bigint NOT NULL,
	CONSTRAINT email_validations_pkey PRIMARY KEY (sid),
	CONSTRAINT email_validations_attempt_key UNIQUE (address, client_secret_hash, purpose)
);
CREATE INDEX email_validations_expires_idx ON email_validations (expires_at_ms);
COMMENT ON TABLE email_validations IS 'Validations of e-mail addresses under way';
COMMENT ON COLUMN email_validations.sid IS 'session id, as clients name it';
COMMENT ON COLUMN email_validations.purpose IS 'register, add or password: for nothing else does it count';
COMMENT ON COLUMN email_validations.address IS 'in lower case';
COMMENT ON COLUMN email_validations.client_secret_hash IS 'SHA-256 of the client''s secret';
COMMENT ON COLUMN email_validations.token_hash IS 'SHA-256 of the token in the newest mail';
COMMENT ON COLUMN email_validations.is_refused IS 'the mail told why not and had no token';
COMMENT ON COLUMN email_validations.send_attempt IS 'newest of the client; only a higher one sends a mail';
COMMENT ON COLUMN email_validations.mails_sent IS 'how many mails';
COMMENT ON COLUMN email_validations.next_link IS 'where to go afterwards; empty: nowhere';
COMMENT ON COLUMN email_validations.validated_at_ms IS 'when the owner confirmed; 0: not yet';
COMMENT ON COLUMN email_validations.created_at_ms IS 'when it began';
COMMENT ON COLUMN email_validations.expires_at_ms IS 'when it ends';

ALTER TABLE uia_sessions ADD COLUMN email text;
COMMENT ON COLUMN uia_sessions.email IS 'address proven in its stage; NULL: none';
