-- What: accounts, their devices and tokens, user-interactive authentication, registration tokens.
-- Why:  who may log in and what a session may do. Of tokens and of session ids only the SHA-256 is kept.
-- Cost: none on an empty database. Old processes may run beside it: there are none.

CREATE TABLE accounts (
	user_id text NOT NULL,
	password_hash text,
	state text NOT NULL DEFAULT 'active',
	is_admin boolean NOT NULL DEFAULT false,
	is_guest boolean NOT NULL DEFAULT false,
	is_erased boolean NOT NULL DEFAULT false,
	is_leaving boolean NOT NULL DEFAULT false,
	appservice_id text,
	created_at_ms bigint NOT NULL,
	CONSTRAINT accounts_pkey PRIMARY KEY (user_id),
	CONSTRAINT accounts_state_known CHECK (state IN ('active', 'locked', 'suspended', 'deactivated')),
	CONSTRAINT accounts_deactivated_no_password CHECK (state <> 'deactivated' OR password_hash IS NULL)
);
CREATE INDEX accounts_leaving_idx ON accounts (user_id) WHERE is_leaving;
COMMENT ON TABLE accounts IS 'Users of this server; a row stays for ever, so that no name is given out twice';
COMMENT ON COLUMN accounts.user_id IS 'Matrix user id';
COMMENT ON COLUMN accounts.password_hash IS 'argon2id in PHC form; NULL: no login by password';
COMMENT ON COLUMN accounts.state IS 'active, locked, suspended or deactivated';
COMMENT ON COLUMN accounts.is_admin IS 'server administrator';
COMMENT ON COLUMN accounts.is_guest IS 'guest account';
COMMENT ON COLUMN accounts.is_erased IS 'was deactivated with the wish to be forgotten';
COMMENT ON COLUMN accounts.is_leaving IS 'was deactivated and may still be in rooms';
COMMENT ON COLUMN accounts.appservice_id IS 'application service whose user this is; NULL: none';
COMMENT ON COLUMN accounts.created_at_ms IS 'when';

CREATE TABLE devices (
	user_id text NOT NULL,
	device_id text NOT NULL,
	display_name text,
	last_seen_ms bigint NOT NULL,
	last_seen_ip text,
	created_at_ms bigint NOT NULL,
	CONSTRAINT devices_pkey PRIMARY KEY (user_id, device_id),
	CONSTRAINT devices_user_fkey FOREIGN KEY (user_id) REFERENCES accounts (user_id) ON DELETE CASCADE
) WITH (fillfactor = 80);
COMMENT ON TABLE devices IS 'Sessions of users as they see them';
COMMENT ON COLUMN devices.user_id IS 'whose';
COMMENT ON COLUMN devices.device_id IS 'chosen by the client or by us';
COMMENT ON COLUMN devices.display_name IS 'what the user calls it';
COMMENT ON COLUMN devices.last_seen_ms IS 'last request, give or take a minute';
COMMENT ON COLUMN devices.last_seen_ip IS 'from which address';
COMMENT ON COLUMN devices.created_at_ms IS 'first login';

CREATE TABLE refresh_tokens (
	token_hash bytea NOT NULL,
	user_id text NOT NULL,
	device_id text NOT NULL,
	is_confirmed boolean NOT NULL,
	expires_at_ms bigint NOT NULL,
	created_at_ms bigint NOT NULL,
	CONSTRAINT refresh_tokens_pkey PRIMARY KEY (token_hash),
	CONSTRAINT refresh_tokens_device_fkey FOREIGN KEY (user_id, device_id)
		REFERENCES devices (user_id, device_id) ON DELETE CASCADE
);
CREATE INDEX refresh_tokens_device_idx ON refresh_tokens (user_id, device_id);
COMMENT ON TABLE refresh_tokens IS 'Refresh tokens; a device has one confirmed pair of tokens and what was made from it';
COMMENT ON COLUMN refresh_tokens.token_hash IS 'SHA-256 of the token';
COMMENT ON COLUMN refresh_tokens.user_id IS 'whose';
COMMENT ON COLUMN refresh_tokens.device_id IS 'of which device';
COMMENT ON COLUMN refresh_tokens.is_confirmed IS 'false until one token of its pair is used; then all others of the device end';
COMMENT ON COLUMN refresh_tokens.expires_at_ms IS '0: never';
COMMENT ON COLUMN refresh_tokens.created_at_ms IS 'when';

