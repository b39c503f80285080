-- What: profiles, account data, filters.
-- Why:  kept for users and their clients as they gave it.
-- Cost: none on an empty database. Old processes may run beside it.

CREATE TABLE profiles (
	user_id text NOT NULL,
	field text NOT NULL,
	value text NOT NULL,
	CONSTRAINT profiles_pkey PRIMARY KEY (user_id, field)
);
COMMENT ON TABLE profiles IS 'Profile fields of local users';
COMMENT ON COLUMN profiles.user_id IS 'whose';
COMMENT ON COLUMN profiles.field IS 'displayname, avatar_url, or a namespaced name';
COMMENT ON COLUMN profiles.value IS 'JSON text';

CREATE TABLE account_data (
	user_id text NOT NULL,
	room_nid bigint NOT NULL,
	type text NOT NULL,
	content text NOT NULL,
	position bigint NOT NULL,
	CONSTRAINT account_data_pkey PRIMARY KEY (user_id, room_nid, type)
);
CREATE INDEX account_data_position_idx ON account_data (user_id, position);
COMMENT ON TABLE account_data IS 'What clients keep with the account';
COMMENT ON COLUMN account_data.user_id IS 'whose';
COMMENT ON COLUMN account_data.room_nid IS 'room; 0: of the account as a whole';
COMMENT ON COLUMN account_data.type IS 'type';
COMMENT ON COLUMN account_data.content IS 'JSON object as text';
COMMENT ON COLUMN account_data.position IS 'stream position of the newest change';

CREATE TABLE filters (
	user_id text NOT NULL,
	filter_id bigint NOT NULL,
	definition text NOT NULL,
	definition_hash bytea NOT NULL,
	CONSTRAINT filters_pkey PRIMARY KEY (user_id, filter_id),
	CONSTRAINT filters_definition_key UNIQUE (user_id, definition_hash)
);
COMMENT ON TABLE filters IS 'Filters that clients have stored';
COMMENT ON COLUMN filters.user_id IS 'whose';
COMMENT ON COLUMN filters.filter_id IS 'from 1 for each user';
COMMENT ON COLUMN filters.definition IS 'canonical JSON';
COMMENT ON COLUMN filters.definition_hash IS 'SHA-256 of it, so that the same filter gets the same id';
