-- What: clients of the OAuth 2.0 API, the devices that log in by it, and log-ins of devices without a browser (RFC 8628).
-- Why:  the specification's newer way to log in, beside the older one.
-- How:  clients with the same metadata are one row, whose id is a hash of it. A device that is in `oauth_sessions` belongs to a client; its tokens lie with
--       all others. Codes lie in `account_secrets`.
-- Cost: none on an existing database. Old processes may run beside it; one of them that logs a device of this API in anew leaves its row, so that its refresh tokens
--       are refused: it logs in once more.

CREATE TABLE oauth_clients (
	client_id text NOT NULL,
	metadata text NOT NULL,
	last_used_ms bigint NOT NULL,
	CONSTRAINT oauth_clients_pkey PRIMARY KEY (client_id)
);
CREATE INDEX oauth_clients_used_idx ON oauth_clients (last_used_ms);
COMMENT ON TABLE oauth_clients IS 'Clients that registered themselves';
COMMENT ON COLUMN oauth_clients.client_id IS 'hash of the metadata';
COMMENT ON COLUMN oauth_clients.metadata IS 'what they say about themselves, as far as it is understood (matrix/oauth_client.c): a JSON object';
COMMENT ON COLUMN oauth_clients.last_used_ms IS 'when somebody last logged in by one of them, to a day; where nobody has yet, a time from which it is kept for a day longer';

CREATE TABLE oauth_sessions (
	user_id text NOT NULL,
	device_id text NOT NULL,
	client_id text NOT NULL,
	family_hash bytea NOT NULL,
	scope text NOT NULL,
	CONSTRAINT oauth_sessions_pkey PRIMARY KEY (user_id, device_id),
	CONSTRAINT oauth_sessions_device_fkey FOREIGN KEY (user_id, device_id)
		REFERENCES devices (user_id, device_id) ON DELETE CASCADE,
	CONSTRAINT oauth_sessions_client_fkey FOREIGN KEY (client_id) REFERENCES oauth_clients (client_id)
);
CREATE UNIQUE INDEX oauth_sessions_family_idx ON oauth_sessions (family_hash);
CREATE INDEX oauth_sessions_client_idx ON oauth_sessions (client_id);
COMMENT ON TABLE oauth_sessions IS 'Devices that logged in by the OAuth 2.0 API';
COMMENT ON COLUMN oauth_sessions.user_id IS 'whose';
COMMENT ON COLUMN oauth_sessions.device_id IS 'which';
COMMENT ON COLUMN oauth_sessions.client_id IS 'by which client';
COMMENT ON COLUMN oauth_sessions.family_hash IS 'SHA-256 of what all its refresh tokens begin with';
COMMENT ON COLUMN oauth_sessions.scope IS 'what was allowed';

CREATE TABLE oauth_device_grants (
	device_code_hash bytea NOT NULL,
	user_code text NOT NULL,
	client_id text NOT NULL,
	scope text NOT NULL,
	state text NOT NULL,
	user_id text,
	expires_at_ms bigint NOT NULL,
	polled_at_ms bigint NOT NULL,
	CONSTRAINT oauth_device_grants_pkey PRIMARY KEY (device_code_hash),
	CONSTRAINT oauth_device_grants_state_check CHECK (state IN ('pending', 'approved', 'denied'))
);
CREATE UNIQUE INDEX oauth_device_grants_user_code_idx ON oauth_device_grants (user_code);
CREATE INDEX oauth_device_grants_expires_idx ON oauth_device_grants (expires_at_ms);
CREATE INDEX oauth_device_grants_user_idx ON oauth_device_grants (user_id) WHERE user_id IS NOT NULL;
COMMENT ON TABLE oauth_device_grants IS 'Log-ins of devices that wait for their user to say so elsewhere';
COMMENT ON COLUMN oauth_device_grants.device_code_hash IS 'SHA-256 of what the device has';
COMMENT ON COLUMN oauth_device_grants.user_code IS 'what the user types, without the hyphen';
COMMENT ON COLUMN oauth_device_grants.client_id IS 'which client asks';
COMMENT ON COLUMN oauth_device_grants.scope IS 'for what';
COMMENT ON COLUMN oauth_device_grants.state IS 'pending, approved or denied';
COMMENT ON COLUMN oauth_device_grants.user_id IS 'who answered; NULL: nobody yet';
COMMENT ON COLUMN oauth_device_grants.expires_at_ms IS 'when it ends';
COMMENT ON COLUMN oauth_device_grants.polled_at_ms IS 'when the device last asked; 0: not yet';

COMMENT ON COLUMN account_secrets.kind IS 'what it is good for (storage/secret.h)';