CREATE TABLE access_tokens (
	token_hash bytea NOT NULL,
	user_id text NOT NULL,
	device_id text NOT NULL,
	refresh_hash bytea,
	is_confirmed boolean NOT NULL,
	expires_at_ms bigint NOT NULL,
	created_at_ms bigint NOT NULL,
	CONSTRAINT access_tokens_pkey PRIMARY KEY (token_hash),
	CONSTRAINT access_tokens_device_fkey FOREIGN KEY (user_id, device_id)
		REFERENCES devices (user_id, device_id) ON DELETE CASCADE
);
CREATE INDEX access_tokens_device_idx ON access_tokens (user_id, device_id);
COMMENT ON TABLE access_tokens IS 'Access tokens';
COMMENT ON COLUMN access_tokens.token_hash IS 'SHA-256 of the token';
COMMENT ON COLUMN access_tokens.user_id IS 'whose';
COMMENT ON COLUMN access_tokens.device_id IS 'of which device';
COMMENT ON COLUMN access_tokens.refresh_hash IS 'the refresh token of its pair; NULL: none';
COMMENT ON COLUMN access_tokens.is_confirmed IS 'as in refresh_tokens';
COMMENT ON COLUMN access_tokens.expires_at_ms IS '0: never';
COMMENT ON COLUMN access_tokens.created_at_ms IS 'when';

CREATE TABLE uia_sessions (
	session_hash bytea NOT NULL,
	user_id text NOT NULL,
	binding bytea NOT NULL,
	completed text NOT NULL DEFAULT '',
	registration_token text,
	expires_at_ms bigint NOT NULL,
	CONSTRAINT uia_sessions_pkey PRIMARY KEY (session_hash)
);
CREATE INDEX uia_sessions_expires_idx ON uia_sessions (expires_at_ms);
COMMENT ON TABLE uia_sessions IS 'User-interactive authentication under way';
COMMENT ON COLUMN uia_sessions.session_hash IS 'SHA-256 of the session id';
COMMENT ON COLUMN uia_sessions.user_id IS 'who asks; empty at registration';
COMMENT ON COLUMN uia_sessions.binding IS 'SHA-256 of method, path and body without auth: for nothing else does it count';
COMMENT ON COLUMN uia_sessions.completed IS 'stages done, separated by spaces';
COMMENT ON COLUMN uia_sessions.registration_token IS 'given in its stage; NULL: none';
COMMENT ON COLUMN uia_sessions.expires_at_ms IS 'when it ends';

CREATE TABLE registration_tokens (
	token text NOT NULL,
	uses_allowed bigint,
	use_count bigint NOT NULL DEFAULT 0,
	expires_at_ms bigint NOT NULL,
	created_at_ms bigint NOT NULL,
	CONSTRAINT registration_tokens_pkey PRIMARY KEY (token)
);
COMMENT ON TABLE registration_tokens IS 'Tokens with which people may register';
COMMENT ON COLUMN registration_tokens.token IS 'as handed out: administrators read it again';
COMMENT ON COLUMN registration_tokens.uses_allowed IS 'accounts it may make; NULL: any number';
COMMENT ON COLUMN registration_tokens.use_count IS 'accounts it has made';
COMMENT ON COLUMN registration_tokens.expires_at_ms IS '0: never';
COMMENT ON COLUMN registration_tokens.created_at_ms IS 'when';

CREATE TABLE session_epoch (
	only_row boolean NOT NULL DEFAULT true,
	epoch bigint NOT NULL,
	CONSTRAINT session_epoch_pkey PRIMARY KEY (only_row),
	CONSTRAINT session_epoch_one_row CHECK (only_row)
);
COMMENT ON TABLE session_epoch IS 'Moves when another process (the command line) ended sessions or changed an account';
COMMENT ON COLUMN session_epoch.only_row IS 'always true';
COMMENT ON COLUMN session_epoch.epoch IS 'a server that sees a new value forgets the sessions that it has in memory';
INSERT INTO session_epoch (epoch) VALUES (0);
