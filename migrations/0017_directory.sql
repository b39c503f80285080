-- What: summaries of rooms and names of people, for the directories.
-- Why:  POST /user_directory/search, /publicRooms; filled by a stream consumer, so the send path does nothing for them. Profiles and accounts
--       have no place in the stream: triggers note whose changed, whoever changes them.
-- Cost: the consumer reads the state events of all rooms once; one row for each account is noted.
-- Old processes may run beside it.

CREATE TABLE room_summaries (
	room_nid bigint NOT NULL,
	joined_members bigint NOT NULL,
	name text,
	topic text,
	canonical_alias text,
	avatar_url text,
	join_rule text NOT NULL,
	room_type text,
	is_world_readable boolean NOT NULL,
	guest_can_join boolean NOT NULL,
	terms tsvector NOT NULL,
	CONSTRAINT room_summaries_pkey PRIMARY KEY (room_nid)
) WITH (fillfactor = 70);
COMMENT ON TABLE room_summaries IS 'What the state of each room says of it; somewhat behind the state';
COMMENT ON COLUMN room_summaries.room_nid IS 'room';
COMMENT ON COLUMN room_summaries.joined_members IS 'how many are joined';
COMMENT ON COLUMN room_summaries.name IS 'm.room.name';
COMMENT ON COLUMN room_summaries.topic IS 'm.room.topic, as plain text';
COMMENT ON COLUMN room_summaries.canonical_alias IS 'm.room.canonical_alias';
COMMENT ON COLUMN room_summaries.avatar_url IS 'm.room.avatar';
COMMENT ON COLUMN room_summaries.join_rule IS 'm.room.join_rules';
COMMENT ON COLUMN room_summaries.room_type IS 'type of m.room.create; NULL: none';
COMMENT ON COLUMN room_summaries.is_world_readable IS 'm.room.history_visibility is world_readable';
COMMENT ON COLUMN room_summaries.guest_can_join IS 'm.room.guest_access is can_join';
COMMENT ON COLUMN room_summaries.terms IS 'terms of name, topic and alias (base/terms.h)';
CREATE INDEX rooms_published_idx ON rooms (room_nid) WHERE is_published;

CREATE TABLE directory_users (
	user_id text NOT NULL,
	display_name text,
	avatar_url text,
	folded_name text NOT NULL,
	is_local boolean NOT NULL,
	terms tsvector NOT NULL,
	CONSTRAINT directory_users_pkey PRIMARY KEY (user_id)
);
CREATE INDEX directory_users_terms_idx ON directory_users USING gin (terms) WITH (gin_pending_list_limit = 128);
COMMENT ON TABLE directory_users IS 'Names of people: local accounts, and users of other servers as rooms name them';
COMMENT ON COLUMN directory_users.user_id IS 'who';
COMMENT ON COLUMN directory_users.display_name IS 'NULL: none';
COMMENT ON COLUMN directory_users.avatar_url IS 'NULL: none';
COMMENT ON COLUMN directory_users.folded_name IS 'name (else the user id) as search compares it';
COMMENT ON COLUMN directory_users.is_local IS 'account of this server';
COMMENT ON COLUMN directory_users.terms IS 'terms of name and user id (base/terms.h)';

CREATE TABLE directory_stale (
	user_id text NOT NULL,
	CONSTRAINT directory_stale_pkey PRIMARY KEY (user_id)
);
COMMENT ON TABLE directory_stale IS 'Accounts whose row in directory_users may be out of date';
COMMENT ON COLUMN directory_stale.user_id IS 'whose';
INSERT INTO directory_stale (user_id) SELECT user_id FROM accounts;

CREATE FUNCTION directory_note_user() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	INSERT INTO directory_stale (user_id) VALUES (coalesce(NEW.user_id, OLD.user_id)) ON CONFLICT DO NOTHING;
	RETURN NULL;
END $$;
COMMENT ON FUNCTION directory_note_user() IS 'Notes whose name in the directory may be out of date';
CREATE TRIGGER accounts_directory AFTER INSERT OR UPDATE OF state, is_guest ON accounts
	FOR EACH ROW EXECUTE FUNCTION directory_note_user();
CREATE TRIGGER profiles_directory AFTER INSERT OR UPDATE OR DELETE ON profiles
	FOR EACH ROW EXECUTE FUNCTION directory_note_user();
