-- What: devices and cross-signing keys of users of other servers.
-- Why:  so that key queries for them are answered from here, kept up to date by what their servers tell.
-- Cost: builds an index over members. Old processes may run beside it: they know nothing of these lists.

CREATE TABLE remote_device_lists (
	user_id text NOT NULL,
	stream_id bigint NOT NULL,
	is_stale boolean NOT NULL,
	master_key text,
	self_signing_key text,
	CONSTRAINT remote_device_lists_pkey PRIMARY KEY (user_id)
);
COMMENT ON TABLE remote_device_lists IS 'Users of other servers whose devices are known';
COMMENT ON COLUMN remote_device_lists.user_id IS 'whose';
COMMENT ON COLUMN remote_device_lists.stream_id IS 'of the newest change that is in, as their server counts';
COMMENT ON COLUMN remote_device_lists.is_stale IS 'changes were missed: not to be used';
COMMENT ON COLUMN remote_device_lists.master_key IS 'JSON object; NULL: none';
COMMENT ON COLUMN remote_device_lists.self_signing_key IS 'JSON object; NULL: none';

CREATE TABLE remote_devices (
	user_id text NOT NULL,
	device_id text NOT NULL,
	keys text,
	display_name text,
	CONSTRAINT remote_devices_pkey PRIMARY KEY (user_id, device_id),
	CONSTRAINT remote_devices_list_fkey FOREIGN KEY (user_id)
		REFERENCES remote_device_lists (user_id) ON DELETE CASCADE
);
COMMENT ON TABLE remote_devices IS 'Their devices';
COMMENT ON COLUMN remote_devices.user_id IS 'whose';
COMMENT ON COLUMN remote_devices.device_id IS 'device';
COMMENT ON COLUMN remote_devices.keys IS 'JSON object of its keys, as signed; NULL: it has none';
COMMENT ON COLUMN remote_devices.display_name IS 'as its server calls it; NULL: not told';

CREATE INDEX members_local_idx ON members (room_nid) WHERE is_local AND membership = 'join';
